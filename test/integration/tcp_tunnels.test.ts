/** tcp_proxy with tunneling_config through the real proxy: CONNECT and POST over HTTP/1 to a proxy that carries the bytes on. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { bootstrap, cluster, tcpListener } from '../support/bootstrap.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw_client.ts';
import { startTcpUpstream, type Upstream } from '../support/upstream.ts';

const heads: string[] = [];
let proxy: RunningProxy;
let carrier: Omit<Upstream, 'script'>;

/** Answers the head of a request, by 200 unless the host says otherwise, then sends everything back. */
function carry(socket: Socket): void {
  let head = '';
  const onData = (bytes: Buffer) => {
    head += bytes.toString('latin1');
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) return;
    heads.push(head.slice(0, end));
    socket.off('data', onData);
    if (head.includes('refused')) socket.end('HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n');
    else {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.pipe(socket);
    }
  };
  socket.on('data', onData);
}

before(async () => {
  carrier = await startTcpUpstream(carry);
  proxy = await startProxy(
    bootstrap(
      [
        tcpListener('tunnel', 'carrier', { tunneling_config: { hostname: 'far.test:443' } }),
        tcpListener('post', 'carrier', {
          tunneling_config: { hostname: 'far.test', use_post: true, post_path: '/bytes?of=%DOWNSTREAM_LOCAL_PORT%' },
        }),
        tcpListener('refused', 'carrier', { tunneling_config: { hostname: 'refused.test:80' } }),
      ],
      [cluster('carrier', [carrier.port])],
    ),
  );
});
after(async () => {
  await proxy?.stop();
  await carrier?.close();
});

test('CONNECT: bytes go both ways once it is accepted, 8 MiB come back as they went', async () => {
  const client = await RawClient.connect(proxy.port('tunnel'));
  const sent = Buffer.alloc(8 << 20);
  for (let i = 0; i < sent.length; i += 4) sent.writeUInt32LE(i, i);
  client.send(sent);
  assert.ok((await client.bytes(sent.length, 15_000)).equals(sent));
  assert.equal(heads.at(-1), 'CONNECT far.test:443 HTTP/1.1\r\nhost: far.test:443');
  client.destroy();
});

test('CONNECT: a half close is passed on and the answer still comes', async () => {
  const client = await RawClient.connect(proxy.port('tunnel'));
  client.send('last words');
  client.end();
  assert.equal((await client.untilClosed()).toString(), 'last words');
});

test('POST: bytes are the chunks of its body, and the answer is everything that comes', async () => {
  const client = await RawClient.connect(proxy.port('post'));
  client.send('hello');
  assert.equal((await client.bytes(10)).toString(), '5\r\nhello\r\n');
  assert.match(
    heads.at(-1)!,
    /^POST \/bytes\?of=%DOWNSTREAM_LOCAL_PORT% HTTP\/1\.1\r\nhost: far\.test\r\ntransfer-encoding: chunked$/,
  );
  client.destroy();
});

test('a tunnel that is refused ends the connection', async () => {
  const client = await RawClient.connect(proxy.port('refused'));
  assert.ok(await client.closes(2000));
  assert.equal(client.received, 0);
  assert.equal(await proxy.stat('cluster.carrier.upstream_cx_connect_attempts_exceeded'), 1);
});
