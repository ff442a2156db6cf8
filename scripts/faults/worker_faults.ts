/** Fault 1: a worker ends, hangs, or runs out of memory, while all of them are under load. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Crash } from '../../src/spi/worker_messages.ts';
import { bootstrap, cluster, httpListener, route } from '../../test/support/bootstrap.ts';
import { RawClient, requestBytes } from '../../test/support/raw_client.ts';
import { waitFor } from '../../test/support/wait_for.ts';
import { expect, type Fault, type FaultContext, startEcho } from './context.ts';
import { Load } from './load.ts';
import type { Order } from './victim.ts';

const workers = 3;
const connections = 24;

export function workerFault(how: Crash, name: string, foundWithin: number): Fault {
  return {
    name,
    async start({ random, figures }: FaultContext) {
      const upstream = await startEcho();
      const dir = mkdtempSync(path.join(tmpdir(), 'nuncio-fault-'));
      const file = path.join(dir, 'bootstrap.yaml');
      const config = bootstrap(
        [httpListener('main', [route('/', 'a')], {}, { stat_prefix: 'main' })],
        [cluster('a', [upstream.port])],
      );
      writeFileSync(file, JSON.stringify(config));
      const victim = fork(path.join(import.meta.dirname, 'victim.ts'), [file, String(workers)], {
        // Small heaps, so that running out of memory does not take the machine's.
        execArgv: ['--max-old-space-size=96'],
      });
      const [{ port }] = await once(victim, 'message');
      const load = new Load(port, connections, 10);
      let repetitions = 0;
      return {
        async repeat() {
          await waitFor('load', () => load.answered > 100);
          const index = random.int(workers);
          const served = `listener.main.worker_${index}.downstream_cx_total`;
          const failedBefore = load.failed;
          const active = await stat(victim, `listener.main.worker_${index}.downstream_cx_active`);
          const servedBefore = await stat(victim, served);
          const started = performance.now();
          order(victim, { kind: 'crash', index, how });
          repetitions++;
          await waitFor('restart', async () => (await stat(victim, 'server.worker_restarts')) === repetitions, {
            withinMs: foundWithin,
          });
          figures.add('found after ms', performance.now() - started);
          const answered = load.answered;
          await waitFor('a request to the new worker', async () => {
            const client = await RawClient.connect(port);
            client.send(requestBytes('/new'));
            await client.response().catch(() => undefined);
            client.destroy();
            return (await stat(victim, served)) > servedBefore;
          });
          figures.add('serves again after ms', performance.now() - started);
          await waitFor('load to go on', () => load.answered > answered + 200);
          const failed = load.failed - failedBefore;
          figures.add('requests failed', failed);
          figures.add('of other workers', Math.max(0, failed - active));
          expect(failed <= active, `${failed} failed, ${active} were on it: ${JSON.stringify([...load.failures])}`);
          expect(!load.failures.has('wrong body'), 'a wrong answer');
          expect(victim.exitCode === null, 'the process ended');
        },
        async stop() {
          await load.stop();
          victim.disconnect();
          await once(victim, 'exit');
          await upstream.close();
          rmSync(dir, { recursive: true });
        },
      };
    },
  };
}

function order(victim: ChildProcess, message: Order): void {
  victim.send(message);
}

async function stat(victim: ChildProcess, name: string): Promise<number> {
  const answer = once(victim, 'message');
  order(victim, { kind: 'stat', name });
  const [{ value }] = await answer;
  return value;
}
