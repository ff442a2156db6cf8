/** Fault 4: an upstream that does not answer SYN, one that resets every connection; other clusters must not notice. */
import type net from 'node:net';
import { startBlackhole } from '../../test/support/blackhole.ts';
import { bootstrap, cluster, httpListener, route } from '../../test/support/bootstrap.ts';
import { startProxy } from '../../test/support/proxy.ts';
import { request } from '../../test/support/raw_client.ts';
import { startTcpUpstream } from '../../test/support/upstream.ts';
import { waitFor } from '../../test/support/wait_for.ts';
import { expect, type Fault, startEcho } from './context.ts';
import { Load } from './load.ts';

const connectTimeout = 500;
const pending = 5;

export const connectFaults: Fault = {
  name: `4 blackhole (connect_timeout ${connectTimeout} ms, max_pending_requests ${pending}) and RST storm beside a good cluster`,
  async start({ random, figures }) {
    const good = await startEcho();
    const hole = await startBlackhole();
    const storm = await startTcpUpstream((socket: net.Socket) => {
      if (random.chance(0.5)) socket.resetAndDestroy();
      else socket.once('data', () => socket.resetAndDestroy());
    });
    const breakers = { circuit_breakers: { thresholds: [{ max_pending_requests: pending }] } };
    const proxy = await startProxy(
      bootstrap(
        [httpListener('main', [route('/hole', 'hole'), route('/storm', 'storm'), route('/', 'good')])],
        [
          cluster('hole', [hole.port], { connect_timeout: `${connectTimeout / 1000}s`, ...breakers }),
          cluster('storm', [storm.port]),
          cluster('good', [good.port]),
        ],
      ),
    );
    const port = proxy.port('main');
    return {
      async repeat() {
        const load = new Load(port, 4, 5);
        const overflowBefore = await proxy.stat('cluster.hole.upstream_rq_pending_overflow');
        const started = performance.now();
        const answers = await Promise.all(
          Array.from({ length: 3 * pending }, async () => {
            const { status, text } = await request(port, '/hole');
            return { status, text, took: performance.now() - started };
          }),
        );
        expect(
          answers.every(({ status }) => status === 503),
          'a status other than 503',
        );
        const timedOut = answers.filter(({ text }) => text.includes('connection timeout'));
        const overflow = (await proxy.stat('cluster.hole.upstream_rq_pending_overflow')) - overflowBefore;
        expect(
          timedOut.length === pending && overflow === 2 * pending,
          `${timedOut.length} waited, ${overflow} overflowed`,
        );
        for (const { took } of timedOut) figures.add('connect timeout after ms', took);
        const late = Math.max(...timedOut.map(({ took }) => took));
        const early = Math.min(...timedOut.map(({ took }) => took));
        expect(
          early >= connectTimeout * 0.9 && late <= connectTimeout * 1.1 + 50,
          `timed out after ${early} to ${late} ms`,
        );
        const storms = await Promise.all(Array.from({ length: 100 }, () => request(port, '/storm')));
        expect(
          storms.every(({ status }) => status === 503),
          'a status other than 503 in the storm',
        );
        await load.stop();
        figures.add('good requests beside', load.answered);
        expect(load.failed === 0 && load.answered > 100, `${load.failed} good requests failed`);
        for (const name of ['hole', 'storm']) {
          for (const gauge of ['upstream_rq_active', 'upstream_rq_pending_active']) {
            await waitFor(`${name} ${gauge} 0`, async () => (await proxy.stat(`cluster.${name}.${gauge}`)) === 0);
          }
        }
      },
      async stop() {
        await proxy.stop();
        hole.close();
        await storm.close();
        await good.close();
      },
    };
  },
};
