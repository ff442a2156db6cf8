/** The hosts behind the proxy: good ones that answer exactly, restless ones that come and go, rude ones that spoil exchanges. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import type { Duplex, Writable } from 'node:stream';
import { type GrpcServer, startGrpcServer } from '../../test/support/grpc.ts';
import type { Random } from '../../test/support/random.ts';
import { delay } from '../../test/support/wait_for.ts';
import { bytesOf, payloadOfPath } from './payload.ts';

/** Node never takes back what it counts for an answer that is reset before all of it has left: without room it refuses all streams. */
const maxSessionMemory = 1_000_000;

/** What node:http and the compatibility face of node:http2 have in common. */
type Incoming = http.IncomingMessage | http2.Http2ServerRequest;
type Outgoing = http.ServerResponse | http2.Http2ServerResponse;

export interface Upstreams {
  readonly ports: Readonly<Record<UpstreamName, number>>;
  close(): void;
}

export type UpstreamName = 'h1' | 'h2' | 'h1s' | 'h2s' | 'restless1' | 'restless2' | 'rude1' | 'rude2' | 'grpc' | 'tcp';

export async function startUpstreams(random: Random, identity: { cert: string; key: string }): Promise<Upstreams> {
  const grpc = await startSlowGrpc();
  const closers: (() => void)[] = [() => grpc.close()];
  const listen = async (server: net.Server): Promise<number> => {
    const sockets = new Set<net.Socket>();
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
    });
    server.on('session', (session: http2.ServerHttp2Session) => session.on('error', () => {}));
    server.on('stream', (stream: http2.ServerHttp2Stream) => stream.on('error', () => {}));
    server.listen(0, '127.0.0.1', 4096);
    await once(server, 'listening');
    closers.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return (server.address() as net.AddressInfo).port;
  };
  const good = (incoming: Incoming, outgoing: Outgoing) => void answer(random, incoming, outgoing);
  const h1 = http.createServer({ keepAliveTimeout: 0, requestTimeout: 0 }, good);
  h1.on('upgrade', echoUpgrade);
  const ports = {
    h1: await listen(h1),
    h1s: await listen(https.createServer({ ...identity, keepAliveTimeout: 0 }, good)),
    h2: await listen(http2.createServer({ settings: { enableConnectProtocol: true }, maxSessionMemory }, good)),
    h2s: await listen(http2.createSecureServer({ ...identity, maxSessionMemory }, good) as unknown as net.Server),
    restless1: await listen(http.createServer((incoming, outgoing) => restless1(random, incoming, outgoing))),
    restless2: await listen(
      http2.createServer({ maxSessionMemory }, (incoming, outgoing) => restless2(random, incoming, outgoing)),
    ),
    rude1: await listen(http.createServer((incoming, outgoing) => rude1(random, incoming, outgoing))),
    rude2: await listen(
      http2.createServer({ maxSessionMemory }, (incoming, outgoing) => rude2(random, incoming, outgoing)),
    ),
    tcp: await listen(net.createServer({ allowHalfOpen: true }, (socket) => void socket.pipe(socket))),
    grpc: grpc.port,
  };
  return {
    ports,
    close() {
      for (const close of closers) close();
    },
  };
}

/** `/…/give/START/SIZE` gives a payload, at once or in slow pieces; anything else gets its own body back as it comes. */
async function answer(random: Random, incoming: Incoming, outgoing: Outgoing): Promise<void> {
  incoming.on('error', () => {});
  outgoing.on('error', () => {});
  const path = incoming.url ?? '';
  if (!path.includes('/give/')) {
    incoming.pipe(outgoing);
    return;
  }
  incoming.resume();
  const bytes = bytesOf(payloadOfPath(path));
  if (random.chance(0.5)) outgoing.setHeader('content-length', bytes.length);
  if (!path.startsWith('/slow')) {
    outgoing.end(bytes);
    return;
  }
  const pieces = 1 + random.int(5);
  for (let i = 0; i < pieces; i++) {
    await delay(random.int(60));
    if (outgoing.destroyed) return;
    const at = (share: number) => Math.floor((bytes.length * share) / pieces);
    (outgoing as Writable).write(bytes.subarray(at(i), at(i + 1)));
  }
  outgoing.end();
}

