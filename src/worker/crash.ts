/** The ways a worker can fail, on demand: the tests of the supervisor need each of them for real. */
import type { Crash } from '../spi/worker_messages.ts';

export function crash(how: Crash): never {
  if (how === 'exit') process.exit(1);
  const held: number[][] = [];
  for (;;) {
    if (how === 'memory') held.push(new Array<number>(1_000_000).fill(held.length));
  }
}
