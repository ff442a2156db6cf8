/** How control planes are reached: gRPC and REST over TLS with client certificates and over UNIX sockets, for ADS, single types and SDS. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { fromJson } from '@bufbuild/protobuf';
import { type AnyMessage, messageType, registry } from '../../src/api/registry.ts';
import { ManagementServer } from '../../src/control/management_server/management_server.ts';
import { ResourceStore } from '../../src/control/management_server/resource_store.ts';
import { cluster, httpListener, type Json, loopback } from '../support/bootstrap.ts';
import { type Certificate, TestAuthority } from '../support/certificates.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { request } from '../support/raw_client.ts';
import { adsBootstrap, ResourceServer, types } from '../support/resource_server.ts';
import { certificateFiles, downstreamTls, tlsGet, upstreamTls } from '../support/tls.ts';
import { waitFor } from '../support/wait_for.ts';

const running: (() => unknown)[] = [];
after(async () => {
  for (const stop of running.reverse()) await stop();
});

let authority: TestAuthority;
let folder: string;
const made: Record<string, Certificate> = {};

before(() => {
  authority = new TestAuthority();
  folder = mkdtempSync(path.join(tmpdir(), 'nuncio-planes-'));
  running.push(
    () => authority.remove(),
    () => rmSync(folder, { recursive: true }),
  );
  for (const name of ['plane', 'client', 'first', 'second'])
    made[name] = authority.make(name, { names: [`DNS:${name}.test`] });
});

/** TLS in front of a port, for clients with a certificate of the authority; answers its own. */
async function secured(port: number, alpn: string): Promise<{ port: number; names: string[] }> {
  const names: string[] = [];
  const { cert, key } = made['plane'];
  const options = { cert, key, ca: authority.ca, requestCert: true, rejectUnauthorized: true, ALPNProtocols: [alpn] };
  const sockets = new Set<net.Socket>();
  const server = tls.createServer(options, (socket) => {
    const name = typeof socket.servername === 'string' ? socket.servername : '';
    names.push(`${name} ${socket.alpnProtocol} ${socket.getPeerCertificate().subject.CN}`);
    const inner = net.connect(port, '127.0.0.1');
    for (const [one, other] of [
      [socket, inner],
      [inner, socket],
    ]) {
      sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => other.destroy());
      one.pipe(other);
    }
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  running.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as net.AddressInfo).port, names };
}

function validation(san = 'plane.test'): Json {
  return {
    trusted_ca: { inline_string: authority.ca },
    match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: san } }],
  };
}

/** The transport socket of a control plane's cluster, with the client's certificate. */
function clientTls(san?: string): Json {
  const common = { tls_certificates: [certificateFiles(made['client'])], validation_context: validation(san) };
  return upstreamTls(common, { sni: 'plane.test' });
}

function planeCluster(port: number, more: Json = {}): Json {
  return cluster('xds', [port], { http2_protocol_options: {}, ...more });
}

function overSocket(socket: string, more: Json = {}): Json {
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: socket } } } }] }];
  return cluster('xds', [], { ...more, load_assignment: { cluster_name: 'xds', endpoints } });
}

/** ADS in either protocol by way of this cluster. */
function aggregated(plane: Json, apiType: string): Json {
  const base = adsBootstrap(0);
  const dynamic = base['dynamic_resources'] as Json;
  return {
    ...base,
    dynamic_resources: { ...dynamic, ads_config: { ...(dynamic['ads_config'] as Json), api_type: apiType } },
    static_resources: { clusters: [plane] },
  };
}

function directListener(body: string, more: Json = {}): Json {
  const routes = [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: body } } }];
  return { ...httpListener('l', routes), ...more };
}

async function start(config: Json): Promise<RunningProxy> {
  const proxy = await startProxy(config);
  running.push(() => proxy.stop());
  return proxy;
}

