/** tcp_proxy through the real proxy: bytes both ways, half close, ends and refusals, back-pressure. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { bootstrap, cluster, fileAccessLog, tcpListener } from '../support/bootstrap.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw_client.ts';
import { startTcpUpstream, type Upstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

let proxy: RunningProxy;
let echo: Omit<Upstream, 'script'>;
let closing: Omit<Upstream, 'script'>;

before(async () => {
  echo = await startTcpUpstream((socket) => {
    socket.pipe(socket);
  });
  closing = await startTcpUpstream((socket) => socket.end('goodbye'));
  const dead = await startTcpUpstream(() => {});
  await dead.close();
  proxy = await startProxy((dir) =>
    bootstrap(
      [
        tcpListener('main', 'echo', { access_log: [fileAccessLog(path.join(dir, 'access.log'))] }),
        tcpListener('closing', 'closing'),
        tcpListener('dead', 'dead'),
        tcpListener('idle', 'echo', { idle_timeout: '0.3s' }),
      ],
      [cluster('echo', [echo.port]), cluster('closing', [closing.port]), cluster('dead', [dead.port])],
    ),
  );
});
after(async () => {
  await proxy?.stop();
  await echo?.close();
  await closing?.close();
});

test('bytes go both ways', async () => {
  const client = await RawClient.connect(proxy.port('main'));
  for (let i = 0; i < 10; i++) {
    client.send(`hello ${i}`);
    assert.equal((await client.bytes(7)).toString(), `hello ${i}`);
  }
  client.destroy();
});

test('a half close is passed on and the answer still comes', async () => {
  const client = await RawClient.connect(proxy.port('main'));
  client.send('last words');
  client.end();
  assert.equal((await client.untilClosed()).toString(), 'last words');
  assert.equal(client.error, undefined);
});

test('the upstream closes: what it sent arrives first', async () => {
  const client = await RawClient.connect(proxy.port('closing'));
  assert.equal((await client.untilClosed()).toString(), 'goodbye');
  client.destroy();
});

test('8 MiB come back as they went', async () => {
  const client = await RawClient.connect(proxy.port('main'));
  const sent = Buffer.alloc(8 << 20);
  for (let i = 0; i < sent.length; i += 4) sent.writeUInt32LE(i, i);
  client.send(sent);
  assert.ok((await client.bytes(sent.length, 15_000)).equals(sent));
  client.destroy();
});

test('a client that leaves ends the upstream connection', async () => {
  const client = await RawClient.connect(proxy.port('main'));
  client.send('x');
  await client.bytes(1);
  const socket = echo.connections[echo.connections.length - 1];
  client.destroy();
  await waitFor('end upstream', () => socket.destroyed);
});

test('a dead upstream closes the client at once', async () => {
  // The RST may be there before the client has seen its connect succeed.
  const client = await RawClient.connect(proxy.port('dead')).catch((error) => assert.equal(error.code, 'ECONNRESET'));
  client?.send('x');
  assert.ok(client === undefined || (await client.closes(2000)));
  assert.equal(client?.received ?? 0, 0);
  await waitFor('count', async () => (await proxy.stat('cluster.dead.upstream_cx_connect_fail')) >= 1);
});

test('an idle connection is closed', async () => {
  const client = await RawClient.connect(proxy.port('idle'));
  client.send('x');
  await client.bytes(1);
  assert.equal((await client.untilClosed(3000)).length, 0);
  assert.equal(client.error, undefined);
  assert.equal(await proxy.stat('tcp.idle.idle_timeout'), 1);
});

test('the access log has a line for each connection', async () => {
  const log = path.join(proxy.dir, 'access.log');
  const lines = await waitFor('log', () => {
    const found = readFileSync(log, 'utf8').split('\n');
    return found.length > 4 && found;
  });
  const time = '\\[\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z\\]';
  const expected = new RegExp(`^${time} "- - -" 0 - 10 10 \\d+ - "-" "-" "-" "-" "127\\.0\\.0\\.1:${echo.port}"$`);
  assert.ok(
    lines.some((line) => expected.test(line)),
    lines.join('\n'),
  ); // the half close above: 10 bytes each way
});

test('statistics', async () => {
  assert.ok((await proxy.stat('tcp.main.downstream_cx_total')) >= 4);
  await waitFor('no active connection', async () => (await proxy.stat('cluster.echo.upstream_cx_active')) === 0);
});
