/** Clients of what lives longer than a request: websocket over HTTP/1 and HTTP/2, bare TCP, gRPC of all kinds. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import grpc from '@grpc/grpc-js';
import { collect, GrpcClient } from '../../test/support/grpc.ts';
import type { Random } from '../../test/support/random.ts';
import { delay } from '../../test/support/wait_for.ts';
import type { Client, Surroundings } from './good_clients.ts';
import { settled } from './http_exchange.ts';
import { anyPayload, bytesOf } from './payload.ts';
import { inTime } from './tally.ts';

/** Runs a piece of work; whatever it throws is a failure of this kind. */
async function counted(kind: string, { tally }: Surroundings, work: () => Promise<void>): Promise<void> {
  try {
    await inTime(work());
    tally.answered(kind);
  } catch (error) {
    tally.fail(kind, (error as Error).message);
  }
}

/** A few messages, each echoed before the next is sent. */
async function talk(stream: Duplex, random: Random): Promise<void> {
  const received = new Received(stream);
  const rounds = 1 + random.int(6);
  for (let i = 0; i < rounds; i++) {
    const bytes = bytesOf(anyPayload(random));
    stream.write(bytes);
    if (!(await received.take(bytes.length)).equals(bytes)) throw new Error('a wrong echo');
    if (random.chance(0.3)) await delay(random.int(50));
  }
}

class Received {
  private pieces: Buffer[] = [];
  private length = 0;
  private wake = () => {};
  private gone = false;

  constructor(stream: Duplex) {
    stream.on('data', (piece: Buffer) => {
      this.pieces.push(piece);
      this.length += piece.length;
      this.wake();
    });
    for (const event of ['end', 'error', 'close']) {
      stream.on(event, () => {
        this.gone = true;
        this.wake();
      });
    }
  }

  async take(count: number): Promise<Buffer> {
    while (this.length < count && !this.gone) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    if (this.length < count) throw new Error(`cut after ${this.length} of ${count} bytes`);
    const all = Buffer.concat(this.pieces);
    this.pieces = [all.subarray(count)];
    this.length -= count;
    return all.subarray(0, count);
  }

  async takeHead(): Promise<string> {
    for (;;) {
      const end = Buffer.concat(this.pieces).indexOf('\r\n\r\n');
      if (end >= 0) return (await this.take(end + 4)).toString('latin1');
      await this.take(this.length + 1).then((bytes) => {
        this.pieces.unshift(bytes);
        this.length += bytes.length;
      });
    }
  }
}

