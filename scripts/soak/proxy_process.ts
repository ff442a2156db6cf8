/** The proxy of a soak in a process of its own, which tells what only the inside knows: started by fork, asked by messages. */
import { readFileSync } from 'node:fs';
import { BroadcastChannel } from 'node:worker_threads';
import { createProxy } from '../../src/index.ts';
import { collectChannel, type Heap, heapChannel } from './collector.ts';

/** Ports by listener; all statistics by name; what the heap of each worker holds. */
export type Question = 'ports' | 'statistics' | 'heaps';

const [file, workers] = process.argv.slice(2);
const proxy = await createProxy({
  config: readFileSync(file, 'utf8'),
  concurrency: Number(workers),
  flags: ['-l', 'warning'],
});
const collect = new BroadcastChannel(collectChannel);
const heaps = new BroadcastChannel(heapChannel);
process.on('message', async (question: Question) => {
  if (question === 'heaps') process.send!(await heapsOfWorkers());
  else process.send!(question === 'ports' ? ports() : statistics());
});
process.on('disconnect', () => process.exit());
process.send!('ready');

function heapsOfWorkers(): Promise<Heap[]> {
  const { promise, resolve } = Promise.withResolvers<Heap[]>();
  const answers: Heap[] = [];
  heaps.onmessage = (event) => {
    if (answers.push((event as { data: Heap }).data) === Number(workers)) resolve(answers);
  };
  collect.postMessage('now');
  return promise;
}

function ports(): Record<string, number> {
  const { listeners } = proxy.server;
  return Object.fromEntries(listeners.all().map(({ name, address }) => [name, address.port]));
}

function statistics(): Record<string, number> {
  return Object.fromEntries(proxy.server.stats.values().map(({ name, value }) => [name, Number(value)]));
}
