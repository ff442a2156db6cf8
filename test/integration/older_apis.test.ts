/** Configurations of Envoy's first and second API, as they were published, in front of real services; only ports and hosts are replaced. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { startHttp2Upstream } from '../support/http2_upstream.ts';
import { type ProxyOptions, type RunningProxy, root, startProxy } from '../support/proxy.ts';
import { request } from '../support/raw_client.ts';
import { startUpstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

/** `replacements` of texts; the proxy's own addresses become free ports of 127.0.0.1. */
async function startExample(
  t: TestContext,
  name: string,
  replacements: Readonly<Record<string, string>>,
  options: ProxyOptions = {},
): Promise<RunningProxy> {
  let text = readFileSync(path.join(root, 'config', name), 'utf8');
  for (const [from, to] of Object.entries(replacements)) {
    assert.ok(text.includes(from), from);
    text = text.replaceAll(from, to);
  }
  const own = text
    .replace(/tcp:\/\/0\.0\.0\.0:\d+/g, 'tcp://127.0.0.1:0')
    .replace(/address: 0\.0\.0\.0(\s+)port_value: \d+/g, 'address: 127.0.0.1$1port_value: 0');
  const proxy = await startProxy(own, { logLevel: 'warn', ...options });
  t.after(() => proxy.stop());
  return proxy;
}

/** What a listener without a name is called when its port was not told. */
const unnamed = '127.0.0.1:0';

test('seed-front-proxy.yaml (v2) routes by path to services over HTTP/2', async (t) => {
  const [one, two] = [await startHttp2Upstream(), await startHttp2Upstream()];
  t.after(() => Promise.all([one.close(), two.close()]));
  const host = (name: string, port: number) => [
    `address: ${name}\n        port_value: 80`,
    `address: localhost\n        port_value: ${port}`,
  ];
  const proxy = await startExample(
    t,
    'seed-front-proxy.yaml',
    Object.fromEntries([host('service1', one.port), host('service2', two.port)]),
  );
  for (const [prefix, upstream] of [
    ['/service/1', one],
    ['/service/2', two],
  ] as const) {
    const response = await request(proxy.port(unnamed), `${prefix}/x`);
    assert.equal(response.status, 200);
    assert.equal(response.get('server'), 'envoy');
    assert.equal(upstream.requests.at(-1)?.path, `${prefix}/x`);
  }
  assert.equal((await request(proxy.port(unnamed), '/')).status, 404);
  assert.match(
    proxy.stderr(),
    /bootstrap\.yaml:\d+:\d+: warning: v2 field 'hosts' was converted to 'load_assignment' \(2 places\)\n/,
  );
  const dump = (await proxy.admin('/config_dump')).text;
  assert.ok(dump.includes('"load_assignment"') && !dump.includes('"hosts"'));
});

test("seed-architecture.yaml (v2): a page's excerpts, with an admin interface merged over them", async (t) => {
  const upstream = await startHttp2Upstream();
  t.after(() => upstream.close());
  const at = `address: localhost\n        port_value: ${upstream.port}`;
  const proxy = await startExample(
    t,
    'seed-architecture.yaml',
    { 'address: service1\n        port_value: 80': at, 'address: service2\n        port_value: 80': at },
    { args: ['--config-yaml', 'admin: {address: {socketAddress: {address: 127.0.0.1, port_value: 0}}}'] },
  );
  assert.equal((await request(proxy.port(unnamed), '/service/2')).status, 200);
});