export function websocketClient(surroundings: Surroundings): Client {
  const { port, random } = surroundings;
  return {
    work: () =>
      counted('websocket', surroundings, async () => {
        const socket = net.connect({ host: '127.0.0.1', port: port('plain') });
        socket.on('error', () => {});
        const received = new Received(socket);
        socket.write(
          `GET /h1/ws HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
        );
        const head = await received.takeHead();
        if (!head.startsWith('HTTP/1.1 101 ')) throw new Error(head.slice(0, 60));
        socket.removeAllListeners('data');
        await talk(socket, random).finally(() => socket.destroy());
      }),
    close() {},
  };
}

/** Websocket over a stream of HTTP/2 (RFC 8441), to a host of HTTP/1. */
export function websocket2Client(surroundings: Surroundings): Client {
  const { port, random } = surroundings;
  let session: http2.ClientHttp2Session | undefined;
  return {
    work: () =>
      counted('websocket on HTTP/2', surroundings, async () => {
        if (session === undefined || session.destroyed) {
          session = await settled(http2.connect(`http://127.0.0.1:${port('plain')}`));
        }
        const stream = session.request(
          { ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/h1/ws' },
          { endStream: false },
        );
        stream.on('error', () => {});
        const [head] = await once(stream, 'response');
        if (head[':status'] !== 200) throw new Error(`status ${head[':status']}`);
        await talk(stream, random).finally(() => stream.close());
      }),
    close: () => session?.destroy(),
  };
}

/** Bytes there and back, and the ends of both directions. */
export function tcpClient(surroundings: Surroundings): Client {
  const { port, random } = surroundings;
  return {
    work: () =>
      counted('TCP', surroundings, async () => {
        const socket = net.connect({ host: '127.0.0.1', port: port('tcp'), allowHalfOpen: true });
        socket.on('error', () => {});
        try {
          await talk(socket, random);
          socket.removeAllListeners('data');
          const received = new Received(socket);
          const bytes = bytesOf(anyPayload(random));
          const ended = once(socket, 'end');
          socket.end(bytes);
          if (!(await received.take(bytes.length)).equals(bytes)) throw new Error('a wrong echo');
          await ended;
        } finally {
          socket.destroy();
        }
      }),
    close() {},
  };
}

export function grpcClient(surroundings: Surroundings): Client {
  const { port, random, tally } = surroundings;
  // A pool of its own: the one of all clients keeps a connection for some seconds after the last has closed.
  const client = new GrpcClient(port('plain'), { 'grpc.use_local_subchannel_pool': 1 });
  const unary = async () => {
    const message = bytesOf({ start: random.int(1000), size: random.int(4000) });
    const { error, message: reply } = await client.unary(message);
    if (error !== null || !reply!.equals(message)) throw new Error(error?.message ?? 'a wrong echo');
  };
  const download = async () => {
    const count = random.int(300);
    const { messages, status } = await collect(client.download(String(count)));
    if (status.code !== 0) throw new Error(`status ${status.code} ${status.details}`);
    if (messages.length !== count || messages.some((message, i) => message !== `message ${i}`))
      throw new Error('wrong messages');
  };
  const upload = async () => {
    const count = random.int(100);
    const { promise, resolve, reject } = Promise.withResolvers<Buffer | undefined>();
    const call = client.upload((error, reply) => (error === null ? resolve(reply) : reject(error)));
    for (let i = 0; i < count; i++) call.write(bytesOf({ start: i, size: random.int(2000) }));
    call.end();
    if (String(await promise) !== String(count)) throw new Error('a wrong count');
  };
  const chat = async () => {
    const count = 1 + random.int(50);
    const call = client.chat();
    const done = collect(call);
    for (let i = 0; i < count; i++) {
      call.write(Buffer.from(`said ${i}`));
      if (random.chance(0.05)) await delay(random.int(20));
    }
    call.end();
    const { messages, status } = await done;
    if (status.code !== 0) throw new Error(`status ${status.code} ${status.details}`);
    if (messages.length !== count || messages.some((message, i) => message !== `said ${i}`))
      throw new Error('wrong messages');
  };
  /** Whatever becomes of it: it is given up half way, or comes too late. */
  const abandon = async () => {
    if (random.chance(0.5)) {
      const deadline = Date.now() + 50;
      const { status } = await client.unary('slow', new grpc.Metadata(), { deadline });
      if (status.code !== grpc.status.DEADLINE_EXCEEDED) throw new Error(`status ${status.code}`);
    } else {
      const call = client.download('10000');
      call.on('error', () => {});
      setTimeout(() => call.cancel(), random.int(20));
      const { status } = await collect(call);
      if (status.code !== grpc.status.CANCELLED && status.code !== 0) throw new Error(`status ${status.code}`);
    }
  };
  return {
    work: () => {
      if (random.chance(0.1))
        return inTime(abandon()).then(
          () => tally.spoil('gRPC given up'),
          (error: Error) => tally.fail('gRPC given up', error.message),
        );
      const [kind, work] = random.pick([
        ['gRPC unary', unary],
        ['gRPC unary', unary],
        ['gRPC unary', unary],
        ['gRPC download', download],
        ['gRPC upload', upload],
        ['gRPC chat', chat],
      ] as const);
      return counted(kind, surroundings, work);
    },
    close: () => client.close(),
  };
}
