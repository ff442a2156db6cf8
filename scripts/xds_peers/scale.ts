/**
 * Thousands of clusters in one push: `npm run xds:scale -- [--clusters 2000] [--endpoints 10] [--transport delta] [--proxy nuncio|envoy]`.
 * Prints how long the push took to serve, what it cost the requests meanwhile, how fast a later change reaches all workers,
 * and the memory of the process. Needs Go. Linux.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { cluster, type Json } from '../../test/support/bootstrap.ts';
import { request } from '../../test/support/raw_client.ts';
import { delay, waitFor } from '../../test/support/wait_for.ts';
import { Setting } from './context.ts';
import { buildPlane } from './go_plane.ts';
import { bootstrapFor, listener, type Transport } from './resources.ts';
import type { Seen } from './traffic.ts';

const { values: args } = parseArgs({
  options: {
    clusters: { type: 'string', default: '2000' },
    /** Of each cluster. */
    endpoints: { type: 'string', default: '10' },
    transport: { type: 'string', default: 'delta' },
    proxy: { type: 'string', default: 'nuncio' },
    concurrency: { type: 'string', default: '2' },
  },
});

/** A static cluster and listener for the load, and one route for each generated cluster, chosen by a header. */
function withTraffic(config: Json, setting: Setting): Json {
  const statics = config['static_resources'] as Record<string, Json[]>;
  statics['clusters'].push(cluster('steady', [setting.blue]));
  const made = listener(setting.transport, 'main', setting.port, 'steady') as never as {
    filter_chains: { filters: { typed_config: { route_config: { virtual_hosts: { routes: Json[] }[] } } }[] }[];
  };
  made.filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[0].routes.unshift({
    match: { prefix: '/by-name' },
    route: { cluster_header: 'x-cluster' },
  });
  statics['listeners'] = [made as never];
  delete (config['dynamic_resources'] as Json)['lds_config'];
  return config;
}

/** Mebibytes: now and at the most. */
function memory(pid: number): { now: number; most: number } {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(text)?.[1] ?? 0) / 1024;
  return { now: Math.round(field('VmRSS')), most: Math.round(field('VmHWM')) };
}

async function answers(setting: Setting, cluster: string): Promise<string> {
  const answer = await request(setting.port, '/by-name', { headers: { 'x-cluster': cluster } }).catch(() => undefined);
  return answer?.status === 200 ? answer.body.toString() : `${answer?.status}`;
}

/** Milliseconds since `begin` until every worker sends requests for the cluster there: eight new connections in a row. */
async function appliedAfter(setting: Setting, cluster: string, name: string, begin: number): Promise<number> {
  let inARow = 0;
  let since = 0;
  const everywhere = async () => {
    if ((await answers(setting, cluster)) !== name) inARow = 0;
    else if (++inARow === 1) since = performance.now();
    return inARow >= 8;
  };
  await waitFor(`${cluster} at ${name}`, everywhere, { withinMs: 60_000, everyMs: 2 });
  return Math.round(since - begin);
}

/** A hundred clusters, evenly among all: they serve in the order in which their endpoints come. */
async function allServe(setting: Setting, clusters: number, name: string): Promise<void> {
  for (let i = 0; i < 100; i++) {
    const cluster = `c${Math.floor((i * clusters) / 100)}`;
    await waitFor(cluster, async () => (await answers(setting, cluster)) === name, { withinMs: 60_000, everyMs: 5 });
  }
}

function told(label: string, { worst, p99, median, answered, failures }: Seen): string {
  const lost = [...failures].map(([why, count]) => `${count} × ${why}`).join(', ');
  return `${label}: ${answered} requests, median ${median.toFixed(1)}, p99 ${p99.toFixed(1)}, worst ${worst.toFixed(1)} ms${lost === '' ? '' : `, FAILED ${lost}`}`;
}

buildPlane();
const clusters = Number(args.clusters);
const options = { transport: args.transport as Transport, proxy: args.proxy, concurrency: Number(args.concurrency) };
const setting = new Setting(options);
try {
  await setting.start();
  const port = await setting.traffic.upstream('many');
  const generate = { clusters, endpoints: Number(args.endpoints), port };
  await setting.plane.set({ version: 'v0', resources: { clusters: [], endpoints: [] } });
  const env = { NODE_OPTIONS: process.env['NODE_OPTIONS_OF_PROXY'] ?? '' };
  await setting.startProxy(withTraffic(bootstrapFor(setting.transport, setting.plane), setting), { env });
  const before = memory(setting.proxy.pid);
  await setting.serves(setting.port, 'blue');
  setting.traffic.load(setting.port);
  await delay(1000);
  await setting.traffic.take();
  await delay(2000);
  console.log(told('quiet', await setting.traffic.take()));
  const begin = performance.now();
  await setting.plane.set({ version: 'v1', generate });
  const built = Math.round(performance.now() - begin);
  const applied = await appliedAfter(setting, `c${clusters - 1}`, 'many', begin);
  await allServe(setting, clusters, 'many');
  const all = Math.round(performance.now() - begin);
  console.log(told('during the push', await setting.traffic.take()));
  console.log(`push: control plane ${built} ms, the last cluster serves after ${applied} ms, all after ${all} ms`);
  await delay(3000);
  console.log(told('after the push', await setting.traffic.take()));
  const rss = memory(setting.proxy.pid);
  console.log(`memory: ${before.now} MiB before, ${rss.now} MiB after, most ${rss.most} MiB`);
  const ports = { many: port, moved: await setting.traffic.upstream('moved') };
  for (let change = 1; change <= 6; change++) {
    const name = change % 2 === 1 ? 'moved' : 'many';
    const at = performance.now();
    await setting.plane.set({ version: `v${change + 1}`, generate: { ...generate, changed: [7, ports[name]] } });
    const sent = Math.round(performance.now() - at);
    const known = await appliedAfter(setting, 'c7', name, at);
    console.log(`change ${change}: control plane ${sent} ms, applied by all workers after ${known} ms`);
    await delay(500);
  }
  console.log(told('during the changes', await setting.traffic.take()));
  console.log(`memory at the end: ${memory(setting.proxy.pid).now} MiB, most ${memory(setting.proxy.pid).most} MiB`);
  if (setting.plane.refused().length > 0) console.log(`refused: ${setting.plane.refused()[0]}`);
} finally {
  // Lets a profiler of the process write what it has.
  if (process.env['NODE_OPTIONS_OF_PROXY'] !== undefined) {
    setting.proxy.signal('SIGTERM');
    await Promise.race([setting.proxy.exited, delay(10_000)]);
  }
  await setting.stop();
}
