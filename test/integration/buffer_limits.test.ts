/** What is held for one peer that does not read stays within the buffer limit, and is told by the gauges of buffered bytes. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { bootstrap, cluster, httpListener, route, tcpListener } from '../support/bootstrap.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { RawClient, requestBytes } from '../support/raw_client.ts';
import { startTcpUpstream, startUpstream, type Upstream } from '../support/upstream.ts';
import { delay, waitFor } from '../support/wait_for.ts';

const limit = 32 * 1024;
/** The limit is a watermark: one read may exceed it, here and in Envoy. */
const mostHeld = 2 * limit;
const size = 24 << 20;

let proxy: RunningProxy;
let source: Omit<Upstream, 'script'>;
let sink: Omit<Upstream, 'script'>;
let web: Upstream;

before(async () => {
  source = await startTcpUpstream((socket) => socket.end(Buffer.alloc(size, 'x')));
  sink = await startTcpUpstream((socket) => socket.pause());
  web = await startUpstream({
    respond: (_request, socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`);
      socket.write(Buffer.alloc(size, 'y'));
    },
    onHead: (request, socket) => {
      if (request.path === '/upload') socket.pause();
      return request.path === '/upload';
    },
  });
  const bounded = { per_connection_buffer_limit_bytes: limit };
  const listeners = [
    tcpListener('source', 'source'),
    tcpListener('sink', 'sink'),
    httpListener('web', [route('/', 'web')]),
  ];
  proxy = await startProxy(
    bootstrap(
      listeners.map((listener) => ({ ...listener, ...bounded })),
      [
        cluster('source', [source.port], bounded),
        cluster('sink', [sink.port], bounded),
        cluster('web', [web.port], bounded),
      ],
    ),
  );
});
after(async () => {
  await proxy?.stop();
  await source?.close();
  await sink?.close();
  await web?.close();
});

/** The most a gauge shows while its producer comes to a stand. */
async function mostOf(gauge: string): Promise<number> {
  await waitFor(gauge, async () => (await proxy.stat(gauge)) > 0);
  let most = 0;
  for (let i = 0; i < 10; i++) {
    most = Math.max(most, await proxy.stat(gauge));
    await delay(30);
  }
  return most;
}

/** A client that does not read until it is told to. */
async function pausedClient(port: number, bytes: Uint8Array): Promise<net.Socket> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true }).pause();
  await new Promise((resolve) => socket.once('connect', resolve));
  socket.write(bytes);
  return socket;
}

function countUntil(socket: net.Socket, total: number): Promise<number> {
  return new Promise((resolve) => {
    let count = 0;
    socket.on('data', (chunk: Buffer) => {
      count += chunk.length;
      if (count >= total) resolve(count);
    });
    socket.on('end', () => resolve(count));
    socket.resume();
  });
}

test('a client that does not read holds up the host, then gets all of it', async () => {
  const client = await pausedClient(proxy.port('source'), Buffer.alloc(0));
  const held = await mostOf('tcp.source.downstream_cx_tx_bytes_buffered');
  assert.ok(held <= mostHeld, `${held} bytes held`);
  assert.equal(await countUntil(client, size), size);
  await waitFor('nothing held', async () => (await proxy.stat('tcp.source.downstream_cx_tx_bytes_buffered')) === 0);
  client.destroy();
});

test('a host that does not read holds up the client, then gets all of it', async () => {
  const client = await RawClient.connect(proxy.port('sink'));
  client.send(Buffer.alloc(size));
  client.end();
  const held = await mostOf('cluster.sink.upstream_cx_tx_bytes_buffered');
  assert.ok(held <= mostHeld, `${held} bytes held`);
  assert.equal(await countUntil(sink.connections[0], size), size);
  client.destroy();
});

test('an answer for a client that does not read', async () => {
  const client = await pausedClient(proxy.port('web'), requestBytes('/'));
  const held = await mostOf('http.ingress.downstream_cx_tx_bytes_buffered');
  assert.ok(held <= mostHeld, `${held} bytes held`);
  assert.ok((await countUntil(client, size)) >= size);
  client.destroy();
  const paused = await proxy.stat('cluster.web.upstream_flow_control_paused_reading_total');
  assert.ok(paused > 0, 'the host was paused');
  assert.equal(await proxy.stat('cluster.web.upstream_flow_control_resumed_reading_total'), paused);
});

test('a request to a host that does not read', async () => {
  const client = await RawClient.connect(proxy.port('web'));
  client.send(`POST /upload HTTP/1.1\r\nhost: test\r\ncontent-length: ${size}\r\n\r\n`);
  client.send(Buffer.alloc(size));
  const held = await mostOf('cluster.web.upstream_cx_tx_bytes_buffered');
  assert.ok(held <= mostHeld, `${held} bytes held`);
  assert.ok((await proxy.stat('cluster.web.upstream_flow_control_backed_up_total')) > 0);
  assert.ok((await proxy.stat('http.ingress.downstream_flow_control_paused_reading_total')) > 0);
  // A client that is not read from cannot be seen to leave; the host's end is.
  for (const socket of web.connections) socket.destroy();
  await waitFor('nothing held', async () => (await proxy.stat('cluster.web.upstream_cx_tx_bytes_buffered')) === 0);
  client.destroy();
});