function put(store: ResourceStore, type: string, resources: readonly Json[]): void {
  const read = (json: Json) => fromJson(messageType(type), json as never, { registry }) as unknown as AnyMessage;
  store.set(type, new Map(resources.map((json) => [String(json['name']), read(json)])));
}

const text = async (proxy: RunningProxy) => String((await request(proxy.port('l'), '/')).body);

describe('gRPC', () => {
  test('delta ADS over TLS, both sides with certificates; changes come over the same stream', async () => {
    const store = new ResourceStore();
    const server = new ManagementServer(store);
    await server.listen('127.0.0.1', 0);
    running.push(() => server.close());
    put(store, types.cluster, []);
    put(store, types.listener, [directListener('one')]);
    const front = await secured(server.port, 'h2');
    const proxy = await start(aggregated(planeCluster(front.port, { transport_socket: clientTls() }), 'DELTA_GRPC'));
    assert.equal(await text(proxy), 'one');
    put(store, types.listener, [directListener('two')]);
    await waitFor('the change', async () => (await text(proxy)) === 'two');
    assert.deepEqual(front.names, ['plane.test h2 client.test'], 'one connection, its name, its certificate');
    assert.equal(await proxy.stat('control_plane.connected_state'), 1);
  });

  test('a control plane that shows the certificate of another is not believed', async () => {
    const server = new ResourceServer();
    await server.start();
    running.push(() => server.stop());
    server.set(types.cluster, []);
    server.set(types.listener, [directListener('one')]);
    const front = await secured(server.port, 'h2');
    const plane = planeCluster(front.port, { transport_socket: clientTls('somebody.else') });
    const config = aggregated(plane, 'GRPC');
    const dynamic = config['dynamic_resources'] as Record<string, Json>;
    for (const each of ['cds_config', 'lds_config']) dynamic[each] = { ...dynamic[each], initial_fetch_timeout: '1s' };
    const proxy = await start(config);
    assert.equal((await proxy.admin('/listeners')).text, '');
    assert.equal(server.plane.streams.length, 0);
    assert.ok((await proxy.stat('cluster_manager.cds.update_failure')) > 0);
    assert.equal(await proxy.stat('control_plane.connected_state'), 0);
  });

  test('state of the world over a UNIX socket, and over an abstract one, each type on a stream of its own', async () => {
    for (const name of [path.join(folder, 'ads.sock'), `@nuncio-${process.pid}-ads`]) {
      const server = new ResourceServer();
      await server.start(name.startsWith('@') ? `\0${name.slice(1)}` : name);
      running.push(() => server.stop());
      server.set(types.cluster, []);
      server.set(types.listener, [directListener('one')]);
      const source = {
        api_config_source: {
          api_type: 'GRPC',
          transport_api_version: 'V3',
          grpc_services: [
            { envoy_grpc: { cluster_name: 'xds' }, initial_metadata: [{ key: 'x-tenant', value: 'blue' }] },
          ],
        },
        resource_api_version: 'V3',
      };
      const config = aggregated(overSocket(name, { http2_protocol_options: {} }), 'GRPC');
      const proxy = await start({ ...config, dynamic_resources: { cds_config: source, lds_config: source } });
      assert.equal(await text(proxy), 'one');
      server.set(types.listener, [directListener('two')]);
      await waitFor('the change', async () => (await text(proxy)) === 'two');
      assert.deepEqual(
        server.plane.streams.map((stream) => [stream.path, stream.headers['x-tenant']]),
        [
          ['/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters', 'blue'],
          ['/envoy.service.listener.v3.ListenerDiscoveryService/StreamListeners', 'blue'],
        ],
      );
    }
  });

  test('secrets over TLS with certificates of files', async () => {
    const server = new ResourceServer();
    await server.start();
    running.push(() => server.stop());
    const front = await secured(server.port, 'h2');
    const rotate = (name: string) => {
      const { cert, key } = made[name];
      const tls_certificate = { certificate_chain: { inline_string: cert }, private_key: { inline_string: key } };
      server.set(types.secret, [{ name: 'server', tls_certificate }]);
    };
    rotate('first');
    const api = {
      api_type: 'GRPC',
      transport_api_version: 'V3',
      grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
    };
    const sds = { name: 'server', sds_config: { api_config_source: api, resource_api_version: 'V3' } };
    const [chain] = directListener('ok')['filter_chains'] as Json[];
    const transport_socket = downstreamTls({ tls_certificate_sds_secret_configs: [sds] });
    const proxy = await start({
      node: { id: 'n', cluster: 'c' },
      admin: { address: loopback() },
      static_resources: {
        listeners: [directListener('ok', { filter_chains: [{ ...chain, transport_socket }] })],
        clusters: [planeCluster(front.port, { transport_socket: clientTls() })],
      },
    });
    assert.equal((await tlsGet(proxy.port('l'), '/')).server, 'first.test');
    rotate('second');
    await waitFor('the second', async () => (await tlsGet(proxy.port('l'), '/')).server === 'second.test');
    assert.deepEqual(front.names, ['plane.test h2 client.test']);
  });
});

