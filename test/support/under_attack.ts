/** Measures a proxy while it is attacked: a well-behaved client beside, memory, CPU time. Linux. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import { Worker } from 'node:worker_threads';
import type { AttackReport } from './attacker.ts';
import type { AttackOrder } from './attacks.ts';
import { delay } from './wait_for.ts';

/** Milliseconds. */
export interface Latencies {
  readonly requests: number;
  readonly failed: number;
  readonly median: number;
  readonly p99: number;
}

/** A client at 200 requests a second, by turns over HTTP/1 and HTTP/2, whether or not the one before has been answered. */
export class SteadyClient {
  private readonly agent = new http.Agent({ keepAlive: true, maxSockets: 20 });
  private readonly session: http2.ClientHttp2Session;
  private readonly port: number;
  private readonly timer: NodeJS.Timeout;
  private readonly body: string;
  private latencies: number[] = [];
  private failed = 0;
  private sent = 0;
  private waiting = 0;

  /** Every answer must be 200 with this body. */
  constructor(port: number, body: string) {
    this.port = port;
    this.body = body;
    this.session = http2.connect(`http://127.0.0.1:${port}`);
    this.session.on('error', () => {});
    this.timer = setInterval(() => this.request(), 5);
  }

  /** What has been measured since the last time; waits for the answers that are due. */
  async take(): Promise<Latencies> {
    const deadline = performance.now() + 5000;
    while (this.waiting > 2 && performance.now() < deadline) await delay(5);
    const sorted = this.latencies.sort((a, b) => a - b);
    const { failed } = this;
    this.latencies = [];
    this.failed = 0;
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    return { requests: sorted.length, failed, median: at(0.5), p99: at(0.99) };
  }

  close(): void {
    clearInterval(this.timer);
    this.agent.destroy();
    this.session.destroy();
  }

  private request(): void {
    const started = performance.now();
    let over = false;
    const done = (good: boolean) => {
      if (over) return;
      over = true;
      this.waiting--;
      clearTimeout(late);
      if (good) this.latencies.push(performance.now() - started);
      else this.failed++;
    };
    const late = setTimeout(() => done(false), 5000);
    this.waiting++;
    if (this.sent++ % 2 === 0) this.request1(done);
    else this.request2(done);
  }

  private request1(done: (good: boolean) => void): void {
    const request = http.get({ host: '127.0.0.1', port: this.port, path: '/well', agent: this.agent }, (response) => {
      let text = '';
      response.setEncoding('latin1').on('data', (piece: string) => {
        text += piece;
      });
      response.on('end', () => done(response.statusCode === 200 && text === this.body));
      response.on('error', () => done(false));
    });
    request.on('error', () => done(false));
  }

  private request2(done: (good: boolean) => void): void {
    const stream = this.session.request({ ':path': '/well' });
    let text = '';
    let status: number | undefined;
    stream.on('response', (head) => {
      status = head[':status'];
    });
    stream.setEncoding('latin1').on('data', (piece: string) => {
      text += piece;
    });
    stream.on('end', () => done(status === 200 && text === this.body));
    stream.on('error', () => done(false));
    stream.on('close', () => done(false));
  }
}

export interface UnderAttack {
  readonly connections: number;
  /** Of them the proxy has ended. */
  readonly closed: number;
  readonly sentBytes: number;
  /** Milliseconds of the attack. */
  readonly took: number;
  readonly quiet: Latencies;
  readonly beside: Latencies;
  /** KiB the proxy's memory has grown by at most. */
  readonly grown: number;
  /** KiB a connection, when they all stood. */
  readonly each: number;
  /** Milliseconds of CPU time: of the proxy, less what the well-behaved client costs it, and of the attacker. */
  readonly cpu: number;
  readonly attackerCpu: number;
}

export interface AttackOptions {
  readonly order: AttackOrder;
  readonly client: SteadyClient;
  readonly pid: number;
  /** Milliseconds to look at the proxy without an attack. */
  readonly quietFor: number;
  /** Milliseconds connections are held when the attack has all it wants; or until the proxy has ended them all. */
  readonly holdFor: number;
  /** Connections that come and go before memory is looked at: code that is compiled for the first ones is not what one takes. */
  readonly warmUp: number;
}

const attackerFile = new URL('./attacker.ts', import.meta.url);

export async function measureAttack(options: AttackOptions): Promise<UnderAttack> {
  const { order, client, pid, quietFor, holdFor, warmUp } = options;
  if (warmUp > 0) {
    const before = new Worker(attackerFile, { workerData: { ...order, connections: warmUp } });
    await once(before, 'message');
    await before.terminate();
  }
  await client.take();
  const quietCpu = cpuTime(pid);
  await delay(quietFor);
  const quiet = await client.take();
  const quietShare = (cpuTime(pid) - quietCpu) / quietFor;
  const before = residentKiB(pid);
  const cpuBefore = cpuTime(pid);
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, residentKiB(pid));
  }, 20);
  const started = performance.now();
  const thread = new Worker(attackerFile, { workerData: order });
  let [report] = (await once(thread, 'message')) as [AttackReport];
  let standing = before;
  if (report.kind === 'standing') {
    await delay(holdFor);
    standing = residentKiB(pid);
    const over = once(thread, 'message');
    thread.postMessage('leave');
    [report] = (await over) as [AttackReport];
  }
  const took = performance.now() - started;
  clearInterval(watch);
  const cpu = cpuTime(pid) - cpuBefore - quietShare * took;
  const beside = await client.take();
  await thread.terminate();
  const { connections, closed, sentBytes } = report.result;
  const grown = Math.max(0, most - before);
  const each = Math.max(0, standing - before) / Math.max(1, connections - closed);
  return { connections, closed, sentBytes, took, quiet, beside, grown, each, cpu, attackerCpu: report.cpu };
}

export function residentKiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** Milliseconds of CPU time of a process so far. */
export function cpuTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
