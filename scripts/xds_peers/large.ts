/**
 * One large resource in one push: `npm run xds:large -- [--only routes|endpoints|listener] [--proxy nuncio|envoy] [--concurrency 1]`.
 * For each kind: what the push, and then a small change of the same resource, cost the requests meanwhile, and for nuncio how
 * long its threads were kept from everything else (CPU time, so that other work on the machine does not count).
 */
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { cluster, type Json } from '../../test/support/bootstrap.ts';
import { type RunningProxy, startProxy } from '../../test/support/proxy.ts';
import { request } from '../../test/support/raw_client.ts';
import { adsBootstrap } from '../../test/support/resource_server.ts';
import { delay, waitFor } from '../../test/support/wait_for.ts';
import { commands, freePort } from './context.ts';
import type { Large } from './large_plane.ts';
import { listener } from './resources.ts';
import { Traffic } from './traffic.ts';

const { values: args } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    proxy: { type: 'string', default: 'nuncio' },
    concurrency: { type: 'string', default: '1' },
    routes: { type: 'string', default: '20000' },
    endpoints: { type: 'string', default: '20000' },
    listener: { type: 'string', default: '1000' },
  },
});

/** Milliseconds of load before and after a push. */
const steady = 1500;

class Plane {
  port = 0;
  private readonly worker = new Worker(new URL('./large_plane.ts', import.meta.url));

  async start(): Promise<void> {
    this.port = (await this.next()).port;
  }

  /** Resolves when it has been sent. */
  async set(large: Large): Promise<void> {
    this.worker.postMessage(large);
    await this.next();
  }

  private next(): Promise<{ port: number }> {
    return new Promise((resolve) => this.worker.once('message', resolve));
  }
}

function bootstrap(plane: Plane, main: number, second: number, upstream: number): Json {
  const base = adsBootstrap(plane.port);
  const statics = base['static_resources'] as Record<string, Json[]>;
  statics['clusters'].push(cluster('steady', [upstream]));
  // As a discovered one has it: the cluster comes later.
  const later = JSON.stringify(listener('sotw', 'second', second, 'large')).replace(
    '"route_config":{',
    '"route_config":{"validate_clusters":false,',
  );
  statics['listeners'] = [listener('sotw', 'main', main), JSON.parse(later) as Json];
  return base;
}

/** The most that a thread was kept since the last look: `main 12 ms, worker 3 ms`. */
function stalls(proxy: RunningProxy, from: number): string {
  const most = new Map<string, number>();
  for (const [, thread, cpu] of proxy
    .stderr()
    .slice(from)
    .matchAll(/^stall (\S+) (\S+) /gm)) {
    const name = thread === 'main' ? 'main' : 'worker';
    most.set(name, Math.max(most.get(name) ?? 0, Number(cpu)));
  }
  return ['main', 'worker'].map((name) => `${name} ${most.has(name) ? most.get(name)!.toFixed(0) : '< 3'}`).join(', ');
}

const traffic = new Traffic();
const upstream = await traffic.upstream('steady');
console.log(`${args.proxy}, concurrency ${args.concurrency}\n`);
console.log(
  '| push | applied after | worst before → during | p99 during | kept from its loop, CPU ms |\n|---|---|---|---|---|',
);

for (const kind of ['routes', 'endpoints', 'listener'] as const) {
  if (!kind.includes(args.only)) continue;
  const plane = new Plane();
  await plane.start();
  const [main, second, large] = [await freePort(), await freePort(), await freePort()];
  await plane.set({ kind: 'routes', size: 0, answer: '0', port: 0 });
  await plane.set({ kind: 'endpoints', size: 0, answer: '1', port: upstream });
  await plane.set({ kind: 'listener', size: 0, answer: '0', port: large });
  const preload = new URL('./stalls.mjs', import.meta.url).pathname;
  const proxy = await startProxy(bootstrap(plane, main, second, upstream), {
    command: commands[args.proxy],
    concurrency: Number(args.concurrency),
    env: args.proxy === 'nuncio' ? { ...process.env, NODE_OPTIONS: `--import ${preload}` } : process.env,
  });
  const body = async (port: number, path: string) =>
    (await request(port, path).catch(() => undefined))?.body.toString();
  const applied = async (answer: string): Promise<boolean> => {
    if (kind === 'endpoints') {
      const { text } = await proxy.admin(`/stats?filter=cluster.large.(membership_total|update_success)`);
      return Number(/update_success: (\d+)/.exec(text)?.[1]) >= Number(answer);
    }
    return (await body(kind === 'routes' ? main : large, kind === 'routes' ? '/large' : '/')) === answer;
  };
  await waitFor('the first routes', async () => (await body(main, '/')) === 'steady');
  for (const port of [main, second]) traffic.load(port, { lanes: 2, pause: 2 });
  await delay(steady);
  await traffic.take();
  await delay(steady);
  const before = await traffic.take();
  const size = Number(args[kind]);
  const pushes: [string, string][] = [
    [`${size} ${kind}`, '2'],
    ['the same, one changed', '3'],
    ['again', '4'],
  ];
  for (const [name, answer] of pushes) {
    const from = proxy.stderr().length;
    await plane.set({ kind, size, answer, port: kind === 'listener' ? large : upstream });
    const begin = performance.now();
    await waitFor('the push', () => applied(answer), { withinMs: 60_000 });
    const took = performance.now() - begin;
    await delay(steady);
    const seen = await traffic.take();
    if (seen.failures.size > 0) console.log([...seen.failures]);
    console.log(
      `| ${name} | ${took.toFixed(0)} ms | ${before.worst.toFixed(1)} → ${seen.worst.toFixed(1)} ms | ${seen.p99.toFixed(1)} ms | ${args.proxy === 'nuncio' ? stalls(proxy, from) : '-'} |`,
    );
  }
  traffic.stopLoad();
  await proxy.stop();
}
process.exit(0);
