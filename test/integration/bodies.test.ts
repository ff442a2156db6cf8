/** Large bodies both ways through the real proxy: whole, in order, and within the buffer limits when the reader is slow. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type net from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { after, before, test } from 'node:test';
import { bootstrap, cluster, httpListener, route } from '../support/bootstrap.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { RawClient, request, requestBytes } from '../support/raw_client.ts';
import { startTcpUpstream, startUpstream, type Upstream } from '../support/upstream.ts';
import { delay, waitFor } from '../support/wait_for.ts';

const MiB = 1 << 20;
/** What a paused exchange may hold of 256 MiB: mostly the kernel's socket buffers on both sides, which grow to many MiB. */
const heldBack = 80 * MiB;
/** What the proxy itself may grow by meanwhile: its limits are 64 KiB a side, the rest is room for a garbage collector. */
const heldInProxy = 32 * MiB;

let proxy: RunningProxy;
let upstream: Upstream;
let sink: Omit<Upstream, 'script'>;
let sinkReceived = 0;
let sinkPaused = false;
let port: number;

before(async () => {
  upstream = await startUpstream();
  sink = await startTcpUpstream((socket) => {
    if (sinkPaused) socket.pause();
    socket.on('data', (chunk) => {
      sinkReceived += chunk.length;
    });
    socket.on('end', () => socket.end());
  });
  const limit = { per_connection_buffer_limit_bytes: 65_536 };
  const listener = httpListener('main', [route('/sink', 'sink'), route('/', 'a')], {}, limit);
  const clusters = [cluster('a', [upstream.port], limit), cluster('sink', [sink.port], limit)];
  proxy = await startProxy(bootstrap([listener], clusters));
  port = proxy.port('main');
});
after(async () => {
  await proxy?.stop();
  await upstream?.close();
  await sink?.close();
});

/** `size` bytes in which every place differs, so that a piece lost, doubled or moved is seen. */
function pattern(size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  for (let i = 0; i + 4 <= size; i += 4) bytes.writeUInt32LE((i * 2654435761) >>> 0, i);
  return bytes;
}

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const large = pattern(16 * MiB);

for (const size of [1, 1023, 16_384, 65_535, 65_536, 65_537, MiB, 16 * MiB]) {
  test(`a body of ${size} bytes arrives whole, up and down`, async () => {
    const body = large.subarray(0, size);
    upstream.script = {
      respond: (seen, socket) => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${seen.body.length}\r\n\r\n`);
        socket.write(seen.body);
      },
    };
    const response = await request(port, '/', { method: 'POST', body });
    assert.equal(response.body.length, size);
    assert.equal(digest(response.body), digest(body));
  });
}

test('a chunked body of many small pieces arrives whole', async () => {
  const pieces = Array.from({ length: 5000 }, (_, i) => `piece ${i};`);
  upstream.script = {
    respond: (_request, socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      for (const piece of pieces) socket.write(`${piece.length.toString(16)}\r\n${piece}\r\n`);
      socket.write('0\r\n\r\n');
    },
  };
  assert.equal((await request(port, '/')).text, pieces.join(''));
});

/** Writes 256 MiB as fast as the socket takes it. */
function flood(socket: net.Socket): void {
  const block = Buffer.alloc(256 * 1024, 'x');
  const blocks = Readable.from(
    (function* () {
      for (let i = 0; i < 1024; i++) yield block;
    })(),
  );
  pipeline(blocks, socket, { end: false }).catch(() => {});
}

/** Waits until a number stays the same for half a second. */
async function settled(read: () => number): Promise<number> {
  let last = -1;
  return waitFor(
    'settled number',
    async () => {
      if (read() === last && last > 0) return last;
      last = read();
      await delay(500);
      return undefined;
    },
    { withinMs: 15_000 },
  );
}

test('a slow reader holds the upstream back, and others do not notice', async () => {
  upstream.script = {
    respond: (_request, socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${256 * MiB}\r\n\r\n`);
      flood(socket);
    },
  };
  const before = residentBytes();
  const client = await RawClient.connect(port);
  client.socket.pause();
  client.send(requestBytes('/slow'));
  await waitFor('request upstream', () => upstream.requests.at(-1)?.path === '/slow');
  const source = upstream.connections[upstream.requests[upstream.requests.length - 1].connection];
  const sent = await settled(() => source.bytesWritten - source.writableLength);
  assert.ok(sent < heldBack, `${sent} bytes left the upstream for a reader that reads nothing`);
  assert.ok(residentBytes() - before < heldInProxy, 'and they are not kept in the proxy');
  upstream.script = {};
  assert.equal((await request(port, '/other')).text, 'GET /other\n');
  client.socket.resume();
  await waitFor('more bytes', () => client.received > 64 * MiB, { withinMs: 20_000 });
  client.destroy();
  await waitFor('end upstream', () => source.destroyed);
});

test('a slow upstream holds the client back', async () => {
  sinkPaused = true;
  const client = await RawClient.connect(port);
  client.send(`POST /sink HTTP/1.1\r\nHost: test\r\nContent-Length: ${256 * MiB}\r\n\r\n`);
  const before = residentBytes();
  flood(client.socket);
  const sent = await settled(() => client.socket.bytesWritten - client.socket.writableLength);
  assert.ok(sent < heldBack, `${sent} bytes left the client for an upstream that reads nothing`);
  assert.ok(residentBytes() - before < heldInProxy, 'and they are not kept in the proxy');
  sinkPaused = false;
  for (const socket of sink.connections) socket.resume();
  await waitFor('more bytes', () => sinkReceived > 64 * MiB, { withinMs: 20_000 });
  client.destroy();
});

/** Resident memory of the proxy's process. */
function residentBytes(): number {
  const status = readFileSync(`/proc/${proxy.pid}/status`, 'utf8');
  return Number(status.match(/VmRSS:\s+(\d+)/)?.[1]) * 1024;
}
