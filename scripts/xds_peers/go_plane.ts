/** The control plane of scripts/go_control_plane as a process: built when its source changed, told what to serve, killed and restarted. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Json } from '../../test/support/bootstrap.ts';
import { root } from '../../test/support/proxy.ts';
import { waitFor } from '../../test/support/wait_for.ts';

/** What the process tells, a line each. */
export interface PlaneEvent {
  readonly event: 'ready' | 'open' | 'closed' | 'request' | 'done' | 'failed';
  readonly stream?: number;
  readonly type?: string;
  readonly version?: string;
  readonly nonce?: string;
  readonly names?: readonly string[];
  readonly initial?: Readonly<Record<string, string>>;
  readonly error?: string;
  readonly grpc?: number;
  readonly rest?: number;
}

export interface Command {
  readonly version: string;
  readonly resources?: Readonly<Partial<Record<Kind, readonly Json[]>>>;
  readonly ttl?: number;
  readonly generate?: { clusters: number; endpoints: number; port: number; changed?: readonly [number, number] };
}

export type Kind = 'clusters' | 'endpoints' | 'listeners' | 'routes' | 'secrets' | 'runtimes' | 'extensions';

const folder = path.join(root, 'scripts/go_control_plane');
const binary = path.join(root, 'node_modules/.cache/nuncio/go_control_plane');

/** `go build` keeps its own cache: it costs nothing when nothing changed. */
export function buildPlane(): void {
  mkdirSync(path.dirname(binary), { recursive: true });
  execFileSync('go', ['build', '-o', binary, '.'], { cwd: folder, stdio: 'inherit' });
}

export interface PlaneOptions {
  /** Aggregated: named resources are sent once all are asked for. */
  readonly ads?: boolean;
  /** As Go spells it: `500ms`. */
  readonly heartbeat?: string;
}

export class GoPlane {
  events: PlaneEvent[] = [];
  grpc = 0;
  rest = 0;
  private readonly options: PlaneOptions;
  private child: ChildProcess | undefined;
  private readonly answers: ((event: PlaneEvent) => void)[] = [];

  constructor(options: PlaneOptions = {}) {
    this.options = options;
  }

  /** On the ports of the last time. */
  async start(): Promise<void> {
    const { ads = true, heartbeat = '0s' } = this.options;
    const words = [`-grpc=${this.grpc}`, `-rest=${this.rest}`, `-ads=${ads}`, `-heartbeat=${heartbeat}`];
    const child = spawn(binary, words, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.child = child;
    const { promise, resolve } = Promise.withResolvers<PlaneEvent>();
    createInterface(child.stdout!).on('line', (line) => {
      const event = JSON.parse(line) as PlaneEvent;
      if (event.event === 'ready') resolve(event);
      else if (event.event === 'done' || event.event === 'failed') this.answers.shift()?.(event);
      else this.events.push(event);
    });
    const ready = await promise;
    this.grpc = ready.grpc!;
    this.rest = ready.rest!;
  }

  /** What it serves from now on. */
  async set(command: Command): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<PlaneEvent>();
    this.answers.push(resolve);
    this.child!.stdin!.write(`${JSON.stringify(command)}\n`);
    const { error } = await promise;
    if (error !== undefined) throw new Error(error);
  }

  /** SIGKILL, as a crash. */
  async kill(): Promise<void> {
    const { child } = this;
    if (child === undefined) return;
    this.child = undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    child.once('close', () => resolve());
    child.kill('SIGKILL');
    await promise;
  }

  /** Texts of the NACKs so far. */
  refused(): string[] {
    return this.events.flatMap(({ error }) => error ?? []);
  }

  /** Waits for the acknowledgement of a version, or its refusal. */
  acknowledged(type: string, version: string): Promise<unknown> {
    return waitFor(`ACK of ${version}`, () =>
      this.events.some((event) => event.type?.endsWith(type) === true && event.version === version),
    );
  }
}
