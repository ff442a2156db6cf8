/**
 * `npm run bench:grpc`: CPU time of a unary gRPC call (64 bytes there and back) through nuncio and through Envoy, HTTP/2 on
 * both sides, in one run; rounds interleave. The proxy has core 0, load and server core 1. Needs Linux, `h2load` (Debian:
 * nghttp2-client) and Envoy (`ENVOY_BIN` or on PATH; left out when it is not there).
 *
 *   npm run bench:grpc -- --rounds 5 --seconds 3 --connections 8 --streams 16
 */
import { type ChildProcess, execFileSync, fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { frameMessage } from '../../native-free/grpc/message_framing.ts';
import { bootstrap, cluster, httpListener, type Json, route } from '../../test/support/bootstrap.ts';
import { nuncioCommand, type RunningProxy, startProxy } from '../../test/support/proxy.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '8' },
    streams: { type: 'string', default: '16' },
  },
});

const http2Options = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    explicit_http_config: { http2_protocol_options: {} },
  },
};

function config(port: number): Json {
  const backend = cluster('backend', [port], { typed_extension_protocol_options: http2Options });
  return bootstrap([httpListener('main', [route('/', 'backend')], { codec_type: 'HTTP2' })], [backend]);
}

interface Candidate {
  readonly name: string;
  readonly proxy: RunningProxy;
  readonly pid: number;
  /** Microseconds of CPU a call, a round each. */
  readonly cpu: number[];
  readonly rates: number[];
  failed: number;
}

/** The process that listens: a launcher may be between. */
function listenerOf(port: number): number {
  const out = execFileSync('ss', ['-Hltnp', `sport = :${port}`], { encoding: 'utf8' });
  return Number(/pid=(\d+)/.exec(out)?.[1]);
}

/** Seconds of CPU of all threads, in ticks of 10 ms. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Calls for so many seconds; answers how many were done. */
function load(port: number, body: string, seconds: number): number {
  const args = [`-c${values.connections}`, `-m${values.streams}`, `-D${seconds}`, '--warm-up-time=0', '-d', body];
  for (const header of ['content-type: application/grpc', 'te: trailers']) args.push('-H', header);
  const command = ['-c', '1', 'h2load', ...args, `http://127.0.0.1:${port}/bench.Echo/Unary`];
  const { stdout } = spawnSync('taskset', command, { encoding: 'utf8' });
  return Number(/(\d+) done/.exec(stdout)?.[1] ?? 0);
}

async function startCandidate(name: string, command: readonly string[], backendPort: number): Promise<Candidate> {
  const pinned = ['taskset', '-c', '0', ...command];
  const proxy = await startProxy(config(backendPort), { command: pinned, logLevel: 'off' });
  return { name, proxy, pid: listenerOf(proxy.port('main')), cpu: [], rates: [], failed: 0 };
}

function median(list: readonly number[]): number {
  return [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
}

function hasEnvoy(envoy: string): boolean {
  return spawnSync(envoy, ['--version']).status === 0;
}

function startBackend(): ChildProcess {
  const backend = fork(path.join(import.meta.dirname, 'backend.ts'));
  spawn('taskset', ['-p', '-c', '1', String(backend.pid)], { stdio: 'ignore' });
  return backend;
}

async function main(): Promise<void> {
  const backend = startBackend();
  const [port] = (await once(backend, 'message')) as [number];
  const candidates: Candidate[] = [];
  try {
    const envoy = process.env['ENVOY_BIN'] ?? 'envoy';
    if (hasEnvoy(envoy)) {
      const command = [envoy, '-c', '{config}', '--use-dynamic-base-id'];
      candidates.push(await startCandidate('envoy', command, port));
    } else console.log('envoy: not installed, left out');
    candidates.push(await startCandidate('nuncio', nuncioCommand, port));
    const body = path.join(candidates[0].proxy.dir, 'message');
    writeFileSync(body, frameMessage(Buffer.alloc(64, 'x')));
    const seconds = Number(values.seconds);
    for (const { proxy } of candidates) load(proxy.port('main'), body, 1);
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const candidate of candidates) await measure(candidate, body, seconds);
    }
    print(candidates);
  } finally {
    for (const { proxy } of candidates) await proxy.stop();
    backend.disconnect();
  }
}

async function measure(candidate: Candidate, body: string, seconds: number): Promise<void> {
  // An error of gRPC has HTTP status 200 too: what counts is what the server answered.
  const answered = () => candidate.proxy.stat('cluster.backend.upstream_rq_200');
  const answeredBefore = await answered();
  const before = cpuSeconds(candidate.pid);
  const done = load(candidate.proxy.port('main'), body, seconds);
  const failed = Math.max(0, done - ((await answered()) - answeredBefore));
  candidate.cpu.push(((cpuSeconds(candidate.pid) - before) * 1e6) / Math.max(1, done));
  candidate.rates.push(done / seconds);
  candidate.failed += failed;
}

function print(candidates: readonly Candidate[]): void {
  const streams = `${values.connections} connections x ${values.streams} streams`;
  console.log(`unary gRPC calls of 64 bytes, HTTP/2 to HTTP/2, ${streams}`);
  const base = candidates.find(({ name }) => name === 'envoy');
  for (const { name, cpu, rates, failed } of candidates) {
    const range = `(${Math.min(...cpu).toFixed(1)}-${Math.max(...cpu).toFixed(1)})`;
    const ratio = base === undefined ? '' : `${(median(cpu) / median(base.cpu)).toFixed(2)} x Envoy`;
    const rate = `${median(rates).toFixed(0)} calls/s`;
    const faults = failed > 0 ? `FAILED ${failed}` : '';
    console.log(`  ${name.padEnd(7)} ${median(cpu).toFixed(1)} us CPU/call ${range}  ${ratio}  ${rate}  ${faults}`);
  }
}

await main();
