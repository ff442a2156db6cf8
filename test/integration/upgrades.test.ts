/** Upgrades and CONNECT through the real proxy: who may, what is held back, what is refused, and how a tunnel ends. */
import assert from 'node:assert/strict';
import type net from 'node:net';
import { after, before, test } from 'node:test';
import { bootstrap, cluster, fileAccessLog, httpListener, route } from '../support/bootstrap.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { RawClient, requestBytes } from '../support/raw_client.ts';
import { respond, startTcpUpstream, startUpstream, type Upstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

let proxy: RunningProxy;
let upstream: Upstream;
let tcp: Awaited<ReturnType<typeof startTcpUpstream>>;
let port: number;
const fromTunnels: string[] = [];

const switching = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n';
const wish = { connection: 'keep-alive, Upgrade', upgrade: 'websocket' };
const connect = 'CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n';

/** From now on the connection is a tunnel that answers `<` and what came. */
function openTunnel(socket: net.Socket, head = switching): void {
  socket.removeAllListeners('data');
  socket.on('data', (chunk) => {
    fromTunnels.push(chunk.toString('latin1'));
    socket.write(`<${chunk.toString('latin1')}`);
  });
  socket.write(head);
}

before(async () => {
  upstream = await startUpstream();
  tcp = await startTcpUpstream((socket) => {
    socket.on('data', (chunk) => socket.write(`<${chunk}`));
    socket.on('end', () => socket.end());
  });
  const connectTo = (name: string, upgrade: object) => ({
    match: { connect_matcher: {} },
    route: { cluster: name, upgrade_configs: [{ upgrade_type: 'CONNECT', ...upgrade }] },
  });
  proxy = await startProxy((dir) =>
    bootstrap(
      [
        httpListener('main', [route('/', 'a', { timeout: '0.5s' })], {
          upgrade_configs: [{ upgrade_type: 'websocket' }],
          access_log: [fileAccessLog(`${dir}/log`, '%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED%\n')],
          delayed_close_timeout: '0.1s',
        }),
        httpListener('idle', [route('/', 'a')], {
          upgrade_configs: [{ upgrade_type: 'websocket' }],
          stream_idle_timeout: '0.2s',
        }),
        httpListener('refusing', [route('/', 'a')]),
        httpListener('tunnel', [connectTo('tcp', { connect_config: {} })]),
        httpListener('forward', [connectTo('a', {})]),
      ],
      [cluster('a', [upstream.port]), cluster('tcp', [tcp.port])],
    ),
  );
  port = proxy.port('main');
});
after(async () => {
  await proxy?.stop();
  await upstream?.close();
  await tcp?.close();
});

test('a websocket is relayed both ways, beyond the route timeout, and its end is logged', async () => {
  upstream.script = { respond: (_request, socket) => openTunnel(socket) };
  const client = await RawClient.connect(port);
  client.send(requestBytes('/ws', { headers: wish }));
  const response = await client.response();
  assert.equal(response.status, 101);
  assert.equal(response.get('upgrade'), 'websocket');
  assert.equal(response.get('x-envoy-upstream-service-time'), undefined);
  assert.equal(await proxy.stat('http.ingress.downstream_cx_upgrades_active'), 1);
  await new Promise((resolve) => setTimeout(resolve, 700));
  client.send('hello');
  assert.equal((await client.bytes(6)).toString(), '<hello');
  client.end();
  await client.untilClosed();
  await waitFor('log line', async () => (await readLog()).includes('/ws 101 DC 5'));
  assert.equal(await proxy.stat('http.ingress.downstream_cx_upgrades_active'), 0);
});

test('what comes before 101 is held until then, and the client is paused beyond 64 KiB', async () => {
  fromTunnels.length = 0;
  let accept = () => {};
  upstream.script = {
    onHead: (_request, socket) => {
      accept = () => openTunnel(socket);
      return true;
    },
  };
  const client = await RawClient.connect(port);
  const before = upstream.requests.length;
  client.send(Buffer.concat([requestBytes('/early', { headers: wish }), Buffer.alloc(300_000, 'x')]));
  await waitFor('request', () => upstream.requests.length > before);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(upstream.requests[before].head.includes('x-request-id'), true);
  assert.equal(fromTunnels.length, 0);
  accept();
  await client.response();
  await waitFor('all bytes', () => fromTunnels.join('').length === 300_000);
  client.destroy();
});

test('a refused upgrade ends the connection, and nothing behind it is a request', async () => {
  for (const [status, body, details] of [
    [200, '', 'handshake'],
    [302, '', 'handshake'],
    [403, 'no', 'upstream'],
  ] as const) {
    upstream.script = {
      respond: (_request, socket) => respond(socket, { status, headers: { 'x-a': '1' }, body: 'no' }),
    };
    const before = upstream.requests.length;
    const client = await RawClient.connect(port);
    client.send(Buffer.concat([requestBytes(`/${details}`, { headers: wish }), requestBytes('/hidden')]));
    const response = await client.response();
    assert.deepEqual([response.status, response.text, response.get('connection')], [status, body, 'close']);
    assert.equal(response.get('x-a'), '1');
    assert.equal((await client.untilClosed()).length, 0);
    assert.deepEqual(
      upstream.requests.slice(before).map((request) => request.path),
      [`/${details}`],
    );
    client.destroy();
  }
});

test('a host that never answers an upgrade runs into the route timeout', async () => {
  upstream.script = { respond: () => {} };
  const client = await RawClient.connect(port);
  client.send(requestBytes('/hangs', { headers: wish }));
  const response = await client.response();
  assert.deepEqual([response.status, response.text], [504, 'upstream request timeout']);
  client.destroy();
});

test('a tunnel the host closes is closed for the client', async () => {
  upstream.script = {
    respond: (_request, socket) => {
      socket.write(`${switching}bye`);
      socket.end();
    },
  };
  const client = await RawClient.connect(port);
  client.send(requestBytes('/bye', { headers: wish }));
  await client.response();
  assert.equal((await client.untilClosed()).toString(), 'bye');
  await waitFor('log line', async () => (await readLog()).includes('/bye 101 UC'));
  client.destroy();
});

test('a tunnel without traffic ends after the stream idle timeout', async () => {
  upstream.script = { respond: (_request, socket) => openTunnel(socket) };
  const client = await RawClient.connect(proxy.port('idle'));
  client.send(requestBytes('/idle', { headers: wish }));
  assert.equal((await client.response()).status, 101);
  assert.equal(await client.closes(2000), true);
  client.destroy();
});

test('upgrades are refused where they are not configured', async () => {
  const before = upstream.requests.length;
  const client = await RawClient.connect(proxy.port('refusing'));
  client.send(requestBytes('/ws', { headers: wish }));
  const response = await client.response();
  assert.deepEqual([response.status, response.text, response.get('connection')], [403, '', 'close']);
  const tunnel = await RawClient.connect(proxy.port('refusing'));
  tunnel.send(connect);
  assert.equal((await tunnel.response()).status, 404);
  assert.equal(upstream.requests.length, before);
  client.destroy();
  tunnel.destroy();
});

test('CONNECT that ends here carries the payload alone, early bytes included', async () => {
  const client = await RawClient.connect(proxy.port('tunnel'));
  client.send(`${connect}early`);
  const response = await client.response('HEAD');
  assert.deepEqual([response.status, response.get('content-length')], [200, undefined]);
  assert.equal((await client.bytes(6)).toString(), '<early');
  client.send('more');
  assert.equal((await client.bytes(5)).toString(), '<more');
  tcp.connections.at(-1)!.end();
  assert.equal(await client.closes(2000), true);
  client.destroy();
});

test('CONNECT that is sent on waits for the answer of the host', async () => {
  fromTunnels.length = 0;
  let accept = () => {};
  upstream.script = {
    onHead: (request, socket) => {
      accept = () => openTunnel(socket, 'HTTP/1.1 200 Fine\r\n\r\n');
      return request.method === 'CONNECT';
    },
  };
  const client = await RawClient.connect(proxy.port('forward'));
  const before = upstream.requests.length;
  client.send(`${connect}early`);
  await waitFor('request', () => upstream.requests.length > before);
  assert.equal(upstream.requests[before].startLine, 'CONNECT h:1 HTTP/1.1');
  assert.equal(fromTunnels.length, 0);
  accept();
  assert.equal((await client.response('HEAD')).status, 200);
  assert.equal((await client.bytes(6)).toString(), '<early');
  client.destroy();
});

async function readLog(): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  return readFile(`${proxy.dir}/log`, 'latin1').catch(() => '');
}
