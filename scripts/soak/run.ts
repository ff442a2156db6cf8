/**
 * Mixed traffic of all protocols through one proxy, with peers that misbehave on both sides: `npm run soak -- [--minutes 5] [--rate 600] [--seed N]`.
 * Passes when no well-behaved request got anything but its answer, and the proxy is at the end as it was at the start. Linux.
 */
import { parseArgs } from 'node:util';
import { TestAuthority } from '../../test/support/certificates.ts';
import { Random, seedOfRun } from '../../test/support/random.ts';
import { delay } from '../../test/support/wait_for.ts';
import { configuration } from './configuration.ts';
import { type Client, http1Client, http2Client, rude, type Surroundings } from './good_clients.ts';
import { SoakedProxy } from './proxy.ts';
import { rudeClient } from './rude_clients.ts';
import { grpcClient, tcpClient, websocket2Client, websocketClient } from './stream_clients.ts';
import { Tally } from './tally.ts';
import { startUpstreams } from './upstreams.ts';
import { growth, lost, type Sample, stillBusy } from './verdict.ts';

const { values: args } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    /** Pieces of work a second, of one to twenty requests each; fewer when the machine does not manage. */
    rate: { type: 'string', default: '600' },
    seed: { type: 'string', default: String(seedOfRun()) },
    workers: { type: 'string', default: '2' },
  },
});
const seconds = Number(args.minutes) * 60;
const seed = Number(args.seed);

/** Kinds of clients, and how many of each. */
const crowd: readonly (readonly [number, (surroundings: Surroundings) => Client])[] = [
  [6, (surroundings) => http1Client(surroundings, 'kept')],
  [4, (surroundings) => http1Client(surroundings, 'new')],
  [4, (surroundings) => http1Client(surroundings, 'tls kept')],
  [2, (surroundings) => http1Client(surroundings, 'tls resumed')],
  [1, (surroundings) => http1Client(surroundings, 'tls full')],
  [6, (surroundings) => http2Client(surroundings, false)],
  [5, (surroundings) => http2Client(surroundings, true)],
  [2, websocketClient],
  [2, websocket2Client],
  [3, tcpClient],
  [5, grpcClient],
  [5, rudeClient],
  [2, (surroundings) => http1Client(surroundings, 'kept', rude)],
  [2, (surroundings) => http2Client(surroundings, false, rude)],
];

const authority = new TestAuthority();
const certificate = authority.make('a', { names: ['DNS:a.test'] });
const upstreams = await startUpstreams(new Random(seed), certificate);
const proxy = await SoakedProxy.start(configuration(upstreams.ports, certificate), Number(args.workers));
const { descriptors: descriptorsBefore } = proxy;
console.log(`seed ${seed}, ${seconds} s\n`);

const tally = new Tally();
let running = true;
const clients: Client[] = [];
for (const [count, make] of crowd) {
  for (let i = 0; i < count; i++) {
    const random = new Random(seed + 1000 * (clients.length + 1));
    clients.push(make({ tally, random, port: (listener) => proxy.ports[listener] }));
  }
}
const pause = (clients.length / Number(args.rate)) * 1000;
const lanes = clients.map(async (client, index) => {
  const random = new Random(seed + index);
  while (running) {
    await client.work();
    await delay(pause * 2 * random.next());
  }
});

const samples = await watch();
running = false;
await Promise.all(lanes);
for (const client of clients) client.close();
// Connections to hosts rest in their pools: the hosts end them.
upstreams.close();
const wrong = [...(await atRest()), ...lost(tally), ...growth(samples, seconds)];
if (proxy.complaints !== '') wrong.push(`it complained:\n${proxy.complaints.slice(0, 5000)}`);
await proxy.stop();
authority.remove();

for (const [kind, count] of [...tally.byKind].sort()) console.log(`${count} ${kind}`);
console.log(`\n${tally.good} answered exactly, ${tally.spoiled} spoiled on purpose, ${tally.failed} failed`);
for (const sentence of wrong) console.log(`WRONG: ${sentence}`);
console.log(wrong.length === 0 ? 'passed' : `failed; again with --seed ${seed}`);
process.exit(wrong.length === 0 ? 0 : 1);

/** Prints a row every ten seconds, or more often in a short run. */
async function watch(): Promise<Sample[]> {
  const rows: Sample[] = [];
  const every = Math.min(10, seconds / 9);
  const started = performance.now();
  let before = 0;
  console.log(
    '| s | exact | spoiled | failed | a second | RSS MiB | heaps MiB | buffers MiB | descriptors | cx | rq |',
  );
  console.log('|---|---|---|---|---|---|---|---|---|---|---|');
  while (performance.now() - started < seconds * 1000 && proxy.alive) {
    await delay(every * 1000);
    const { rss, descriptors } = proxy;
    const { heap, buffers } = await proxy.heaps();
    const statistics = await proxy.statistics();
    const { good, spoiled, failed } = tally;
    const figures = [
      Math.round((performance.now() - started) / 1000),
      ...[good, spoiled, failed, Math.round((good + spoiled - before) / every)],
      ...[rss, heap, buffers].map((value) => value.toFixed(1)),
      ...[descriptors, statistics['server.total_connections'], statistics['http.ingress.downstream_rq_active']],
    ];
    before = good + spoiled;
    console.log(`| ${figures.join(' | ')} |`);
    rows.push({ rss, heap, buffers, descriptors });
  }
  return rows;
}

/** Waits for what closes on its own; what is left then is wrong. */
async function atRest(): Promise<string[]> {
  if (!proxy.alive) return ['the proxy has ended'];
  const deadline = performance.now() + 15_000;
  for (;;) {
    const busy = stillBusy(await proxy.statistics());
    const { descriptors } = proxy;
    if (descriptors > descriptorsBefore + 2) busy.push(`${descriptors} descriptors, ${descriptorsBefore} before`);
    if (busy.length === 0) return busy;
    if (performance.now() > deadline) return [...busy, ...proxy.clientConnections];
    await delay(100);
  }
}
