/**
 * A million requests while the proxy is replaced again and again: a new process starts on the same ports (--restart-epoch), the
 * old one gets SIGTERM and drains. None may be lost: `npm run drain-million -- [--requests 1000000] [--connections 32]`.
 */
import { parseArgs } from 'node:util';
import { bootstrap, cluster, httpListener, loopback, route } from '../../test/support/bootstrap.ts';
import { type RunningProxy, startProxy } from '../../test/support/proxy.ts';
import { delay } from '../../test/support/wait_for.ts';
import { Lane, startNumberUpstream, Tally } from './peers.ts';

const { values: args } = parseArgs({
  options: {
    requests: { type: 'string', default: '1000000' },
    connections: { type: 'string', default: '32' },
    concurrency: { type: 'string', default: '2' },
    /** Milliseconds a process serves before its successor starts. */
    every: { type: 'string', default: '1000' },
  },
});

const requests = Number(args.requests);
const upstream = await startNumberUpstream();
let port = 0;
let epoch = 0;

function startNext(): Promise<RunningProxy> {
  const routes = [route('/', 'a', { timeout: '10s' })];
  const config = bootstrap(
    [httpListener('main', routes, {}, { address: loopback(port) })],
    [cluster('a', [upstream.port])],
  );
  return startProxy(config, {
    concurrency: Number(args.concurrency),
    args: ['--restart-epoch', String(epoch++), '--drain-time-s', '10'],
  });
}

let proxy = await startNext();
port = proxy.port('main');
const tally = new Tally();
let sent = 0;
const started = performance.now();
const lanes = Array.from(
  { length: Number(args.connections) },
  () => new Lane(port, tally, () => (sent < requests ? sent++ : -1)),
);
let finished = false;
const load = Promise.all(lanes.map(({ done }) => done)).then(() => {
  finished = true;
});

let restarts = 0;
let slowestDrain = 0;
while (!finished) {
  await Promise.race([delay(Number(args.every)), load]);
  if (finished) break;
  const next = await startNext();
  const asked = performance.now();
  proxy.signal('SIGTERM');
  const { code } = await proxy.exited;
  slowestDrain = Math.max(slowestDrain, performance.now() - asked);
  if (code !== 0) throw new Error(`a drained process ended with ${code}: ${proxy.stderr()}`);
  await proxy.stop();
  proxy = next;
  restarts++;
}
await load;
const seconds = (performance.now() - started) / 1000;
await proxy.stop();
upstream.close();

console.log(
  `${tally.answered} of ${requests} answered in ${seconds.toFixed(0)} s over ${tally.connections} connections, ` +
    `${restarts} restarts, slowest drain ${Math.round(slowestDrain)} ms; lost ${tally.lost} (${tally.lostOnNew} on new connections), ` +
    `wrong ${tally.wrong}, connections refused ${tally.refused}, answers with connection: close ${tally.lastAnswers}`,
);
if (tally.answered !== requests || tally.refused > 0) process.exitCode = 1;
