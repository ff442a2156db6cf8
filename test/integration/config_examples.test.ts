/** Every example of config/ boots and does what its first line says; only ports and file paths are replaced. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { TestAuthority } from '../support/certificates.ts';
import { connectHttp2, request2 } from '../support/http2_client.ts';
import { startHttp2Upstream } from '../support/http2_upstream.ts';
import { type RunningProxy, root, startProxy } from '../support/proxy.ts';
import { RawClient, request } from '../support/raw_client.ts';
import { ResourceServer, types } from '../support/resource_server.ts';
import { tlsGet } from '../support/tls.ts';
import { respond, startTcpUpstream, startUpstream, type Upstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

let upstream: Upstream;
before(async () => {
  upstream = await startUpstream();
});
after(() => upstream?.close());

/** Starts an example with its own ports freed, its upstream ports given by `upstreams`, and /tmp moved to the proxy's folder. */
async function startExample(
  t: TestContext,
  name: string,
  upstreams: Record<number, number>,
  logLevel = 'error',
  prepare: (dir: string) => void = () => {},
): Promise<RunningProxy> {
  const text = readFileSync(path.join(root, 'config', name), 'utf8');
  const config = (dir: string) => {
    prepare(dir);
    return text
      .replaceAll('/tmp/', `${dir}/`)
      .replaceAll('0.0.0.0', '127.0.0.1')
      .replace(/port_value: *(\d+)/g, (_all, port) => `port_value: ${upstreams[port] ?? 0}`);
  };
  const proxy = await startProxy(config, { logLevel });
  t.after(() => proxy.stop());
  return proxy;
}

test('front-proxy.yaml routes by path', async (t) => {
  const proxy = await startExample(t, 'front-proxy.yaml', { 8081: upstream.port, 8082: upstream.port });
  assert.equal((await request(proxy.port('main'), '/service/1')).text, 'GET /service/1\n');
  assert.equal((await request(proxy.port('main'), '/service/2/x')).text, 'GET /service/2/x\n');
  assert.equal((await request(proxy.port('main'), '/')).status, 404);
  assert.equal(await proxy.stat('cluster.service1.upstream_rq_total'), 1);
  assert.equal(await proxy.stat('cluster.service2.upstream_rq_total'), 1);
});

test('tls-edge.yaml terminates TLS, tells of the client and speaks TLS to a service it verifies', async (t) => {
  const authority = new TestAuthority();
  t.after(() => authority.remove());
  const edge = authority.make('edge', { names: ['DNS:www.example.com'] });
  const client = authority.make('client', { names: ['URI:spiffe://example/client'] });
  const { cert, key } = authority.make('service', { names: ['DNS:service.internal'] });
  const service = https.createServer({ cert, key }, (request, response) => {
    response.end(`${(request.socket as TLSSocket).servername} ${request.headers['x-forwarded-client-cert']}`);
  });
  service.listen(0, '127.0.0.1');
  await once(service, 'listening');
  t.after(() => service.closeAllConnections());
  t.after(() => service.close());
  const proxy = await startExample(
    t,
    'tls-edge.yaml',
    { 8444: (service.address() as AddressInfo).port },
    'error',
    (dir) => {
      mkdirSync(path.join(dir, 'tls/edge'), { recursive: true });
      writeFileSync(path.join(dir, 'tls/edge/tls.crt'), edge.cert);
      writeFileSync(path.join(dir, 'tls/edge/tls.key'), edge.key);
      for (const name of ['clients-ca.pem', 'service-ca.pem']) writeFileSync(path.join(dir, 'tls', name), authority.ca);
    },
  );
  const { text, server } = await tlsGet(proxy.port('main'), '/', { cert: client.cert, key: client.key });
  assert.equal(server, 'www.example.com');
  assert.match(text, /service\.internal Hash=[0-9a-f]{64};Subject="CN=client";URI=spiffe:\/\/example\/client/);
  const socket = connectTls({
    host: '127.0.0.1',
    port: proxy.port('main'),
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
  });
  await once(socket, 'secureConnect');
  assert.equal(socket.alpnProtocol, 'h2');
  socket.destroy();
});

test('tcp-proxy.yaml passes bytes', async (t) => {
  const echo = await startTcpUpstream((socket) => void socket.pipe(socket));
  t.after(() => echo.close());
  const proxy = await startExample(t, 'tcp-proxy.yaml', { 5432: echo.port });
  const client = await RawClient.connect(proxy.port('main'));
  client.send('bytes');
  assert.equal((await client.bytes(5)).toString(), 'bytes');
  client.destroy();
  await waitFor('log line', () => proxy.stdout().includes('"- - -" 0 - 5 5'));
});

