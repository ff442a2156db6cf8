/**
 * Clusters, endpoints, listeners and routes come and go under load: `npm run xds:churn -- [--seconds 300] [--proxy nuncio|envoy]
 * [--seed N]`. Every name is new, so that whatever is kept of what went shows as memory that grows. Needs Go. Linux.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Json } from '../../test/support/bootstrap.ts';
import { Random, seedOfRun } from '../../test/support/random.ts';
import { delay } from '../../test/support/wait_for.ts';
import { freePort, Setting } from '../xds_peers/context.ts';
import { buildPlane } from '../xds_peers/go_plane.ts';
import { assignment, edsCluster, listener, routes } from '../xds_peers/resources.ts';

const { values: args } = parseArgs({
  options: {
    seconds: { type: 'string', default: '300' },
    proxy: { type: 'string', default: 'nuncio' },
    transport: { type: 'string', default: 'delta' },
    seed: { type: 'string', default: String(seedOfRun()) },
  },
});

/** Milliseconds between changes. */
const pace = 50;
const mostClusters = 60;
const mostListeners = 4;

function rss(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

/** The last third of the run against the second, by more than a twentieth. */
function grows(values: readonly number[]): boolean {
  const third = Math.floor(values.length / 3);
  const mean = (part: readonly number[]) => part.reduce((sum, value) => sum + value, 0) / part.length;
  return third > 0 && mean(values.slice(-third)) > 1.05 * mean(values.slice(-2 * third, -third));
}

buildPlane();
const random = new Random(Number(args.seed));
const setting = new Setting({ transport: args.transport as 'delta', proxy: args.proxy, concurrency: 2 });
const { transport } = setting;
const names: string[] = [];
const listeners: { name: string; port: number; clusterName: string }[] = [];
let next = 0;
let changes = 0;

/** Takes the oldest away when there are many, else adds one, and sends the routes and listeners elsewhere. */
async function change(ports: readonly number[]): Promise<void> {
  if (names.length < mostClusters) names.push(`churn${next++}`);
  else names.splice(random.int(names.length), 1 + random.int(3));
  if (names.length === 0) names.push(`churn${next++}`);
  const one = names[random.int(names.length)];
  if (random.int(10) === 0) {
    if (listeners.length < mostListeners) {
      listeners.push({ name: `listener${next++}`, port: await freePort(), clusterName: one });
    } else listeners.splice(random.int(listeners.length), 1);
  }
  const some = () => ports.filter(() => random.int(2) === 0);
  await setting.set({
    clusters: ['a', 'b', ...names].map((name) => edsCluster(transport, name)),
    endpoints: [
      assignment('a', [setting.blue]),
      assignment('b', [setting.green]),
      ...names.map((name) => assignment(name, some())),
    ],
    listeners: [
      listener(transport, 'main', setting.port),
      ...listeners.map(({ name, port }) => listener(transport, name, port, 'a')),
    ],
    routes: [routes('routes', random.int(2) === 0 ? 'a' : 'b')],
  } as Record<string, Json[]>);
  changes++;
}

try {
  await setting.start();
  // What went is given back at the end of the drain time: that must come within the run.
  await setting.serve({ args: ['--drain-time-s', '10'] });
  const ports: number[] = [];
  for (let i = 0; i < 8; i++) ports.push(await setting.traffic.upstream(`host${i}`));
  console.log(
    `${args.proxy}, seed ${args.seed}: a change every ${pace} ms\n\n| s | changes | RSS MiB | heap of the main thread MiB | statistics |\n|---|---|---|---|---|`,
  );
  const begin = performance.now();
  const samples: { rss: number; names: number }[] = [];
  const every = Math.max(5, Number(args.seconds) / 20) * 1000;
  let sampled = begin;
  while (performance.now() - begin < Number(args.seconds) * 1000) {
    await change(ports);
    await delay(pace);
    if (performance.now() - sampled < every) continue;
    sampled = performance.now();
    const { text } = await setting.proxy.admin('/stats');
    const { allocated } = JSON.parse((await setting.proxy.admin('/memory')).text) as { allocated: string };
    const names = text.split('\n').length;
    samples.push({ rss: rss(setting.proxy.pid), names });
    const row = [(sampled - begin) / 1000, changes, samples.at(-1)!.rss, Number(allocated) / 2 ** 20, names];
    console.log(`| ${row.map(Math.round).join(' | ')} |`);
  }
  const seen = await setting.traffic.take();
  const failures = [...seen.failures].map(([why, count]) => `${count} × ${why}`).join(', ');
  console.log(`\n${seen.answered} requests, worst ${seen.worst.toFixed(1)} ms, failed: ${failures || 'none'}`);
  const refused = setting.plane.refused();
  if (refused.length > 0) console.log(`refused: ${refused[0]}`);
  const grown = (['rss', 'names'] as const).filter((what) => grows(samples.map((sample) => sample[what])));
  console.log(grown.length > 0 ? `GROWS: ${grown.join(', ')}` : 'flat');
  process.exitCode = seen.failures.size > 0 || grown.length > 0 ? 1 : 0;
} finally {
  await setting.stop();
}
