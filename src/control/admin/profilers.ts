/** What Envoy offers of its allocator, mutexes and profilers: there is nothing of them in Node, which these endpoints say. */
import { badRequest, type Endpoint, type EndpointParam, text } from './endpoint.ts';

function unsupported(what: string): ReturnType<typeof text> {
  return text(`The current build does not support ${what}`, 501);
}

function profiler(path: string, help: string, enable: string, what: string, checksFirst: boolean): Endpoint {
  const params: readonly EndpointParam[] = [{ name: 'enable', help: `${enable}; One of (y, n)` }];
  return {
    path,
    help,
    params,
    mutates: true,
    handle(_, { query }) {
      const given = query.get('enable');
      if (checksFirst && given !== 'y' && given !== 'n') return badRequest('?enable=<y|n>\n');
      return unsupported(what);
    },
  };
}

function dump(path: string, help: string, what: string): Endpoint {
  return { path, help, handle: () => unsupported(what) };
}

export const allocprofiler = profiler(
  '/allocprofiler',
  'enable/disable the allocation profiler (if supported)',
  'enable/disable the allocation profiler',
  'allocation profiler',
  true,
);

export const contention: Endpoint = {
  path: '/contention',
  help: 'dump current Envoy mutex contention stats (if enabled)',
  handle: () => text('Mutex contention tracing is not enabled. To enable, run Envoy with flag --enable-mutex-tracing.'),
};

export const cpuprofiler = profiler(
  '/cpuprofiler',
  'enable/disable the CPU profiler',
  'enables the CPU profiler',
  'CPU profiler',
  true,
);

export const heapDump = dump('/heap_dump', 'dump current Envoy heap (if supported)', 'heap dump');

export const heapprofiler = profiler(
  '/heapprofiler',
  'enable/disable the heap profiler',
  'enable/disable the heap profiler',
  'heap profiler',
  false,
);

export const tcmalloc = dump('/memory/tcmalloc', 'print TCMalloc stats', 'TCMalloc stats');

export const peakHeapDump = dump('/peak_heap_dump', 'dump peak Envoy heap (if supported)', 'heap dump');