test('sni-passthrough.yaml passes TLS by its server name, and sends plain HTTP to HTTPS', async (t) => {
  const tls = await startTcpUpstream((socket) => socket.once('data', (bytes) => socket.end(`shop ${bytes.length}`)));
  const others = await startTcpUpstream((socket) => socket.once('data', () => socket.end('others')));
  t.after(() => Promise.all([tls.close(), others.close()]));
  const proxy = await startExample(t, 'sni-passthrough.yaml', { 8443: tls.port, 8444: others.port });
  const answer = (servername: string) =>
    new Promise<string>((resolve) => {
      const client = connectTls({ host: '127.0.0.1', port: proxy.port('main'), servername });
      client.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
    });
  // Neither is TLS, but both hosts have got the hello.
  for (const name of ['shop.example.com', 'x.example.com']) assert.match(await answer(name), /SSL|TLS|PROTO/);
  assert.equal(await proxy.stat('cluster.shop.upstream_cx_total'), 1);
  assert.equal(await proxy.stat('cluster.others.upstream_cx_total'), 1);
  assert.match(await answer('elsewhere.test'), /ECONNRESET/);
  const plain = await request(proxy.port('main'), '/a');
  assert.deepEqual([plain.status, plain.get('location')], [301, 'https://test/a']);
});

test('connection-filters.yaml echoes clients of this machine, and counts them', async (t) => {
  const proxy = await startExample(t, 'connection-filters.yaml', {});
  const client = await RawClient.connect(proxy.port('main'));
  t.after(() => client.destroy());
  client.send('hello');
  assert.equal((await client.bytes(5)).toString(), 'hello');
  assert.equal(await proxy.stat('connection_limit.here.active_connections'), 1);
});

test('proxy-protocol.yaml tells HTTP and the host behind TCP of the client', async (t) => {
  const mail = await startTcpUpstream((socket) => socket.once('data', (bytes) => socket.end(bytes)));
  t.after(() => mail.close());
  const proxy = await startExample(t, 'proxy-protocol.yaml', { 8081: upstream.port, 8025: mail.port });
  const web = await RawClient.connect(proxy.port('web'));
  web.send('PROXY TCP4 203.0.113.7 10.0.0.1 4444 80\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n');
  assert.equal((await web.response()).status, 200);
  web.destroy();
  assert.equal(upstream.requests.at(-1)?.get('x-forwarded-for'), '203.0.113.7');
  const header = '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x11\xcb\0\x71\x07\x0a\0\0\x01\x11\x5c\0\x50\x01\0\x02h2';
  const client = await RawClient.connect(proxy.port('mail'));
  client.send(`${header}hello`);
  assert.ok((await client.untilClosed()).toString('latin1').startsWith(header));
  client.destroy();
});

test('direct-response.yaml answers by itself', async (t) => {
  const proxy = await startExample(t, 'direct-response.yaml', {});
  const port = proxy.port('main');
  assert.equal((await request(port, '/hello')).text, 'hello\n');
  assert.equal((await request(port, '/docs/x')).get('location'), 'https://docs.example.com/docs/x');
  const moved = await request(port, '/old/x?y');
  assert.equal(moved.status, 308);
  assert.equal(moved.get('location'), 'http://test/new/x?y');
});

test('retries.yaml gets past a dead host and a bad answer', async (t) => {
  const dead = await startUpstream();
  await dead.close();
  const proxy = await startExample(t, 'retries.yaml', { 8081: upstream.port, 8082: dead.port });
  for (let i = 0; i < 10; i++) assert.equal((await request(proxy.port('main'), '/')).status, 200);
  t.after(() => {
    upstream.script = {};
  });
  let bad = 1;
  upstream.script = { respond: (_request, socket) => respond(socket, { status: bad-- > 0 ? 503 : 200 }) };
  const response = await request(proxy.port('main'), '/');
  assert.equal(response.status, 200);
  assert.ok(Number(response.get('x-envoy-attempt-count')) > 1);
});

test('http2.yaml speaks HTTP/2 and HTTP/1.1 on one port', async (t) => {
  const proxy = await startExample(t, 'http2.yaml', { 8081: upstream.port });
  const session = await connectHttp2(proxy.port('main'));
  assert.equal(session.remoteSettings.maxConcurrentStreams, 100);
  assert.equal(session.remoteSettings.enableConnectProtocol, true);
  const answers = await Promise.all([1, 2, 3].map((i) => request2(session, `/${i}`)));
  assert.deepEqual(
    answers.map((answer) => answer.text),
    ['GET /1\n', 'GET /2\n', 'GET /3\n'],
  );
  session.destroy();
  assert.equal((await request(proxy.port('main'), '/x')).text, 'GET /x\n');
});

