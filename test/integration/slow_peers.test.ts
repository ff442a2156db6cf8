/**
 * A hundred peers that stop reading in the middle of 6 MiB each: the proxy stops reading from the other side and holds no more
 * than its buffer limits of 32 KiB; when they go on, every byte arrives.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { bootstrap, cluster, httpListener, route, tcpListener } from '../support/bootstrap.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { startTcpUpstream } from '../support/upstream.ts';
import { delay, waitFor } from '../support/wait_for.ts';

const peers = 100;
const limit = 32 * 1024;
const size = 6 * 1024 * 1024;
const body = Buffer.alloc(size, 'nuncio ');

interface Side {
  /** Bytes that have arrived at the side that reads. */
  received: number;
}

let proxy: RunningProxy;
let upstream: Awaited<ReturnType<typeof startTcpUpstream>>;
/** Set while upstreams must not read. */
let holding = false;
const uploads: Side[] = [];

before(async () => {
  upstream = await startTcpUpstream((socket) => serve(socket));
  const limits = { per_connection_buffer_limit_bytes: limit };
  proxy = await startProxy(
    bootstrap(
      [httpListener('http', [route('/', 'a', { timeout: '60s' })], {}, limits), tcpListener('tcp', 'a')].map(
        (listener) => ({ ...listener, ...limits }),
      ),
      [cluster('a', [upstream.port], { max_requests_per_connection: 1, ...limits })],
    ),
  );
});
after(async () => {
  await proxy?.stop();
  await upstream?.close();
});

/** Answers a GET with the body, and counts the body of a POST before it answers; a raw stream gets the body at its first byte. */
function serve(socket: net.Socket): void {
  socket.once('data', (chunk: Buffer) => {
    const head = chunk.toString('latin1');
    if (!head.startsWith('POST')) {
      if (head.startsWith('GET')) socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`);
      socket.write(body);
      return;
    }
    const side: Side = { received: chunk.length - head.indexOf('\r\n\r\n') - 4 };
    uploads.push(side);
    socket.on('data', (more: Buffer) => {
      side.received += more.length;
      if (side.received === size) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
    });
    if (holding) socket.pause();
  });
}

/** Memory of the process in bytes; what the kernel buffers is not in it. */
function memory(): number {
  const [, pages] = readFileSync(`/proc/${proxy.pid}/statm`, 'latin1').split(' ');
  return Number(pages) * 4096;
}

/** Waits until the proxy passes no more bytes on, and answers how much its memory has grown since. */
async function growthWhenStill(before: number, moved: () => Promise<number>): Promise<number> {
  for (let last = -1, now = await moved(); now !== last; now = await moved()) {
    last = now;
    await delay(250);
  }
  return memory() - before;
}

/** What may be held: a buffer on each side of each connection, and what the collector has not taken back yet. */
const mostHeld = peers * 4 * limit + 24 * 1024 * 1024;

function connectAll(listener: string, first: (socket: net.Socket) => void): net.Socket[] {
  return Array.from({ length: peers }, () => {
    const socket = net.connect({ port: proxy.port(listener), host: '127.0.0.1' }, () => first(socket));
    socket.on('error', () => {});
    return socket;
  });
}

/** Clients that get the body and do not read it, then do. `extra`: how many bytes come before the body. */
async function downloadHeld(listener: string, hello: string, extra: (text: string) => number): Promise<void> {
  const before = memory();
  const sockets = connectAll(listener, (socket) => socket.write(hello));
  for (const socket of sockets) socket.pause();
  const rx = () => proxy.stat('cluster.a.upstream_cx_rx_bytes_total');
  await waitFor('bytes', async () => (await rx()) > peers * 1000);
  const grown = await growthWhenStill(before, rx);
  console.log(`${listener}: ${peers} clients that do not read ${size >> 20} MiB: ${Math.round(grown / 1024)} KiB held`);
  assert.ok(grown < mostHeld, `${grown} bytes held`);
  const totals = await Promise.all(
    sockets.map(
      (socket) =>
        new Promise<number>((resolve) => {
          let received = 0;
          let wanted = -1;
          socket.on('data', (chunk: Buffer) => {
            if (wanted < 0) wanted = size + extra(chunk.toString('latin1'));
            received += chunk.length;
            if (received >= wanted) resolve(received - wanted);
          });
          socket.on('close', () => resolve(-1));
          socket.resume();
        }),
    ),
  );
  assert.ok(
    totals.every((surplus) => surplus === 0),
    'every byte arrived',
  );
  for (const socket of sockets) socket.destroy();
}

test('slow readers of answers', () =>
  downloadHeld('http', 'GET / HTTP/1.1\r\nhost: test\r\n\r\n', (text) => text.indexOf('\r\n\r\n') + 4));

test('slow readers of a TCP stream', () => downloadHeld('tcp', 'hello', () => 0));

test('upstreams that read request bodies slowly', async () => {
  const before = memory();
  holding = true;
  const from = upstream.connections.length;
  const answers: Promise<string>[] = [];
  const sockets = connectAll('http', (socket) => {
    socket.write(`POST / HTTP/1.1\r\nhost: test\r\ncontent-length: ${size}\r\n\r\n`);
    socket.write(body);
  });
  for (const socket of sockets) {
    answers.push(
      new Promise((resolve) => socket.once('data', (chunk: Buffer) => resolve(chunk.toString('latin1', 0, 12)))),
    );
  }
  await waitFor('bodies upstream', () => uploads.length === peers, { withinMs: 20_000 });
  const grown = await growthWhenStill(before, () => proxy.stat('http.ingress.downstream_cx_rx_bytes_total'));
  console.log(`${peers} upstreams that do not read ${size >> 20} MiB: ${Math.round(grown / 1024)} KiB held`);
  assert.ok(grown < mostHeld, `${grown} bytes held`);
  holding = false;
  for (const socket of upstream.connections.slice(from)) socket.resume();
  assert.deepEqual([...new Set(await Promise.all(answers))], ['HTTP/1.1 200']);
  assert.ok(uploads.every(({ received }) => received === size));
  for (const socket of sockets) socket.destroy();
});
