/**
 * What the heaps of this process' worker threads hold, over the inspector: a snapshot of a running worker's heap, the other
 * way to have everything collected, crashes Node 26 once in a while (its names are freed while they are read).
 */
import { Session } from 'node:inspector';

interface Answer {
  readonly id: number;
  readonly result: { readonly usedSize: number };
}

/** Bytes in use in all workers together, after a full garbage collection of each. */
export async function workerHeaps(): Promise<number> {
  const session = new Session();
  session.connect();
  try {
    const workers: string[] = [];
    const waiting = new Map<number, (answer: Answer) => void>();
    session.on('NodeWorker.attachedToWorker', ({ params }) => workers.push(params.sessionId));
    session.on('NodeWorker.receivedMessageFromWorker', ({ params }) => {
      const answer = JSON.parse(params.message) as Answer;
      waiting.get(answer.id)?.(answer);
    });
    let lastId = 0;
    const ask = (sessionId: string, method: string): Promise<Answer> =>
      new Promise((resolve) => {
        const id = ++lastId;
        waiting.set(id, resolve);
        session.post('NodeWorker.sendMessageToWorker', { sessionId, message: JSON.stringify({ id, method }) });
      });
    await new Promise<void>((resolve, reject) => {
      session.post('NodeWorker.enable', { waitForDebuggerOnStart: false }, (error) =>
        error === null ? resolve() : reject(error),
      );
    });
    let used = 0;
    for (const worker of workers) {
      await ask(worker, 'HeapProfiler.collectGarbage');
      used += (await ask(worker, 'Runtime.getHeapUsage')).result.usedSize;
    }
    return used;
  } finally {
    session.disconnect();
  }
}