/** Answers well, and closes connections that rest: the next request may just be on its way. */
function restless1(random: Random, incoming: http.IncomingMessage, outgoing: http.ServerResponse): void {
  const { socket } = incoming;
  busy.add(socket);
  outgoing.on('finish', () => {
    busy.delete(socket);
    if (random.chance(0.2)) setTimeout(() => busy.has(socket) || socket.end(), random.int(20));
  });
  void answer(random, incoming, outgoing);
}

const busy = new WeakSet<net.Socket>();

/** Answers well, and says GOAWAY now and then: streams it has not taken must be sent elsewhere. */
function restless2(random: Random, incoming: http2.Http2ServerRequest, outgoing: http2.Http2ServerResponse): void {
  const { session } = incoming.stream;
  if (random.chance(0.05)) setTimeout(() => session?.close(), random.int(20));
  void answer(random, incoming, outgoing);
}

function rude1(random: Random, incoming: http.IncomingMessage, outgoing: http.ServerResponse): void {
  const { socket } = incoming;
  const bytes = bytesOf(payloadOfPath(incoming.url ?? ''));
  const half = bytes.subarray(0, bytes.length >> 1);
  incoming.on('error', () => {});
  outgoing.on('error', () => {});
  switch (random.int(8)) {
    case 0:
      socket.resetAndDestroy();
      break;
    case 1:
      socket.end('HTTP/1.1 200 OK\r\nconte');
      break;
    case 2:
      outgoing.setHeader('content-length', bytes.length + 10);
      outgoing.write(half);
      setTimeout(() => socket.destroy(), random.int(30));
      break;
    case 3:
      outgoing.write(half);
      setTimeout(() => socket.resetAndDestroy(), random.int(30));
      break;
    case 4:
      socket.write('this is not HTTP\r\n\r\n');
      break;
    case 5:
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok and more than that');
      break;
    case 6:
      // It never answers: the route's timeout does.
      break;
    default:
      void answer(random, incoming, outgoing);
  }
}

function rude2(random: Random, incoming: http2.Http2ServerRequest, outgoing: http2.Http2ServerResponse): void {
  const { stream } = incoming;
  const bytes = bytesOf(payloadOfPath(incoming.url));
  stream.on('error', () => {});
  switch (random.int(8)) {
    case 0:
      stream.close(random.int(14));
      break;
    case 1:
      outgoing.write(bytes.subarray(0, bytes.length >> 1));
      setTimeout(() => stream.close(random.int(14)), random.int(30));
      break;
    case 2:
      setTimeout(() => stream.session?.destroy(), random.int(30));
      break;
    case 3:
      stream.session?.goaway(random.int(14), 0);
      break;
    case 4:
      outgoing.write(bytes.subarray(0, bytes.length >> 1));
      setTimeout(() => stream.session?.socket.resetAndDestroy(), random.int(30));
      break;
    case 5:
      outgoing.setHeader('content-length', bytes.length + 10);
      outgoing.end(bytes);
      break;
    case 6:
      break;
    default:
      void answer(random, incoming, outgoing);
  }
}

function echoUpgrade(request: http.IncomingMessage, socket: Duplex, head: Buffer): void {
  const accept = createHash('sha1')
    .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64');
  socket.on('error', () => {});
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
  );
  if (head.length > 0) socket.write(head);
  socket.pipe(socket);
}

/** Echoes; a unary call whose message begins with `slow` gets its answer late. */
function startSlowGrpc(): Promise<GrpcServer> {
  return startGrpcServer({
    Unary: (call, done) => {
      if (call.request.subarray(0, 4).toString() !== 'slow') done(null, call.request);
      else setTimeout(() => done(null, call.request), 200);
    },
  });
}
