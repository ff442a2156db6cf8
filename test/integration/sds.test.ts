/** What a user of a control plane of secrets notices: certificates that come and are rotated over gRPC, REST and UNIX sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { cluster, httpListener, type Json, loopback, route } from '../support/bootstrap.ts';
import { type Certificate, TestAuthority } from '../support/certificates.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { request } from '../support/raw_client.ts';
import { adsBootstrap, ResourceServer, types } from '../support/resource_server.ts';
import { downstreamTls, tlsGet, upstreamTls } from '../support/tls.ts';
import { waitFor } from '../support/wait_for.ts';

const running: (() => unknown)[] = [];
after(async () => {
  for (const stop of running.reverse()) await stop();
});

const ads = { ads: {}, resource_api_version: 'V3' };
let authority: TestAuthority;
const made: Record<string, Certificate> = {};

before(() => {
  authority = new TestAuthority();
  running.push(() => authority.remove());
  for (const name of ['first', 'second', 'host', 'client'])
    made[name] = authority.make(name, { names: [`DNS:${name}.test`] });
});

function certificate(name: string, { cert, key }: Certificate): Json {
  return {
    name,
    tls_certificate: { certificate_chain: { inline_string: cert }, private_key: { inline_string: key } },
  };
}

function validation(name: string): Json {
  return { name, validation_context: { trusted_ca: { inline_string: authority.ca } } };
}

function byName(name: string, source: Json = ads): Json {
  return { tls_certificate_sds_secret_configs: [{ name, sds_config: source }] };
}

const direct = { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'ok' } } };

function tlsListener(name: string, common: Json, more: Json = {}, routes: Json[] = [direct]): Json {
  const listener = httpListener(name, routes);
  const [chain] = listener['filter_chains'] as Json[];
  return {
    ...listener,
    stat_prefix: name,
    filter_chains: [{ ...chain, transport_socket: downstreamTls(common, more) }],
  };
}

async function startServer(where: number | string = 0): Promise<ResourceServer> {
  const server = new ResourceServer();
  await server.start(where);
  running.push(() => server.stop());
  return server;
}

async function start(config: Json, concurrency = 1): Promise<RunningProxy> {
  const proxy = await startProxy(config, { concurrency });
  running.push(() => proxy.stop());
  return proxy;
}

/** A host that asks for a certificate of the authority. */
async function strictHost(): Promise<number> {
  const { cert, key } = made['host'];
  const options = { cert, key, ca: authority.ca, requestCert: true, rejectUnauthorized: true };
  const sockets = new Set<tls.TLSSocket>();
  const server = tls.createServer(options, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nup'));
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  running.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as net.AddressInfo).port;
}

/** One connection on which requests follow each other; answers how many there were when it is told to end. */
async function keepAsking(port: number, goesOn: () => boolean): Promise<number> {
  const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  let count = 0;
  while (goesOn()) {
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 200 OK/);
    count++;
  }
  socket.destroy();
  return count;
}

