/** GET /memory: what the process holds, under the names of Envoy's allocator. */
import { type Endpoint, json } from './endpoint.ts';

/** Bytes in use and held by the main thread's heap, and resident in the whole process. Node has no caches or page heap of its own to tell of. */
export function memoryFigures(): { allocated: number; heapSize: number; physical: number } {
  const { heapUsed, heapTotal, external, rss } = process.memoryUsage();
  return { allocated: heapUsed + external, heapSize: heapTotal + external, physical: rss };
}

export const memory: Endpoint = {
  path: '/memory',
  help: 'print current allocation/heap usage',
  handle() {
    const { allocated, heapSize, physical } = memoryFigures();
    return json({
      allocated: `${allocated}`,
      heap_size: `${heapSize}`,
      pageheap_unmapped: '0',
      pageheap_free: '0',
      total_thread_cache: '0',
      total_physical_bytes: `${physical}`,
    });
  },
};
