/** Loaded into every thread of the proxy under soak (`--import`): collects all garbage when asked, and tells what is left. */
import { BroadcastChannel, isMainThread } from 'node:worker_threads';

export interface Heap {
  /** Bytes in use after a full collection. */
  readonly heap: number;
  /** Bytes of buffers outside of it. */
  readonly buffers: number;
}

/** Asked on it, answered on the other. */
export const collectChannel = 'soak collect';
export const heapChannel = 'soak heap';

if (!isMainThread) {
  const answers = new BroadcastChannel(heapChannel);
  const asked = new BroadcastChannel(collectChannel);
  for (const channel of [answers, asked]) channel.unref();
  asked.onmessage = () => {
    globalThis.gc?.();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    answers.postMessage({ heap: heapUsed, buffers: arrayBuffers } satisfies Heap);
  };
}