describe('over ADS', () => {
  test('20 rotations of both sides under load: no request fails, no connection goes', async () => {
    const server = await startServer();
    const port = await strictHost();
    const secrets = (name: string) =>
      server.set(types.secret, [
        certificate('server', made[name]),
        // The bytes differ each time.
        certificate('client', { ...made['client'], cert: `${made['client'].cert}\n# ${name} ${Math.random()}\n` }),
        validation('ca'),
      ]);
    secrets('first');
    const combined = {
      ...byName('client'),
      combined_validation_context: {
        default_validation_context: {
          match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'host.test' } }],
        },
        validation_context_sds_secret_config: { name: 'ca', sds_config: ads },
      },
    };
    const upstream = cluster('host', [port], { transport_socket: upstreamTls(combined, { sni: 'host.test' }) });
    server.set(types.cluster, [upstream]);
    server.set(types.listener, [tlsListener('l', byName('server'), {}, [route('/', 'host')])]);
    const proxy = await start(adsBootstrap(server.port), 2);
    const listener = proxy.port('l');
    let goesOn = true;
    const held = Array.from({ length: 4 }, () => keepAsking(listener, () => goesOn));
    let last = '';
    const fresh = Array.from({ length: 2 }, async () => {
      while (goesOn) {
        const { status, text, server: name } = await tlsGet(listener, '/');
        assert.equal(`${status} ${text}`, '200 up');
        last = name;
      }
    });
    for (let i = 1; i <= 20; i++) {
      const name = i % 2 === 0 ? 'first' : 'second';
      secrets(name);
      await waitFor(`rotation ${i}`, () => last === `${name}.test`, { withinMs: 5000 });
    }
    goesOn = false;
    const counts = await Promise.all(held);
    await Promise.all(fresh);
    assert.ok(
      counts.every((count) => count > 20),
      counts.join(),
    );
    assert.equal(await proxy.stat('listener.l.server_ssl_socket_factory.ssl_context_update_by_sds'), 21);
    assert.equal(await proxy.stat('sds.server.update_success'), 21);
    assert.equal(await proxy.stat('sds.server.update_rejected'), 0);
    assert.equal(await proxy.stat('http.ingress.downstream_rq_5xx'), 0);
    assert.equal(await proxy.stat('listener_manager.listener_modified'), 0);
    assert.deepEqual(server.refused, []);
  });

  test('a listener warms until its secret comes; a bad secret is refused, and the former one serves on', async () => {
    const server = await startServer();
    server.set(types.secret, []);
    server.set(types.cluster, []);
    server.set(types.listener, [httpListener('plain', [direct])]);
    const proxy = await start(adsBootstrap(server.port));
    server.set(types.listener, [httpListener('plain', [direct]), tlsListener('late', byName('late'))]);
    await waitFor('warming', async () => (await proxy.stat('listener_manager.total_listeners_warming')) === 1);
    const dump = (await proxy.admin('/config_dump?resource=dynamic_warming_secrets')).text;
    assert.match(dump, /"name": "late",\s+"version_info": "uninitialized"/);
    server.set(types.secret, [certificate('late', made['first'])]);
    await waitFor('active', async () => (await proxy.stat('listener_manager.total_listeners_active')) === 2);
    const { text } = await proxy.admin('/listeners');
    const port = Number(/late::127\.0\.0\.1:(\d+)/.exec(text)?.[1]);
    await waitFor('it to serve', () => tlsGet(port, '/').catch(() => undefined));
    assert.equal((await tlsGet(port, '/')).server, 'first.test');
    server.set(types.secret, [certificate('late', { ...made['second'], key: made['first'].key })]);
    await waitFor('the refusal', () => server.refused.some((reason) => /^late: .*KEY_VALUES_MISMATCH/.test(reason)));
    assert.equal((await tlsGet(port, '/')).server, 'first.test');
    server.set(types.secret, [{ name: 'late', validation_context: { trusted_ca: { inline_string: authority.ca } } }]);
    await waitFor('the second refusal', () =>
      server.refused.some((reason) => /expected a tlsCertificate/.test(reason)),
    );
    assert.equal(await proxy.stat('sds.late.update_rejected'), 2);
    server.set(types.secret, [certificate('late', made['second'])]);
    await waitFor('the next', async () => (await tlsGet(port, '/')).server === 'second.test');
    const active = (await proxy.admin('/config_dump?resource=dynamic_active_secrets')).text;
    assert.match(active, /"name": "late",\s+"version_info": "5"/);
    assert.doesNotMatch(active, /PRIVATE KEY/);
  });

  test('secrets that do not come in time: connections are closed or refused, and counted', async () => {
    const server = await startServer();
    const soon = { ...ads, initial_fetch_timeout: '0.2s' };
    server.set(types.cluster, [
      cluster('c', [await strictHost()], { transport_socket: upstreamTls(byName('client', soon)) }),
    ]);
    server.set(types.listener, [tlsListener('tls', byName('absent', soon)), httpListener('plain', [route('/', 'c')])]);
    const proxy = await start(adsBootstrap(server.port));
    await assert.rejects(tlsGet(proxy.port('tls'), '/'));
    assert.equal((await request(proxy.port('plain'), '/')).status, 503);
    assert.equal(await proxy.stat('sds.absent.init_fetch_timeout'), 1);
    const counts = 'downstream_context_secrets_not_ready';
    assert.equal(await proxy.stat(`listener.tls.server_ssl_socket_factory.${counts}`), 1);
    assert.ok((await proxy.stat('cluster.c.client_ssl_socket_factory.upstream_context_secrets_not_ready')) > 0);
    server.set(types.secret, [certificate('absent', made['first']), certificate('client', made['client'])]);
    await waitFor(
      'the listener',
      async () => (await tlsGet(proxy.port('tls'), '/').catch(() => undefined))?.status === 200,
    );
    await waitFor('the cluster', async () => (await request(proxy.port('plain'), '/')).status === 200);
  });
});

