/** Fault 11: the process is stopped for 5 s and goes on: nothing that was under way is lost but what its own timeouts end. */
import { bootstrap, cluster, httpListener, route } from '../../test/support/bootstrap.ts';
import { startProxy } from '../../test/support/proxy.ts';
import { delay } from '../../test/support/wait_for.ts';
import { expect, type Fault, startEcho } from './context.ts';
import { Load } from './load.ts';

const pause = 5000;

export const stoppedProcess: Fault = {
  name: `11 SIGSTOP, ${pause / 1000} s later SIGCONT`,
  async start({ figures }) {
    const upstream = await startEcho();
    const config = bootstrap(
      [httpListener('main', [route('/', 'a', { timeout: '15s' })])],
      [cluster('a', [upstream.port])],
    );
    const proxy = await startProxy(config, { concurrency: 2 });
    return {
      async repeat() {
        const load = new Load(proxy.port('main'), 16, 2);
        await delay(300);
        proxy.signal('SIGSTOP');
        await delay(pause);
        const stopped = load.answered;
        proxy.signal('SIGCONT');
        await delay(700);
        await load.stop();
        figures.add('requests after', load.answered - stopped);
        expect(load.failed === 0, `requests failed: ${JSON.stringify([...load.failures])}`);
        expect(load.answered > stopped + 100, 'requests stood still');
        expect((await proxy.stat('server.worker_restarts')) === 0, 'a worker was taken for hung');
      },
      async stop() {
        await proxy.stop();
        await upstream.close();
      },
    };
  },
};
