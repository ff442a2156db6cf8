/**
 * `npm run bench`: the same load straight to a backend and through nuncio, as a table of requests a second and latencies.
 * About a minute on two cores. It shows what the detour costs a client; side_by_side.py measures CPU against other proxies.
 *
 *   npm run bench -- --seconds 10 --connections 100 --concurrency 2 --only get-64
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import { build } from 'hdr-histogram-js';
import { bootstrap, cluster, httpListener, route } from '../test/support/bootstrap.ts';
import { startProxy } from '../test/support/proxy.ts';

interface Workload {
  name: string;
  path: string;
  body?: string;
}

const workloads: Workload[] = [
  { name: 'get-64', path: '/' },
  { name: 'get-16k', path: '/16k' },
  { name: 'post-1k', path: '/', body: 'x'.repeat(1024) },
];

interface Figures {
  requestsPerSecond: number;
  /** Milliseconds at 50, 90, 99 and 99.9 per cent. */
  latency: number[];
  errors: number;
}

const percentiles = [50, 90, 99, 99.9];

/** Loads one port; latencies are kept in microseconds, which autocannon's own histogram rounds away. */
async function load(port: number, workload: Workload, connections: number, seconds: number): Promise<Figures> {
  const histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 60_000_000,
    numberOfSignificantValueDigits: 3,
  });
  const run = autocannon({
    url: `http://127.0.0.1:${port}${workload.path}`,
    connections,
    duration: seconds,
    method: workload.body === undefined ? 'GET' : 'POST',
    body: workload.body,
  });
  run.on('response', (_client, _status, _bytes, milliseconds: number) => {
    histogram.recordValue(Math.max(1, Math.round(milliseconds * 1000)));
  });
  const result = await run;
  return {
    requestsPerSecond: result.requests.total / result.duration,
    latency: percentiles.map((p) => histogram.getValueAtPercentile(p) / 1000),
    errors: result.errors + result.timeouts + result.non2xx,
  };
}

function printRow(name: string, target: string, figures: Figures): void {
  const cells = [
    figures.requestsPerSecond.toFixed(0),
    ...figures.latency.map((ms) => ms.toFixed(2)),
    String(figures.errors),
  ];
  console.log(`${name.padEnd(9)} ${target.padEnd(7)} ${cells.map((cell) => cell.padStart(9)).join('')}`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '6' },
      connections: { type: 'string', default: '50' },
      concurrency: { type: 'string', default: String(Math.max(1, availableParallelism() - 1)) },
      only: { type: 'string', default: '' },
    },
  });
  const seconds = Number(values.seconds);
  const connections = Number(values.connections);
  const concurrency = Number(values.concurrency);

  const backend = fork(path.join(import.meta.dirname, 'backend.ts'));
  const [{ port: backendPort }] = (await once(backend, 'message')) as [{ port: number }];
  const proxy = await startProxy(
    bootstrap([httpListener('main', [route('/', 'backend')])], [cluster('backend', [backendPort])]),
    { concurrency },
  );
  const targets = [
    { name: 'direct', port: backendPort },
    { name: 'nuncio', port: proxy.port('main') },
  ];
  console.log(`${connections} connections, ${seconds} s each, ${concurrency} worker(s), Node ${process.version}\n`);
  console.log(
    `${'workload'.padEnd(17)} ${['req/s', 'p50 ms', 'p90', 'p99', 'p99.9', 'errors'].map((c) => c.padStart(9)).join('')}`,
  );
  try {
    for (const workload of workloads) {
      if (!workload.name.startsWith(values.only)) continue;
      for (const target of targets) {
        await load(target.port, workload, connections, 1); // compiles what is hot
        printRow(workload.name, target.name, await load(target.port, workload, connections, seconds));
      }
    }
  } finally {
    await proxy.stop();
    backend.disconnect();
  }
}

await main();