describe('google_grpc', () => {
  const grpcSource = (google: Json, more: Json = {}) => ({
    api_type: 'GRPC',
    transport_api_version: 'V3',
    grpc_services: [{ google_grpc: { stat_prefix: 'plane', ...google }, ...more }],
  });

  function aggregatedBy(google: Json): Json {
    const initial_metadata = [{ key: 'x-tenant', value: 'blue' }];
    const ads = { ads: {}, resource_api_version: 'V3' };
    return {
      node: { id: 'n', cluster: 'c' },
      admin: { address: loopback() },
      dynamic_resources: { ads_config: grpcSource(google, { initial_metadata }), cds_config: ads, lds_config: ads },
    };
  }

  async function serving(where: number | string = 0): Promise<ResourceServer> {
    const server = new ResourceServer();
    await server.start(where);
    running.push(() => server.stop());
    server.set(types.cluster, []);
    server.set(types.listener, [directListener('one')]);
    return server;
  }

  test('by name over TLS: credentials of the channel and of the calls; what the server is told', async () => {
    const server = await serving();
    const front = await secured(server.port, 'h2');
    const { certFile, keyFile } = made['client'];
    const ssl_credentials = {
      root_certs: { inline_string: authority.ca },
      cert_chain: { filename: certFile },
      private_key: { filename: keyFile },
    };
    const proxy = await start(
      aggregatedBy({
        target_uri: `dns:///localhost:${front.port}`,
        channel_credentials: { ssl_credentials },
        call_credentials: [{ access_token: 'secret' }],
        channel_args: { args: { 'grpc.ssl_target_name_override': { string_value: 'plane.test' } } },
      }),
    );
    assert.equal(await text(proxy), 'one');
    server.set(types.listener, [directListener('two')]);
    await waitFor('the change', async () => (await text(proxy)) === 'two');
    assert.deepEqual(front.names, ['plane.test h2 client.test']);
    const { headers } = server.plane.streams[0];
    assert.deepEqual(
      [':authority', ':scheme', 'authorization', 'x-tenant', 'x-envoy-internal'].map((name) => headers[name]),
      ['plane.test', 'https', 'Bearer secret', 'blue', undefined],
    );
    assert.equal(await proxy.stat('grpc.plane.google_grpc_client_creation'), 1);
    assert.equal(await proxy.stat('grpc.plane.streams_total'), 1);
    server.plane.streams[0].end(13);
    await waitFor('another stream', async () => (await proxy.stat('grpc.plane.streams_total')) === 2);
    assert.equal(await proxy.stat('grpc.plane.streams_closed_13'), 1);
  });

  test('a server with the certificate of another is not believed', async () => {
    const front = await secured((await serving()).port, 'h2');
    const root_certs = { inline_string: authority.ca };
    const config = aggregatedBy({
      target_uri: `127.0.0.1:${front.port}`,
      channel_credentials: { ssl_credentials: { root_certs } },
    });
    const dynamic = config['dynamic_resources'] as Record<string, Json>;
    for (const each of ['cds_config', 'lds_config']) dynamic[each] = { ...dynamic[each], initial_fetch_timeout: '1s' };
    const proxy = await start(config);
    assert.equal((await proxy.admin('/listeners')).text, '');
    assert.ok((await proxy.stat('grpc.plane.streams_closed_14')) > 0);
  });

  test('over a UNIX socket, with local credentials and without any', async () => {
    for (const [i, channel] of [{ channel_credentials: { local_credentials: {} } }, {}].entries()) {
      const socket = path.join(folder, `google${i}.sock`);
      const server = await serving(socket);
      const proxy = await start(aggregatedBy({ target_uri: `unix:${socket}`, ...channel }));
      assert.equal(await text(proxy), 'one');
      const { headers } = server.plane.streams[0];
      assert.deepEqual([headers[':authority'], headers[':scheme']], ['localhost', 'http']);
    }
  });
});