test('seed-v1-sidecar.json (v1) passes one domain on to the application beside it', async (t) => {
  const upstream = await startUpstream();
  t.after(() => upstream.close());
  const proxy = await startExample(t, 'seed-v1-sidecar.json', {
    'tcp://127.0.0.1:5000': `tcp://127.0.0.1:${upstream.port}`,
  });
  assert.equal(
    (await request(proxy.port(unnamed), '/healthy_check', { host: 'foo.com' })).text,
    'GET /healthy_check\n',
  );
  assert.equal((await request(proxy.port(unnamed), '/')).status, 404);
  assert.match(proxy.stderr(), /warning: this is a file of Envoy's first API/);
});

interface RegisteredHost {
  ip_address: string;
  port: number;
  tags?: object;
}

/** A registration service as kubernetes-envoy-sds was: GET /v1/registration/<service>. */
async function startRegistration(t: TestContext, hosts: { now: RegisteredHost[] | undefined }) {
  const asked: string[] = [];
  const server: Server = createServer((incoming, outgoing) => {
    asked.push(`${incoming.method} ${incoming.url}`);
    outgoing.statusCode = hosts.now === undefined ? 503 : 200;
    outgoing.end(hosts.now === undefined ? 'gone' : JSON.stringify({ hosts: hosts.now }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return { port: (server.address() as AddressInfo).port, asked };
}

test('seed-v1-edge.json (v1) finds its hosts at the registration service, and keeps them when that fails', async (t) => {
  const [one, two] = [await startUpstream(), await startUpstream()];
  t.after(() => Promise.all([one.close(), two.close()]));
  const hosts: { now: RegisteredHost[] | undefined } = {
    now: [{ ip_address: '127.0.0.1', port: one.port, tags: { az: 'a', canary: 'true', load_balancing_weight: 50 } }],
  };
  const registration = await startRegistration(t, hosts);
  const proxy = await startExample(t, 'seed-v1-edge.json', {
    'tcp://kubernetes-envoy-sds.kube-system:80': `tcp://localhost:${registration.port}`,
    '"refresh_delay_ms": 1000': '"refresh_delay_ms": 50',
  });
  const get = async () => (await request(proxy.port(unnamed), '/', { host: 'foo.com' })).status;
  assert.equal(await get(), 200);
  assert.equal(one.requests.length, 1);
  assert.equal(registration.asked[0], 'GET /v1/registration/flask-app-envoy-service.default.svc.cluster.local');
  await waitFor('log line', () => proxy.stdout().includes('"GET / HTTP/1.1" 200'));

  hosts.now = [...hosts.now!, { ip_address: '127.0.0.1', port: two.port }];
  await waitFor('the second host', async () => (await get()) === 200 && two.requests.length > 0);

  hosts.now = undefined;
  const failed = registration.asked.length + 3;
  await waitFor('failed fetches', () => registration.asked.length >= failed);
  for (let i = 0; i < 4; i++) assert.equal(await get(), 200);
  const name = 'cluster.flask-app-envoy-service.default.svc.cluster.local';
  assert.equal(await proxy.stat(`${name}.membership_total`), 2);
  assert.ok((await proxy.stat(`${name}.update_failure`)) >= 2);

  hosts.now = [];
  await waitFor('no host', async () => (await get()) === 503);
});

test("v1's CDS, LDS and RDS: everything comes by GET, each change of it, and stays when the service fails", async (t) => {
  const [one, two] = [await startUpstream(), await startUpstream()];
  t.after(() => Promise.all([one.close(), two.close()]));
  const asked = new Set<string>();
  let fails = false;
  let [target, ports] = ['a', { a: one.port, b: two.port } as Record<string, number>];
  const manager = {
    codec_type: 'auto',
    stat_prefix: 'in',
    rds: { cluster: 'discovery', route_config_name: 'table', refresh_delay_ms: 50 },
    filters: [{ name: 'router', config: {} }],
  };
  const replies: Record<string, () => object> = {
    '/v1/clusters/c/n': () => ({
      clusters: Object.entries(ports).map(([name, port]) => ({
        name,
        connect_timeout_ms: 250,
        type: 'static',
        lb_type: 'round_robin',
        hosts: [{ url: `tcp://127.0.0.1:${port}` }],
      })),
    }),
    '/v1/listeners/c/n': () => ({
      listeners: [
        { name: 'l', address: 'tcp://127.0.0.1:0', filters: [{ name: 'http_connection_manager', config: manager }] },
      ],
    }),
    '/v1/routes/table/c/n': () => ({
      virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ prefix: '/', cluster: target }] }],
    }),
  };
  const server = createServer((incoming, outgoing) => {
    asked.add(`${incoming.method} ${incoming.url}`);
    outgoing.statusCode = fails ? 503 : 200;
    outgoing.end(fails ? '' : JSON.stringify(replies[incoming.url ?? '']()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const discovery = {
    name: 'discovery',
    connect_timeout_ms: 250,
    type: 'static',
    lb_type: 'round_robin',
    hosts: [{ url: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}` }],
  };
  const config = {
    listeners: [],
    lds: { cluster: 'discovery', refresh_delay_ms: 50 },
    admin: { access_log_path: '/dev/null', address: 'tcp://127.0.0.1:0' },
    cluster_manager: { clusters: [discovery], cds: { cluster: { ...discovery, name: 'cds' }, refresh_delay_ms: 50 } },
  };
  const args = ['--service-cluster', 'c', '--service-node', 'n'];
  const proxy = await startProxy(config, { logLevel: 'warn', args });
  t.after(() => proxy.stop());
  const get = async () => (await request(proxy.port('l'), '/')).status;
  assert.equal(await get(), 200);
  assert.deepEqual([one.requests.length, two.requests.length], [1, 0]);
  assert.deepEqual([...asked].sort(), ['GET /v1/clusters/c/n', 'GET /v1/listeners/c/n', 'GET /v1/routes/table/c/n']);
  target = 'b';
  await waitFor('the other route', async () => (await get()) === 200 && two.requests.length > 0);
  [target, ports] = ['c', { ...ports, c: one.port }];
  const before = one.requests.length;
  await waitFor('the new cluster', async () => (await get()) === 200 && one.requests.length > before);
  fails = true;
  await waitFor('failures', async () => (await proxy.stat('cluster_manager.cds.update_failure')) >= 3);
  assert.equal(await get(), 200);
});
