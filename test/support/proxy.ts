/** Starts the proxy as its users do, as a process of its own, and asks its admin interface where it listens. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Json } from './bootstrap.ts';
import { waitFor } from './wait_for.ts';

/** The repository. */
export const root: string = path.resolve(import.meta.dirname, '../..');

/**
 * Another command to test, with `{config}` for the bootstrap file, e.g. `envoy -c {config} --use-dynamic-base-id`: the same
 * suites then show whether they state what that proxy does.
 */
const otherCommand = process.env['NUNCIO_TEST_CMD'];

/** How this repository's proxy is started. */
export const nuncioCommand: readonly string[] = [
  process.execPath,
  path.join(root, 'scripts/nuncio.mjs'),
  '-c',
  '{config}',
];

/** True when the suites run against the real Envoy, which is more lenient in places and drains differently. */
export const isEnvoy: boolean = otherCommand !== undefined;

export interface ProxyOptions {
  args?: string[];
  /** Worker threads; 1 unless told. */
  concurrency?: number;
  logLevel?: string;
  /** The command to start, with `{config}` for the bootstrap file; default: this repository's. */
  command?: readonly string[];
  env?: NodeJS.ProcessEnv;
}

export interface AdminReply {
  status: number;
  headers: http.IncomingHttpHeaders;
  text: string;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface RunningProxy {
  readonly pid: number;
  /** A folder of this proxy's own, gone after `stop()`. */
  readonly dir: string;
  /** The port of the listener with this name. */
  port(listener: string): number;
  admin(path: string, method?: string): Promise<AdminReply>;
  /** One statistic; 0 when there is none of that name. */
  stat(name: string): Promise<number>;
  signal(name: NodeJS.Signals): void;
  readonly exited: Promise<Exit>;
  /** Kills the process; nothing of it is left afterwards. */
  stop(): Promise<void>;
  stdout(): string;
  stderr(): string;
}

type Bootstrap = Json | string;

/** Starts a proxy on a bootstrap (an object or YAML text, or a function of its folder) and waits until it is ready. */
export async function startProxy(
  config: Bootstrap | ((dir: string) => Bootstrap),
  options: ProxyOptions = {},
): Promise<RunningProxy> {
  const dir = mkdtempSync(path.join(tmpdir(), 'nuncio-test-'));
  const file = path.join(dir, 'bootstrap.yaml');
  writeFileSync(file, asText(typeof config === 'function' ? config(dir) : config));
  const running = launch(file, dir, options);
  try {
    const adminPort = await findAdminPort(dir, running);
    await waitFor('ready admin', async () => running.alive() && (await isReady(adminPort)), { withinMs: 15_000 });
    const ports = await listenerPorts(adminPort);
    return makeProxy(running, dir, adminPort, ports);
  } catch (error) {
    await running.stop();
    rmSync(dir, { recursive: true, force: true });
    throw new Error(`${(error as Error).message}\n${running.stderr()}${running.stdout()}`);
  }
}

/** Runs the proxy on a bootstrap to its end: for what must not start. An undefined `config` leaves the file out. */
export async function runToEnd(
  config: Bootstrap | undefined,
  args: string[] = [],
): Promise<Exit & { output: string; file: string }> {
  const dir = mkdtempSync(path.join(tmpdir(), 'nuncio-test-'));
  const file = path.join(dir, 'bootstrap.yaml');
  if (config !== undefined) writeFileSync(file, asText(config));
  const running = launch(file, dir, { args });
  const timer = setTimeout(() => running.stop(), 15_000);
  const exit = await running.exited;
  clearTimeout(timer);
  rmSync(dir, { recursive: true, force: true });
  return { ...exit, output: running.stdout() + running.stderr(), file };
}

interface Running {
  child: ChildProcess;
  exited: Promise<Exit>;
  alive(): boolean;
  stop(): Promise<void>;
  stdout(): string;
  stderr(): string;
}

const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) killGroup(child);
});

function launch(file: string, dir: string, options: ProxyOptions): Running {
  const { args = [], concurrency = 1, logLevel = 'error', env } = options;
  const template = options.command ?? otherCommand?.split(' ') ?? nuncioCommand;
  const command = template.map((word) => word.replace('{config}', file));
  const common = ['--concurrency', String(concurrency), '-l', logLevel, '--file-flush-interval-msec', '50'];
  const words = [...command.slice(1), ...common, '--admin-address-path', path.join(dir, 'admin'), ...args];
  // A process group of its own: a launcher in between must not leave its child behind.
  const child = spawn(command[0], words, {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: { ...process.env, ...env },
  });
  children.add(child);
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  }
  const exited = new Promise<Exit>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal }));
  });
  exited.catch(() => {}).finally(() => children.delete(child));
  return {
    child,
    exited,
    alive(): boolean {
      if (child.exitCode === null && child.signalCode === null) return true;
      throw new Error(`the proxy ended with ${child.exitCode ?? child.signalCode}`);
    },
    async stop(): Promise<void> {
      killGroup(child);
      await exited;
    },
    stdout: () => output.stdout,
    stderr: () => output.stderr,
  };
}

function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}

function makeProxy(running: Running, dir: string, adminPort: number, ports: Map<string, number>): RunningProxy {
  return {
    pid: running.child.pid as number,
    dir,
    port(listener): number {
      const port = ports.get(listener);
      if (port === undefined) throw new Error(`no listener ${listener} among ${[...ports.keys()].join(', ')}`);
      return port;
    },
    admin: (target, method = 'GET') => adminRequest(adminPort, target, method),
    async stat(name): Promise<number> {
      const { text } = await adminRequest(adminPort, `/stats?filter=^${name.replaceAll('.', '\\.')}$`, 'GET');
      return Number(text.match(/: (\d+)/)?.[1] ?? 0);
    },
    signal: (name) => running.child.kill(name),
    exited: running.exited,
    async stop(): Promise<void> {
      await running.stop();
      rmSync(dir, { recursive: true, force: true });
    },
    stdout: running.stdout,
    stderr: running.stderr,
  };
}

function asText(config: Bootstrap): string {
  return typeof config === 'string' ? config : JSON.stringify(config, null, 2);
}

async function findAdminPort(dir: string, running: Running): Promise<number> {
  const file = path.join(dir, 'admin');
  const address = await waitFor(
    'admin address file',
    () => running.alive() && existsSync(file) && readFileSync(file, 'utf8').match(/:(\d+)\s*$/),
    { withinMs: 15_000 },
  );
  return Number(address[1]);
}

async function isReady(port: number): Promise<boolean> {
  return adminRequest(port, '/ready', 'GET').then(
    (reply) => reply.status === 200,
    () => false,
  );
}

async function listenerPorts(port: number): Promise<Map<string, number>> {
  const { text } = await adminRequest(port, '/listeners?format=json', 'GET');
  const { listener_statuses: statuses = [] } = JSON.parse(text);
  const ports = new Map<string, number>();
  for (const status of statuses) ports.set(status.name, status.local_address?.socket_address?.port_value);
  return ports;
}

function adminRequest(port: number, target: string, method: string): Promise<AdminReply> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, path: target, method, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode as number, headers: response.headers, text });
      });
    });
    request.on('error', reject);
    request.end();
  });
}