test('access-log.yaml writes both logs', async (t) => {
  const proxy = await startExample(t, 'access-log.yaml', { 8081: upstream.port });
  const response = await request(proxy.port('main'), '/logged');
  const host = `127.0.0.1:${upstream.port}`;
  assert.equal(response.get('x-served-by'), host);
  assert.equal(upstream.requests.at(-1)?.get('x-client'), '127.0.0.1');
  const file = path.join(proxy.dir, 'nuncio-access.log');
  const line = await waitFor('line in the file', () => readFileSync(file, 'utf8'));
  assert.match(line, new RegExp(`^GET /logged -> 200 - via_upstream from ${host} in \\d+ ms\n$`));
  await waitFor('line on stdout', () => proxy.stdout().includes('"GET /logged HTTP/1.1" 200 - 0 12'));
});

test('http2-upstream.yaml speaks HTTP/2 to its service', async (t) => {
  const service = await startHttp2Upstream();
  t.after(() => service.close());
  const proxy = await startExample(t, 'http2-upstream.yaml', { 8081: service.port });
  assert.equal((await request(proxy.port('main'), '/hello')).text, 'GET /hello 0');
  assert.equal(await proxy.stat('cluster.service.upstream_cx_http2_total'), 1);
});

test('seed-sidecar.yaml passes everything on to the application beside it', async (t) => {
  const proxy = await startExample(t, 'seed-sidecar.yaml', { 80: upstream.port });
  const response = await request(proxy.port('listener_0'), '/index.html');
  assert.equal(response.text, 'GET /index.html\n');
  assert.equal(response.get('server'), 'envoy');
  assert.match((await proxy.admin('/clusters')).text, /^targetCluster::127\.0\.0\.1:\d+::rq_success::1$/m);
});

test('seed-eds.yaml: its hosts come from the EDS server', async (t) => {
  const server = new ResourceServer();
  await server.start();
  t.after(() => server.stop());
  server.set(types.endpoints, [{ cluster_name: 'myservice' }]);
  const proxy = await startExample(t, 'seed-eds.yaml', { 8080: server.port });
  const response = await request(proxy.port('listener_0'), '/');
  assert.deepEqual([response.status, response.text], [503, 'no healthy upstream']);
  assert.equal(response.get('content-length'), '19');
  const address = { socket_address: { address: '127.0.0.1', port_value: upstream.port } };
  server.set(types.endpoints, [
    { cluster_name: 'myservice', endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
  ]);
  await waitFor('the host', async () => (await request(proxy.port('listener_0'), '/')).text === 'GET /\n');
});

test('demo-front-proxy.yaml is the front proxy of the demo', async (t) => {
  const proxy = await startExample(t, 'demo-front-proxy.yaml', {});
  assert.equal((await request(proxy.port('front_proxy'), '/nothing')).status, 404);
});

test('faults.yaml aborts those who ask for it, edits the others, and follows its runtime', async (t) => {
  const values = (dir: string): void => {
    const folder = path.join(dir, 'nuncio-runtime/current/values/fault/http/abort');
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, 'http_status'), '418\n');
  };
  const proxy = await startExample(t, 'faults.yaml', { 8081: upstream.port }, 'error', values);
  const port = proxy.port('main');
  const aborted = await request(port, '/', { headers: { 'x-envoy-fault-abort-request': '503' } });
  assert.deepEqual([aborted.status, aborted.text], [418, 'fault filter abort']);
  assert.equal((await request(port, '/', { headers: { 'x-internal-a': '1' } })).status, 200);
  assert.equal(upstream.requests.at(-1)?.get('x-internal-a'), undefined);
  assert.equal(upstream.requests.at(-1)?.get('x-client'), '127.0.0.1');
  assert.equal((await request(port, '/a?debug=1&b=2')).text, 'GET /a?b=2\n');
  await proxy.admin('/runtime_modify?fault.http.delay.fixed_delay_percent=100', 'POST');
  await waitFor('a delay', async () => (await request(port, '/')).get('x-flags') === 'DI');
});

test('extension-discovery.yaml takes its filter from a control plane', async (t) => {
  const server = new ResourceServer();
  await server.start();
  t.after(() => server.stop());
  server.set(types.runtime, [{ name: 'edge', layer: {} }]);
  const proxy = await startExample(t, 'extension-discovery.yaml', { 18000: server.port });
  const first = await request(proxy.port('main'), '/');
  assert.deepEqual([first.status, first.text, first.get('x-edited')], [200, 'hello\n', undefined]);
  const type = 'type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation';
  const mutations = { response_mutations: [{ append: { header: { key: 'x-edited', value: 'yes' } } }] };
  server.set(types.extensionConfig, [{ name: 'edits', typed_config: { '@type': type, mutations } }]);
  await waitFor('the edit', async () => (await request(proxy.port('main'), '/')).get('x-edited') === 'yes');
});
