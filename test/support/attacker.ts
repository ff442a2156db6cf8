/** The thread an attack runs in, so that what it costs is not felt by the well-behaved client beside it. */
import { parentPort, workerData } from 'node:worker_threads';
import { Attacker, type AttackOrder, type AttackResult, attacks } from './attacks.ts';

/** What it says: all its connections stand (with what it has done so far), and, at its end, what it came to. */
export interface AttackReport {
  readonly kind: 'standing' | 'over';
  readonly result: AttackResult;
  /** Milliseconds of CPU time. */
  readonly cpu: number;
}

const order = workerData as AttackOrder;
const attacker = new Attacker(order.port);
const say = (kind: AttackReport['kind']): void => {
  const { user, system } = process.threadCpuUsage();
  parentPort!.postMessage({ kind, result: attacker.result, cpu: (user + system) / 1000 } satisfies AttackReport);
};
const leave = new Promise<void>((resolve) => {
  parentPort!.once('message', () => resolve());
});
await attacks[order.name](attacker, order, { standing: () => say('standing'), leave });
say('over');
attacker.end();
parentPort!.close();
