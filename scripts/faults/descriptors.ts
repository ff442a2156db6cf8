/** Fault 8: more clients than there are file descriptors: nothing spins or crashes, admin answers, and it passes. */
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { bootstrap, cluster, httpListener, route } from '../../test/support/bootstrap.ts';
import { nuncioCommand, startProxy } from '../../test/support/proxy.ts';
import { request } from '../../test/support/raw_client.ts';
import { delay, waitFor } from '../../test/support/wait_for.ts';
import { expect, type Fault, startEcho } from './context.ts';

const descriptors = 256;
const clients = 600;

export const descriptorFault: Fault = {
  name: `8 ulimit -n ${descriptors} and ${clients} idle clients`,
  async start({ figures }) {
    const upstream = await startEcho();
    const command = ['sh', '-c', `ulimit -n ${descriptors}; exec "$0" "$@"`, ...nuncioCommand];
    const config = bootstrap([httpListener('main', [route('/', 'a')])], [cluster('a', [upstream.port])]);
    const proxy = await startProxy(config, { command, concurrency: 2 });
    const port = proxy.port('main');
    return {
      async repeat() {
        const sockets = Array.from({ length: clients }, () => net.connect(port, '127.0.0.1').on('error', () => {}));
        // As a client that comes back when it is turned away.
        for (const socket of sockets) socket.on('close', () => {});
        await delay(300);
        const cpu = cpuSeconds(proxy.pid);
        await delay(1000);
        const spent = (cpuSeconds(proxy.pid) - cpu) * 100;
        figures.add('CPU % while exhausted', spent);
        expect(spent <= 20, `${spent} % CPU`);
        const { status } = await proxy.admin('/stats?filter=server.live');
        expect(status === 200, 'admin does not answer');
        figures.add('clients let in', sockets.filter((socket) => !socket.closed).length);
        const freed = performance.now();
        for (const socket of sockets) socket.destroy();
        await waitFor(
          'an answer',
          () =>
            request(port, '/').then(
              ({ status: code }) => code === 200,
              () => false,
            ),
          {
            withinMs: 2000,
          },
        );
        figures.add('recovered after ms', performance.now() - freed);
        await waitFor('no clients', async () => (await proxy.stat('http.ingress.downstream_cx_active')) === 0);
        expect((await proxy.stat('server.worker_restarts')) === 0, 'a worker died');
      },
      async stop() {
        await proxy.stop();
        await upstream.close();
      },
    };
  },
};

/** CPU time of a process so far. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
