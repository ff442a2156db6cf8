/** Filters before the last one of a chain, the small last ones, and passing TLS through by its server name. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { bootstrap, cluster, fileAccessLog, type Json, loopback } from '../support/bootstrap.ts';
import { TestAuthority } from '../support/certificates.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw_client.ts';
import { certificateFiles, downstreamTls } from '../support/tls.ts';
import { startTcpUpstream, type Upstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

const extensions = 'type.googleapis.com/envoy.extensions.filters';

function filter(name: string, message: string, config: Json = {}): Json {
  const typed = { '@type': `${extensions}.network.${name}.v3.${message}`, ...config };
  return { name: `envoy.filters.network.${name}`, typed_config: typed };
}

const tlsInspector = {
  name: 'envoy.filters.listener.tls_inspector',
  typed_config: { '@type': `${extensions}.listener.tls_inspector.v3.TlsInspector` },
};
const echo = filter('echo', 'Echo');
const tcpProxy = (name: string, more: Json = {}) =>
  filter('tcp_proxy', 'TcpProxy', { stat_prefix: name, cluster: name, ...more });

function listener(name: string, filters: Json[], more: Json = {}, chain: Json = {}): Json {
  return { name, address: loopback(), filter_chains: [{ filters, ...chain }], ...more };
}

function setState(field: string, ...values: [key: string, format: string][]): Json {
  return {
    [field]: values.map(([object_key, inline_string]) => ({
      object_key,
      factory_key: object_key.startsWith('envoy.') ? '' : 'envoy.string',
      format_string: { text_format_source: { inline_string } },
    })),
  };
}

let proxy: RunningProxy;
let authority: TestAuthority;
let upstream: Omit<Upstream, 'script'>;
let secure: tls.Server;

before(async () => {
  authority = new TestAuthority();
  const certificate = authority.make('server', { names: ['DNS:a.test'] });
  upstream = await startTcpUpstream((socket) => void socket.pipe(socket));
  secure = tls.createServer({ cert: certificate.cert, key: certificate.key }, (socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  secure.listen(0, '127.0.0.1');
  await once(secure, 'listening');
  const securePort = (secure.address() as { port: number }).port;
  const log = (dir: string, name: string) => [
    fileAccessLog(
      path.join(dir, `${name}.log`),
      '%RESPONSE_FLAGS% %FILTER_STATE(seen:PLAIN)% %FILTER_STATE(tls:PLAIN)% %UPSTREAM_CLUSTER%\n',
    ),
  ];
  proxy = await startProxy(
    (dir) =>
      bootstrap(
        [
          listener('echo', [echo]),
          listener('says', [filter('direct_response', 'Config', { response: { inline_string: 'take this' } })]),
          listener('limited', [
            filter('connection_limit', 'ConnectionLimit', { stat_prefix: 'c', max_connections: 2 }),
            echo,
          ]),
          listener('held', [
            filter('connection_limit', 'ConnectionLimit', { stat_prefix: 'h', max_connections: 1, delay: '0.3s' }),
            echo,
          ]),
          listener(
            'rated',
            [
              filter('local_ratelimit', 'LocalRateLimit', {
                stat_prefix: 'r',
                token_bucket: { max_tokens: 2, fill_interval: '1000s' },
              }),
              echo,
            ],
            { access_log: log(dir, 'rated') },
          ),
          listener('sni', [filter('sni_cluster', 'SniCluster'), tcpProxy('unknown')], {
            listener_filters: [tlsInspector],
          }),
          listener(
            'noted',
            [
              filter('set_filter_state', 'Config', {
                ...setState(
                  'on_new_connection',
                  ['seen', 'chain %FILTER_CHAIN_NAME%'],
                  ['envoy.tcp_proxy.cluster', 'plain'],
                ),
                ...setState('on_downstream_tls_handshake', ['tls', 'over %DOWNSTREAM_TLS_VERSION%']),
              }),
              tcpProxy('unknown'),
            ],
            { access_log: log(dir, 'noted') },
            {
              name: 'its_name',
              transport_socket: downstreamTls({ tls_certificates: [certificateFiles(certificate)] }),
            },
          ),
          listener('patient', [
            tcpProxy('plain', { upstream_connect_mode: 'ON_DOWNSTREAM_DATA', max_early_data_bytes: 1024 }),
          ]),
          listener('none', []),
          listener(
            'slow',
            [echo],
            {},
            {
              transport_socket: downstreamTls({ tls_certificates: [certificateFiles(certificate)] }),
              transport_socket_connect_timeout: '0.3s',
            },
          ),
        ],
        [cluster('plain', [upstream.port]), cluster('a.test', [securePort])],
      ),
    { concurrency: 2 },
  );
});
after(async () => {
  await proxy?.stop();
  await upstream?.close();
  secure?.close();
  authority?.remove();
});

async function echoes(client: RawClient, text: string): Promise<void> {
  client.send(text);
  assert.equal((await client.bytes(text.length)).toString(), text);
}

test('echo gives back what it gets, and the end of it', async () => {
  const client = await RawClient.connect(proxy.port('echo'));
  await echoes(client, 'hello');
  const large = 'x'.repeat(3 << 20);
  await echoes(client, large);
  client.send('bye');
  client.end();
  assert.equal((await client.untilClosed()).toString(), 'bye');
});

test('direct_response says its piece, whatever the client sends', async () => {
  for (const sent of ['', 'x'.repeat(100_000)]) {
    const client = await RawClient.connect(proxy.port('says'));
    client.send(sent);
    assert.equal((await client.untilClosed()).toString(), 'take this');
    client.destroy();
  }
});

test('connection_limit counts over all workers, and forgets those that ended', async () => {
  const clients: RawClient[] = [];
  for (let i = 0; i < 2; i++) {
    clients.push(await RawClient.connect(proxy.port('limited')));
    await echoes(clients[i], 'in');
  }
  for (let i = 0; i < 5; i++) assert.equal(await (await RawClient.connect(proxy.port('limited'))).closes(2000), true);
  assert.equal(await proxy.stat('connection_limit.c.limited_connections'), 5);
  clients[0].destroy();
  await waitFor('room', async () => (await proxy.stat('connection_limit.c.active_connections')) === 1);
  const again = await RawClient.connect(proxy.port('limited'));
  await echoes(again, 'in again');
  for (const client of [...clients, again]) client.destroy();
});

test('connection_limit with a delay holds what it refuses', async () => {
  const first = await RawClient.connect(proxy.port('held'));
  await echoes(first, 'in');
  const second = await RawClient.connect(proxy.port('held'));
  const since = Date.now();
  second.send('not answered');
  assert.equal((await second.untilClosed().catch(() => Buffer.alloc(0))).length, 0);
  assert.ok(Date.now() - since >= 250, `${Date.now() - since} ms`);
  first.destroy();
});

test('local_ratelimit takes from one bucket in all workers', async () => {
  const ends = [];
  for (let i = 0; i < 6; i++) {
    const client = await RawClient.connect(proxy.port('rated'));
    ends.push(await client.closes(150));
    client.destroy();
  }
  assert.deepEqual(ends, [false, false, true, true, true, true]);
  assert.equal(await proxy.stat('local_rate_limit.r.rate_limited'), 4);
  const lines = await waitFor('log', () => {
    const found = readFileSync(path.join(proxy.dir, 'rated.log'), 'utf8').trim().split('\n');
    return found.length === 6 && found;
  });
  assert.equal(lines.filter((line) => line.startsWith('URX ')).length, 4);
});

test('sni_cluster: TLS passes through to the cluster that is named like the server asked for', async () => {
  const socket = tls.connect({ host: '127.0.0.1', port: proxy.port('sni'), servername: 'a.test', ca: authority.ca });
  await once(socket, 'secureConnect');
  assert.equal(socket.authorized, true);
  socket.write('through');
  const [bytes] = await once(socket, 'data');
  assert.equal(String(bytes), 'through');
  socket.destroy();
  const other = await RawClient.connect(proxy.port('sni'));
  other.send('no hello');
  assert.equal(await other.closes(2000), true);
  assert.equal(await proxy.stat('tcp.unknown.downstream_cx_no_route'), 1);
});

test('set_filter_state: at the connection, at the handshake, and the TCP proxy heeds it', async () => {
  const socket = tls.connect({ host: '127.0.0.1', port: proxy.port('noted'), ca: authority.ca, servername: 'a.test' });
  await once(socket, 'secureConnect');
  socket.write('to plain');
  const [bytes] = await once(socket, 'data');
  assert.equal(String(bytes), 'to plain');
  socket.destroy();
  const line = await waitFor('log', () => readFileSync(path.join(proxy.dir, 'noted.log'), 'utf8'));
  assert.equal(line, '- chain its_name over TLSv1.3 plain\n');
});

test('a TCP proxy may wait for the client to speak before it connects', async () => {
  const before = upstream.connections.length;
  const client = await RawClient.connect(proxy.port('patient'));
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(upstream.connections.length, before);
  await echoes(client, 'early');
  await echoes(client, 'late');
  assert.equal(upstream.connections.length, before + 1);
  client.destroy();
});

test('a chain without filters closes its connections', async () => {
  const client = await RawClient.connect(proxy.port('none'));
  assert.equal(await client.closes(2000), true);
});

test('a handshake that is not made in time ends', async () => {
  const client = await RawClient.connect(proxy.port('slow'));
  assert.equal(await client.closes(2000), true);
  assert.equal(await proxy.stat('listener.127.0.0.1_0.downstream_cx_transport_socket_connect_timeout'), 1);
});
