/** A proxy in a process of its own whose workers can be made to fail: started by fork, told what to do by messages. */
import { readFileSync } from 'node:fs';
import { createProxy } from '../../src/index.ts';
import type { Crash } from '../../src/spi/worker_messages.ts';

/** What the victim can be asked. */
export type Order =
  | { readonly kind: 'crash'; readonly index: number; readonly how: Crash }
  | { readonly kind: 'stat'; readonly name: string };

const [file, concurrency] = process.argv.slice(2);
const proxy = await createProxy({
  config: readFileSync(file, 'utf8'),
  concurrency: Number(concurrency),
  flags: ['-l', 'off'],
});
process.on('message', (order: Order) => {
  if (order.kind === 'crash') proxy.server.workers.crash(order.index, order.how);
  else process.send!({ value: proxy.stat(order.name) });
});
process.on('disconnect', () => process.exit());
process.send!({ port: proxy.port('main') });
