/** The thread of `Traffic`: upstreams that answer with their name, and clients that note every answer and how long it took. */
import net from 'node:net';
import tls from 'node:tls';
import { parentPort } from 'node:worker_threads';
import type { FromTraffic, ToTraffic } from './traffic.ts';

const port = parentPort!;

/** Milliseconds until a request counts as lost. */
const patience = 10_000;

class Lane {
  readonly listener: number;
  private readonly keepAlive: boolean;
  private readonly pause: number;
  private readonly secure: boolean;
  private stopped = false;
  private socket: net.Socket | undefined;
  private buffer = '';
  private sentAt = 0;
  private waiting = false;
  private timer: NodeJS.Timeout | undefined;

  constructor({ port: listener, pause, secure }: ToTraffic & { kind: 'load' }, keepAlive: boolean) {
    this.listener = listener;
    this.keepAlive = keepAlive;
    this.pause = pause;
    this.secure = secure;
    this.next(Math.random() * pause);
  }

  stop(): void {
    this.stopped = true;
    if (!this.waiting) this.drop();
  }

  private next(wait: number): void {
    this.timer = setTimeout(() => this.send(), wait);
  }

  private send(): void {
    if (this.stopped) return;
    this.sentAt = performance.now();
    this.waiting = true;
    this.socket ??= this.connect();
    this.buffer = '';
    this.socket.write('GET / HTTP/1.1\r\nhost: traffic\r\n\r\n');
    this.timer = setTimeout(() => this.fail('late'), patience);
  }

  private connect(): net.Socket {
    const where = { host: '127.0.0.1', port: this.listener, noDelay: true };
    const socket = this.secure ? tls.connect({ ...where, rejectUnauthorized: false }) : net.connect(where);
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.onData(text));
    socket.on('error', (error: NodeJS.ErrnoException) => this.onGone(socket, error.code ?? 'error'));
    socket.on('close', () => this.onGone(socket, 'closed'));
    return socket;
  }

  private onGone(socket: net.Socket, why: string): void {
    if (this.socket !== socket) return;
    this.socket = undefined;
    if (this.waiting) this.fail(why);
  }

  private onData(text: string): void {
    this.buffer += text;
    const end = this.buffer.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = this.buffer.slice(0, end).toLowerCase();
    const length = Number(/content-length: (\d+)/.exec(head)?.[1] ?? 0);
    const body = this.buffer.slice(end + 4);
    if (body.length < length) return;
    const status = head.slice(9, 12);
    this.settle(status === '200' ? '' : `${status} ${body}`, status === '200' ? body : '');
    if (!this.keepAlive || head.includes('connection: close')) this.drop();
    this.next(this.pause);
  }

  private fail(why: string): void {
    this.drop();
    this.settle(why, '');
    this.next(this.pause);
  }

  private settle(why: string, body: string): void {
    clearTimeout(this.timer);
    this.waiting = false;
    note(this.listener, why, body, performance.now() - this.sentAt);
    if (this.stopped) this.drop();
  }

  private drop(): void {
    clearTimeout(this.timer);
    const { socket } = this;
    this.socket = undefined;
    socket?.destroy();
  }
}

interface Tally {
  answered: number;
  worst: number;
  /** Milliseconds of every answer. */
  times: number[];
  failures: Map<string, number>;
  bodies: Map<string, number>;
}

let lanes: Lane[] = [];
let tally = newTally();

function newTally(): Tally {
  return { answered: 0, worst: 0, times: [], failures: new Map(), bodies: new Map() };
}

function note(listener: number, why: string, body: string, took: number): void {
  if (took > tally.worst) tally.worst = took;
  if (why !== '') {
    const key = `${listener}: ${why}`;
    tally.failures.set(key, (tally.failures.get(key) ?? 0) + 1);
    return;
  }
  tally.answered++;
  tally.times.push(took);
  tally.bodies.set(body, (tally.bodies.get(body) ?? 0) + 1);
}

function startUpstream(name: string, number: number): void {
  const reply = `HTTP/1.1 200 OK\r\ncontent-length: ${name.length}\r\n\r\n${name}`;
  const server = net.createServer({ noDelay: true }, (socket) => {
    let rest = '';
    socket.setEncoding('latin1');
    socket.on('error', () => {});
    socket.on('data', (text: string) => {
      rest += text;
      for (let end = rest.indexOf('\r\n\r\n'); end >= 0; end = rest.indexOf('\r\n\r\n')) {
        rest = rest.slice(end + 4);
        socket.write(reply);
      }
    });
  });
  server.listen(number, '0.0.0.0', () => {
    tell({ kind: 'upstream', name, port: (server.address() as net.AddressInfo).port });
  });
}

function tell(message: FromTraffic): void {
  port.postMessage(message);
}

port.on('message', (message: ToTraffic) => {
  switch (message.kind) {
    case 'upstream':
      startUpstream(message.name, message.port);
      break;
    case 'load':
      for (let i = 0; i < message.lanes; i++) {
        // Every fifth lane takes a new connection for each request.
        lanes.push(new Lane(message, i % 5 !== 4));
      }
      break;
    case 'stop':
      for (const lane of lanes) if (message.port === 0 || lane.listener === message.port) lane.stop();
      lanes = lanes.filter((lane) => message.port !== 0 && lane.listener !== message.port);
      break;
    case 'take': {
      const { times, ...rest } = tally;
      times.sort((a, b) => a - b);
      tell({
        kind: 'taken',
        ...rest,
        median: times[times.length >> 1] ?? 0,
        p99: times[Math.floor(times.length * 0.99)] ?? 0,
      });
      tally = newTally();
      break;
    }
  }
});
