/**
 * The whole proxy between hostile clients and hostile upstreams: mutated messages, resets, early closes and silence on both
 * sides at once. It must stay up, count right, leave no exception behind and give its memory back. FUZZ_SEED repeats a run,
 * FUZZ_SCALE lengthens it.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { createProxy, type Proxy } from '../../src/index.ts';
import { bootstrap, cluster, fileAccessLog, httpListener, route, tcpListener } from '../support/bootstrap.ts';
import { Random, seedOfRun } from '../support/random.ts';
import { request } from '../support/raw_client.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';
import { delay, waitFor } from '../support/wait_for.ts';
import { workerHeaps } from '../support/worker_heaps.ts';
import { type HostileUpstream, hostileExchange, startHostileUpstream } from './hostile_peers.ts';

const seed = seedOfRun();
const exchanges = Math.round(5000 * Number(process.env['FUZZ_SCALE'] ?? 1));
console.log(`hostile peers: FUZZ_SEED=${seed}, ${exchanges} exchanges`);

const dir = mkdtempSync(path.join(tmpdir(), 'nuncio-hostile-'));
const processLog = path.join(dir, 'process.log');
const listeners = ['plain', 'lenient', 'tcp'];
const random = new Random(seed);
let hostile: HostileUpstream;
let good: Upstream;
let proxy: Proxy;

before(async () => {
  hostile = await startHostileUpstream(new Random(seed + 1));
  good = await startUpstream();
  proxy = await createProxy({ config: config(), concurrency: 1, flags: ['-l', 'error', '--log-path', processLog] });
});
after(async () => {
  await proxy?.close();
  await hostile?.close();
  await good?.close();
  rmSync(dir, { recursive: true, force: true });
});

function config(): object {
  const retry = { retry_on: '5xx,reset,connect-failure', num_retries: 1 };
  const routes = [
    route('/good', 'good'),
    route('/a', 'hostile', { timeout: '0.2s' }),
    route('/', 'hostile', { timeout: '0.3s', retry_policy: retry }),
  ];
  const common = {
    stream_idle_timeout: '0.4s',
    request_headers_timeout: '0.3s',
    delayed_close_timeout: '0.1s',
    access_log: [fileAccessLog(path.join(dir, 'access.log'))],
  };
  const lenient = {
    ...common,
    stat_prefix: 'lenient',
    normalize_path: true,
    merge_slashes: true,
    use_remote_address: true,
    http_protocol_options: { accept_http_10: true, default_host_for_http_10: 'h', enable_trailers: true },
  };
  return bootstrap(
    [
      httpListener('plain', routes, common),
      httpListener('lenient', routes, lenient),
      tcpListener('tcp', 'hostile', { idle_timeout: '0.3s' }),
    ],
    [cluster('hostile', [hostile.port]), cluster('good', [good.port])],
  );
}

/** Runs so many exchanges, fifty at a time. */
async function attack(count: number): Promise<void> {
  let left = count;
  const lane = async (): Promise<void> => {
    while (left-- > 0) await hostileExchange(proxy.port(random.pick(listeners)), random);
  };
  await Promise.all(Array.from({ length: 50 }, lane));
}

async function heapAfter(count: number): Promise<number> {
  await attack(count);
  await delay(600); // the longest timeout of the configuration
  await expectGaugesAtRest();
  return await workerHeaps();
}

test('hostile clients and upstreams leave no trace', { timeout: 120_000 * Math.max(1, exchanges / 5000) }, async () => {
  // What is compiled and cached by the first exchanges is no leak.
  const warm = await heapAfter(Math.min(exchanges, 2500));
  const end = await heapAfter(exchanges);
  for (const name of ['plain', 'lenient']) {
    assert.equal((await request(proxy.port(name), '/good')).text, 'GET /good\n', name);
  }
  assert.equal(proxy.stat('server.worker_restarts'), 0);
  assert.equal(readFileSync(processLog, 'utf8'), '', 'no fault was logged');
  await expectGaugesAtRest();
  const growth = ((end - warm) / warm) * 100;
  console.log(`heap of the worker after GC: ${kib(warm)} KiB, then ${kib(end)} KiB (${growth.toFixed(1)} %)`);
  assert.ok(growth < 5, `the heap grew by ${growth.toFixed(1)} %`);
});

async function expectGaugesAtRest(): Promise<void> {
  const gauges = [
    ...['ingress', 'lenient'].flatMap((name) => [
      `http.${name}.downstream_cx_active`,
      `http.${name}.downstream_rq_active`,
    ]),
    ...['upstream_rq_active', 'upstream_rq_pending_active'].map((name) => `cluster.hostile.${name}`),
    'tcp.tcp.downstream_cx_active',
  ];
  const restless = (): string[] => gauges.filter((name) => proxy.stat(name) !== 0);
  await waitFor('gauges to come to rest', () => restless().length === 0).catch(() => {});
  assert.deepEqual(
    restless().map((name) => `${name}: ${proxy.stat(name)}`),
    [],
  );
}

function kib(bytes: number): number {
  return Math.round(bytes / 1024);
}
