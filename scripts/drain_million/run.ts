/**
 * A million requests while the proxy is replaced again and again: a new process starts on the same ports (--restart-epoch), the
 * old one drains, by turns on SIGTERM, on POST /drain_listeners and on POST /drain_listeners?graceful. None may be lost:
 * `npm run drain-million -- [--requests 1000000] [--connections 32]`.
 */
import { parseArgs } from 'node:util';
import { bootstrap, cluster, httpListener, loopback, route } from '../../test/support/bootstrap.ts';
import { type RunningProxy, startProxy } from '../../test/support/proxy.ts';
import { delay, waitFor } from '../../test/support/wait_for.ts';
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

/** Seconds. */
const drainTime = 3;
const ways = ['SIGTERM', '/drain_listeners', '/drain_listeners?graceful'] as const;

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
    args: ['--restart-epoch', String(epoch++), '--drain-time-s', String(drainTime)],
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

const drains = ways.map((way) => ({ way, times: 0, slowest: 0 }));
let restarts = 0;
while (!finished) {
  await Promise.race([delay(Number(args.every)), load]);
  if (finished) break;
  const next = await startNext();
  const drain = drains[restarts++ % ways.length];
  drain.slowest = Math.max(drain.slowest, await drainAndEnd(proxy, drain.way));
  drain.times++;
  proxy = next;
}
await load;
const seconds = (performance.now() - started) / 1000;
await proxy.stop();
upstream.close();

console.log(
  `${tally.answered} of ${requests} answered in ${seconds.toFixed(0)} s over ${tally.connections} connections, ` +
    `${restarts} restarts (${drains.map(({ way, times, slowest }) => `${times} by ${way}, slowest drain ${Math.round(slowest)} ms`).join('; ')}); lost ${tally.lost} (${tally.lostOnNew} on new connections), ` +
    `wrong ${tally.wrong}, connections refused ${tally.refused}, answers with connection: close ${tally.lastAnswers}`,
);
if (tally.answered !== requests || tally.refused > 0) process.exitCode = 1;

/** Milliseconds until nothing of the process was left. */
async function drainAndEnd(old: RunningProxy, way: (typeof ways)[number]): Promise<number> {
  const asked = performance.now();
  if (way !== 'SIGTERM') {
    await old.admin(way, 'POST');
    // New connections may come until the listeners are stopped, at the end of a graceful drain.
    if (way.endsWith('graceful')) await delay(drainTime * 1000);
    const isEmpty = async () => (await old.stat('server.total_connections')) === 0;
    await waitFor('end of the connections', isEmpty, { withinMs: 4000 * drainTime, everyMs: 50 });
  }
  old.signal('SIGTERM');
  const { code } = await old.exited;
  if (code !== 0) throw new Error(`a drained process ended with ${code}: ${old.stderr()}`);
  const took = performance.now() - asked;
  await old.stop();
  return took;
}