/** A bootstrap whose one listener takes its certificate and ticket keys from a cluster. */
function staticBootstrap(api: Json, servers: Json): Json {
  const source = { api_config_source: { transport_api_version: 'V3', ...api }, resource_api_version: 'V3' };
  const keys = { session_ticket_keys_sds_secret_config: { name: 'keys', sds_config: source } };
  return {
    node: { id: 'n', cluster: 'c' },
    admin: { address: loopback() },
    static_resources: { listeners: [tlsListener('l', byName('server', source), keys)], clusters: [servers] },
  };
}

const ticketKeys = {
  name: 'keys',
  session_ticket_keys: { keys: [{ inline_bytes: Buffer.alloc(80, 7).toString('base64') }] },
};

test('over a UNIX socket, with a stream of its own', async () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'nuncio-sds-'));
  running.push(() => rmSync(dir, { recursive: true }));
  const socket = path.join(dir, 'sds.sock');
  const server = await startServer(socket);
  server.set(types.secret, [certificate('server', made['first']), ticketKeys]);
  const sds = cluster('sds', [], {
    http2_protocol_options: {},
    load_assignment: {
      cluster_name: 'sds',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: socket } } } }] }],
    },
  });
  const grpc = { api_type: 'GRPC', grpc_services: [{ envoy_grpc: { cluster_name: 'sds' } }] };
  const proxy = await start(staticBootstrap(grpc, sds), 2);
  const { session } = await tlsGet(proxy.port('l'), '/', { maxVersion: 'TLSv1.2' });
  assert.equal((await tlsGet(proxy.port('l'), '/', { maxVersion: 'TLSv1.2', session })).reused, true);
  assert.deepEqual(
    [...new Set(server.plane.streams.map((stream) => stream.path))],
    ['/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets'],
  );
  server.set(types.secret, [certificate('server', made['second']), ticketKeys]);
  await waitFor('the second', async () => (await tlsGet(proxy.port('l'), '/')).server === 'second.test');
});

test('over REST', async () => {
  let secrets = [certificate('server', made['first']), ticketKeys];
  const asked: string[] = [];
  const rest = createServer((incoming, outgoing) => {
    let body = '';
    incoming.on('data', (piece) => {
      body += String(piece);
    });
    incoming.on('end', () => {
      asked.push(incoming.url ?? '');
      const { resource_names: names } = JSON.parse(body) as { resource_names: string[] };
      const type = `type.googleapis.com/${types.secret}`;
      const resources = secrets
        .filter(({ name }) => names.includes(String(name)))
        .map((secret) => ({ '@type': type, ...secret }));
      outgoing.end(JSON.stringify({ version_info: '1', resources }));
    });
  });
  rest.listen(0, '127.0.0.1');
  await once(rest, 'listening');
  running.push(() => rest.close());
  const api = { api_type: 'REST', cluster_names: ['sds'], refresh_delay: '0.1s' };
  const proxy = await start(staticBootstrap(api, cluster('sds', [(rest.address() as net.AddressInfo).port])));
  assert.equal((await tlsGet(proxy.port('l'), '/')).server, 'first.test');
  assert.deepEqual([...new Set(asked)], ['/v3/discovery:secrets']);
  secrets = [certificate('server', made['second']), ticketKeys];
  await waitFor('the second', async () => (await tlsGet(proxy.port('l'), '/')).server === 'second.test');
});
