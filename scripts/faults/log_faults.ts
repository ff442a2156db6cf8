/** Fault 10: the access log's disk is full, its pipe is not read, its reader is gone; requests must not notice. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { bootstrap, cluster, fileAccessLog, httpListener, route } from '../../test/support/bootstrap.ts';
import { startProxy } from '../../test/support/proxy.ts';
import { delay } from '../../test/support/wait_for.ts';
import { expect, type Fault, startEcho } from './context.ts';
import { Load } from './load.ts';

export const logFault: Fault = {
  name: '10 log disk full (/dev/full), log pipe not read, reader of the pipe gone',
  async start({ figures }) {
    const upstream = await startEcho();
    return {
      async repeat() {
        let pipe = '';
        const proxy = await startProxy((dir) => {
          pipe = path.join(dir, 'pipe');
          execFileSync('mkfifo', [pipe]);
          const logs = [fileAccessLog('/dev/full', `${'x'.repeat(200)}\n`), fileAccessLog(path.join(dir, 'good.log'))];
          // Envoy, too, waits for a reader when it opens a pipe.
          reader = spawn('sh', ['-c', 'exec 3<"$0"; exec sleep 100', pipe], { stdio: 'ignore' });
          logs.push(fileAccessLog(pipe, `${'y'.repeat(2000)}\n`));
          return bootstrap(
            [httpListener('main', [route('/', 'a')], { access_log: logs })],
            [cluster('a', [upstream.port])],
          );
        });
        try {
          const load = new Load(proxy.port('main'), 8, 1);
          await delay(700);
          reader!.kill('SIGKILL');
          await once(reader!, 'exit');
          const before = load.answered;
          await delay(500);
          const failedWrites = await proxy.stat('filesystem.write_failed');
          await load.stop();
          figures.add('requests', load.answered);
          figures.add('failed writes counted', failedWrites);
          expect(load.failed === 0, `requests failed: ${JSON.stringify([...load.failures])}`);
          expect(load.answered > before && before > 100, 'requests stood still');
          expect(failedWrites > 0, 'no failed write was counted');
          expect((await proxy.stat('server.worker_restarts')) === 0, 'a worker died');
        } finally {
          reader?.kill('SIGKILL');
          await proxy.stop();
        }
      },
      async stop() {
        await upstream.close();
      },
    };
  },
};

let reader: ReturnType<typeof spawn> | undefined;
