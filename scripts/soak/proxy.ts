/** Starts the proxy of a soak and reads it from outside: memory, file descriptors, statistics. Linux. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Json } from '../../test/support/bootstrap.ts';
import type { Heap } from './collector.ts';
import type { Question } from './proxy_process.ts';

/** Of /proc/net/tcp. */
const connectionStates: Readonly<Record<string, string>> = { '01': 'ESTABLISHED', '08': 'CLOSE_WAIT' };

export class SoakedProxy {
  /** What it said on stderr: warnings and worse. */
  complaints = '';
  readonly ports: Readonly<Record<string, number>>;
  private readonly child: ChildProcess;
  private readonly dir: string;
  private asking: Promise<unknown> = Promise.resolve();

  private constructor(child: ChildProcess, dir: string, ports: Record<string, number>) {
    this.child = child;
    this.dir = dir;
    this.ports = ports;
  }

  static async start(config: Json, workers: number): Promise<SoakedProxy> {
    const dir = mkdtempSync(path.join(tmpdir(), 'nuncio-soak-'));
    const file = path.join(dir, 'bootstrap.yaml');
    writeFileSync(file, JSON.stringify(config));
    const here = import.meta.dirname;
    const child = fork(path.join(here, 'proxy_process.ts'), [file, String(workers)], {
      execArgv: ['--expose-gc', '--import', path.join(here, 'collector.ts')],
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    });
    let complaints = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      complaints += text;
      if (proxy !== undefined) proxy.complaints += text;
    });
    let proxy: SoakedProxy | undefined;
    const ended = once(child, 'exit').then(() => Promise.reject(new Error(`it did not start\n${complaints}`)));
    ended.catch(() => {});
    await Promise.race([once(child, 'message'), ended]);
    const answer = once(child, 'message');
    child.send('ports' satisfies Question);
    const [ports] = await answer;
    proxy = new SoakedProxy(child, dir, ports as Record<string, number>);
    return proxy;
  }

  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** MiB. */
  get rss(): number {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.child.pid}/status`, 'utf8'))?.[1]) / 1024;
  }

  get descriptors(): number {
    return readdirSync(`/proc/${this.child.pid}/fd`).length;
  }

  /** Connections of its clients that are still there: on an established one the client has not let go, CLOSE_WAIT is the proxy's. */
  get clientConnections(): string[] {
    const ports = new Set(Object.values(this.ports));
    const rows = readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1);
    return rows.flatMap((row) => {
      const [, local = '', remote = '', state = ''] = row.trim().split(/\s+/);
      const [port, peer] = [local, remote].map((end) => Number.parseInt(end.split(':')[1] ?? '', 16));
      return ports.has(port) && state in connectionStates ? [`${connectionStates[state]} ${port} from ${peer}`] : [];
    });
  }

  statistics(): Promise<Record<string, number>> {
    return this.ask('statistics') as Promise<Record<string, number>>;
  }

  /** MiB in the heaps of all workers after a full collection, and in buffers outside. */
  async heaps(): Promise<Heap> {
    const heaps = (await this.ask('heaps')) as Heap[];
    const sum = (name: keyof Heap) => heaps.reduce((total, heap) => total + heap[name], 0) / 1024 / 1024;
    return { heap: sum('heap'), buffers: sum('buffers') };
  }

  async stop(): Promise<void> {
    if (this.alive) {
      const exit = once(this.child, 'exit');
      this.child.disconnect();
      await exit;
    }
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** One question at a time. */
  private ask(question: Question): Promise<unknown> {
    const asked = this.asking.then(async () => {
      const answer = once(this.child, 'message');
      this.child.send(question);
      return (await answer)[0];
    });
    this.asking = asked.catch(() => {});
    return asked;
  }
}
