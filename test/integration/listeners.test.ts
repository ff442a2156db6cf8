/** Listeners of every kind: UNIX sockets, several addresses, one accepting worker, limits, logs, draining. */
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import {
  bootstrap,
  cluster,
  fileAccessLog,
  httpListener,
  type Json,
  loopback,
  route,
  tcpListener,
} from '../support/bootstrap.ts';
import { isEnvoy, type RunningProxy, runToEnd, startProxy } from '../support/proxy.ts';
import { RawClient, request, requestBytes } from '../support/raw_client.ts';
import { startTcpUpstream, startUpstream, type Upstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

let proxy: RunningProxy;
let upstream: Upstream;
let echo: Omit<Upstream, 'script'>;

const pipe = (socket: string, mode?: number): Json => ({
  pipe: { path: socket, ...(mode === undefined ? {} : { mode }) },
});
const connectionLimits = {
  layered_runtime: {
    layers: [{ name: 'fixed', static_layer: { 'envoy.resource_limits.listener.limited.connection_limit': 2 } }],
  },
};

function listeners(dir: string): Json[] {
  const routes = [route('/', 'a')];
  const logFormat = '%ACCESS_LOG_TYPE% %PROTOCOL% %BYTES_RECEIVED% %DOWNSTREAM_LOCAL_ADDRESS%\n';
  return [
    httpListener('main', routes, {}, { access_log: [fileAccessLog(path.join(dir, 'main.log'), logFormat)] }),
    httpListener('socket', routes, {}, { address: pipe(path.join(dir, 'a.sock'), 0o600) }),
    httpListener('abstract', routes, {}, { address: pipe(`@${path.basename(dir)}`) }),
    httpListener(
      'several',
      routes,
      {},
      {
        additional_addresses: [{ address: loopback() }, { address: pipe(path.join(dir, 'b.sock')) }],
      },
    ),
    httpListener('alone', routes, {}, { enable_reuse_port: false, stat_prefix: 'alone' }),
    httpListener('unbound', routes, {}, { address: loopback(9), bind_to_port: false }),
    { ...httpListener('default', routes), filter_chains: [], default_filter_chain: chainOf(httpListener('x', routes)) },
    httpListener(
      'kept',
      routes,
      {},
      {
        socket_options: [
          { level: 1, name: 9, int_value: 1, state: 'STATE_PREBIND' },
          { level: 6, name: 4, int_value: 30 },
          { level: 0, name: 1, int_value: 16 },
        ],
      },
    ),
    { ...tcpListener('limited', 'echo'), stat_prefix: 'limited' },
  ];
}

function chainOf(listener: Json): unknown {
  return (listener['filter_chains'] as unknown[])[0];
}

before(async () => {
  upstream = await startUpstream();
  echo = await startTcpUpstream((socket) => socket.pipe(socket));
  proxy = await startProxy(
    (dir) => {
      writeFileSync(path.join(dir, 'a.sock'), 'left by an earlier process');
      return bootstrap(listeners(dir), [cluster('a', [upstream.port]), cluster('echo', [echo.port])], connectionLimits);
    },
    { concurrency: 2 },
  );
});
after(async () => {
  await proxy?.stop();
  await upstream?.close();
  await echo?.close();
});

async function over(socket: string, target: string): Promise<string> {
  const client = await RawClient.connect(0, { path: socket } as never);
  client.send(requestBytes(target));
  const { text } = await client.response();
  client.destroy();
  return text;
}

test('a UNIX socket serves with its permissions, in place of what was there', async () => {
  const socket = path.join(proxy.dir, 'a.sock');
  for (let i = 0; i < 5; i++) assert.equal(await over(socket, `/${i}`), `GET /${i}\n`);
  assert.equal(statSync(socket).mode & 0o777, 0o600);
});

test('an abstract UNIX socket serves', async () => {
  assert.equal(await over(`\0${path.basename(proxy.dir)}`, '/abstract'), 'GET /abstract\n');
});

test('all addresses of a listener serve', async () => {
  const { text } = await proxy.admin('/listeners');
  const addresses = [...text.matchAll(/^several::(.*)$/gm)].map((match) => match[1]);
  assert.equal(addresses.length, 3);
  assert.equal((await request(Number(addresses[1].split(':')[1]), '/second')).status, 200);
  assert.equal(await over(addresses[2], '/third'), 'GET /third\n');
});

test('without reuse_port every connection is served', async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, () => request(proxy.port('alone'), '/')));
  assert.ok(answers.every(({ status }) => status === 200));
  assert.equal(await proxy.stat('listener.alone.downstream_cx_total'), 20);
});

test('a listener that is not bound is known, and does not listen', async () => {
  assert.match((await proxy.admin('/listeners')).text, /^unbound::127\.0\.0\.1:9$/m);
  await assert.rejects(RawClient.connect(9), { code: 'ECONNREFUSED' });
});

test('the default filter chain, and sockets with options', async () => {
  assert.equal((await request(proxy.port('default'), '/')).status, 200);
  assert.equal((await request(proxy.port('kept'), '/')).status, 200);
});

test('more connections than the limit are ended at once, over all workers, and one that leaves makes room', async () => {
  const port = proxy.port('limited');
  const clients = [];
  for (let i = 0; i < 2; i++) {
    const client = await RawClient.connect(port);
    client.send('x');
    await client.bytes(1);
    clients.push(client);
  }
  const late = await RawClient.connect(port);
  assert.equal((await late.untilClosed()).length, 0);
  assert.equal(late.error, undefined);
  clients[0].end();
  assert.equal((await clients[0].untilClosed()).length, 0);
  await waitFor('room', async () => (await proxy.stat('listener.limited.downstream_cx_active')) === 1);
  const next = await RawClient.connect(port);
  next.send('y');
  assert.equal((await next.bytes(1)).toString(), 'y');
  next.destroy();
  clients[1].destroy();
});

test('the log of a listener has an entry for each connection', async () => {
  const client = await RawClient.connect(proxy.port('main'));
  for (let i = 0; i < 3; i++) {
    client.send(requestBytes('/'));
    await client.response();
  }
  client.destroy();
  const log = await waitFor('entry', () => readFileSync(path.join(proxy.dir, 'main.log'), 'utf8'));
  const bytes = 3 * requestBytes('/').length;
  assert.equal(log, `NotSet HTTP/1.1 ${bytes} 127.0.0.1:${proxy.port('main')}\n`);
});

test('open connections are a statistic of the server', { skip: isEnvoy && 'told every 5 s' }, async () => {
  await waitFor('no connections', async () => (await proxy.stat('server.total_connections')) === 0);
  const clients = await Promise.all([0, 1, 2].map(() => RawClient.connect(proxy.port('main'))));
  await waitFor('connections', async () => (await proxy.stat('server.total_connections')) === 3);
  for (const client of clients) client.destroy();
});

test('socket options that Node cannot set are refused by name', { skip: isEnvoy }, async () => {
  const config = bootstrap(
    [httpListener('main', [route('/', 'a')], {}, { socket_options: [{ level: 1, name: 8, int_value: 4096 }] })],
    [cluster('a', [1])],
  );
  const { code, output } = await runToEnd(config);
  assert.equal(code, 1);
  assert.match(output, /socket option level 1 name 8 cannot be set by Node\.js/);
});
