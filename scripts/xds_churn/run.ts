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
  await setting.serve();
  const ports: number[] = [];
  for (let i = 0; i < 8; i++) ports.push(await setting.traffic.upstream(`host${i}`));
  console.log(
    `${args.proxy}, seed ${args.seed}: a change every ${pace} ms\n\n| s | changes | RSS MiB | stats |\n|---|---|---|---|`,
  );
  const begin = performance.now();
  const samples: number[] = [];
  const every = Math.max(5, Number(args.seconds) / 20) * 1000;
  let sampled = begin;
  while (performance.now() - begin < Number(args.seconds) * 1000) {
    await change(ports);
    await delay(pace);
    if (performance.now() - sampled < every) continue;
    sampled = performance.now();
    const { text } = await setting.proxy.admin('/stats');
    samples.push(rss(setting.proxy.pid));
    const seconds = Math.round((sampled - begin) / 1000);
    console.log(`| ${seconds} | ${changes} | ${Math.round(samples.at(-1)!)} | ${text.split('\n').length} |`);
  }
  const seen = await setting.traffic.take();
  const failures = [...seen.failures].map(([why, count]) => `${count} × ${why}`).join(', ');
  console.log(`\n${seen.answered} requests, worst ${seen.worst.toFixed(1)} ms, failed: ${failures || 'none'}`);
  const refused = setting.plane.refused();
  if (refused.length > 0) console.log(`refused: ${refused[0]}`);
  process.exitCode = seen.failures.size > 0 ? 1 : 0;
} finally {
  await setting.stop();
}