describe('REST', () => {
  /** Answers with the listener whose body is `now.text`; notes what it was asked. */
  function service(now: { text: string }, asked: Json[]) {
    return async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
      let body = '';
      for await (const piece of incoming) body += String(piece);
      asked.push({ path: incoming.url, version: (JSON.parse(body) as Json)['version_info'] ?? '' });
      const resources = [{ '@type': `type.googleapis.com/${types.listener}`, ...directListener(now.text) }];
      outgoing.end(JSON.stringify({ version_info: now.text, resources }));
    };
  }

  function polled(plane: Json): Json {
    const api = { api_type: 'REST', transport_api_version: 'V3', cluster_names: ['xds'], refresh_delay: '0.05s' };
    return {
      ...aggregated(plane, 'GRPC'),
      dynamic_resources: { lds_config: { api_config_source: api, resource_api_version: 'V3' } },
    };
  }

  test('over TLS with certificates on both sides', async () => {
    const [now, asked]: [{ text: string }, Json[]] = [{ text: 'one' }, []];
    const { cert, key } = made['plane'];
    const names = new Set<string>();
    const options = { cert, key, ca: authority.ca, requestCert: true, rejectUnauthorized: true };
    const server = createHttpsServer(options, (incoming, outgoing) => {
      const socket = incoming.socket as tls.TLSSocket;
      names.add(`${String(socket.servername)} ${socket.getPeerCertificate().subject.CN}`);
      void service(now, asked)(incoming, outgoing);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    running.push(() => server.close());
    const { port } = server.address() as net.AddressInfo;
    const proxy = await start(polled(cluster('xds', [port], { transport_socket: clientTls() })));
    assert.equal(await text(proxy), 'one');
    now.text = 'two';
    await waitFor('the change', async () => (await text(proxy)) === 'two');
    assert.deepEqual([...names], ['plane.test client.test']);
  });

  test('over a UNIX socket, and over an abstract one; the version that holds is told', async () => {
    for (const name of [path.join(folder, 'rest.sock'), `@nuncio-${process.pid}-rest`]) {
      const [now, asked]: [{ text: string }, Json[]] = [{ text: 'one' }, []];
      const server = createHttpServer(service(now, asked));
      server.listen(name.startsWith('@') ? `\0${name.slice(1)}` : name);
      await once(server, 'listening');
      running.push(() => server.close());
      const proxy = await start(polled(overSocket(name)));
      assert.equal(await text(proxy), 'one');
      now.text = 'two';
      await waitFor('the change', async () => (await text(proxy)) === 'two');
      assert.deepEqual(asked[0], { path: '/v3/discovery:listeners', version: '' });
      assert.equal(asked[1]['version'], 'one');
    }
  });
});
