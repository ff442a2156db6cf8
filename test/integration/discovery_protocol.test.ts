/** What control planes may count on: what is refused and why, what expires, names as they are, a plane that comes back, swapped files. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fromJson } from '@bufbuild/protobuf';
import { type AnyMessage, messageType, registry } from '../../src/api/registry.ts';
import { bootstrap, cluster, httpListener, type Json, loopback, route } from '../support/bootstrap.ts';
import { ControlPlane, type DeltaRequest, type SotwRequest } from '../support/control_plane.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { request } from '../support/raw_client.ts';
import { adsBootstrap, ResourceServer, types } from '../support/resource_server.ts';
import { respond, startUpstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

const running: (() => unknown)[] = [];
after(async () => {
  for (const stop of running.reverse()) await stop();
});

const ads = { ads: {}, resource_api_version: 'V3' };

function clean(json: Json): Json {
  return JSON.parse(JSON.stringify(json)) as Json;
}

function read(type: string, json: Json): AnyMessage {
  return fromJson(messageType(type), json as never, { registry }) as unknown as AnyMessage;
}

function directListener(name: string, body = name): Json {
  const routes = [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: body } } }];
  return clean(httpListener(name, routes));
}

async function start(config: Json): Promise<RunningProxy> {
  const proxy = await startProxy(config);
  running.push(() => proxy.stop());
  return proxy;
}

async function startServer(port = 0): Promise<ResourceServer> {
  const server = new ResourceServer();
  await server.start(port);
  return server;
}

const text = async (proxy: RunningProxy, listener = 'l') => String((await request(proxy.port(listener), '/')).body);

test('what is refused is named with its field, every error of it; the good beside it is used', async () => {
  const server = await startServer();
  running.push(() => server.stop());
  server.set(types.cluster, [cluster('first', [1])]);
  server.set(types.listener, [directListener('l')]);
  const proxy = await start(adsBootstrap(server.port));
  const thresholds = { healthy_threshold: 1, unhealthy_threshold: 1 };
  const check = { ...thresholds, timeout: '1s', interval: '1s', http_health_check: { path: '/' } };
  const bad = (name: string): Json => ({ ...cluster(name, [1]), type: 'EDS', health_checks: [check, check] });
  server.set(types.cluster, [bad('one'), cluster('second', [1]), bad('two')]);
  await waitFor('the refusal', () => server.refused.length === 1);
  for (const name of ['one', 'two']) {
    const line = server.refused[0].split('\n').find((each) => each.startsWith(`${name}: `)) ?? '';
    for (const field of ['eds_cluster_config', 'health_checks'])
      assert.ok(line.includes(`${field}: `), `${field} in ${server.refused[0]}`);
  }
  const clusters = (await proxy.admin('/clusters?format=json')).text;
  assert.match(clusters, /"second"/);
  assert.doesNotMatch(clusters, /"one"|"two"/);
  assert.equal(await proxy.stat('cluster_manager.cds.update_rejected'), 1);

  // One that breaks a rule of its descriptor takes the whole response with it, as in Envoy.
  server.set(types.cluster, [{ ...cluster('third', [1]), connect_timeout: '0s' }, cluster('fourth', [1])]);
  await waitFor('the second refusal', () => server.refused.length === 2);
  assert.match(server.refused[1], /^third: connect_timeout: /);
  assert.doesNotMatch((await proxy.admin('/clusters?format=json')).text, /"fourth"/);
  server.set(types.cluster, [cluster('fourth', [1])]);
  await waitFor('the good', async () => (await proxy.admin('/clusters?format=json')).text.includes('"fourth"'));
  assert.equal(await text(proxy), 'l');
});

test('names are taken as they are: xdstp:// too', async () => {
  const server = await startServer();
  running.push(() => server.stop());
  const upstream = await startUpstream({ respond: (_request, socket) => respond(socket, { body: 'up' }) });
  running.push(() => upstream.close());
  const name = (type: string) => `xdstp://plane.test/${type}/fleet/one?zone=a`;
  const eds_cluster_config = { eds_config: ads, service_name: name(types.endpoints) };
  server.set(types.cluster, [{ name: 'a', type: 'EDS', connect_timeout: '1s', eds_cluster_config }]);
  const lb_endpoints = [{ endpoint: { address: loopback(upstream.port) } }];
  server.set(types.endpoints, [{ cluster_name: name(types.endpoints), endpoints: [{ lb_endpoints }] }]);
  const rds = { route_config_name: name(types.routes), config_source: ads };
  server.set(types.listener, [clean(httpListener('l', [], { route_config: undefined, rds }))]);
  const virtual_hosts = [{ name: 'all', domains: ['*'], routes: [route('/', 'a')] }];
  server.set(types.routes, [{ name: name(types.routes), virtual_hosts }]);
  const proxy = await start(adsBootstrap(server.port));
  assert.equal(await text(proxy), 'up');
});

test('a control plane that goes takes nothing with it; the one that comes back is heard', async () => {
  const server = await startServer();
  const { port } = server;
  server.set(types.cluster, []);
  server.set(types.listener, [directListener('l', 'before')]);
  const proxy = await start(adsBootstrap(port));
  await server.stop();
  await waitFor('the loss', async () => (await proxy.stat('control_plane.connected_state')) === 0);
  assert.equal(await text(proxy), 'before');
  const next = await startServer(port);
  running.push(() => next.stop());
  next.set(types.cluster, []);
  next.set(types.listener, [directListener('l', 'before')]);
  next.set(types.listener, [directListener('l', 'after')]);
  await waitFor('the change', async () => (await text(proxy)) === 'after', { withinMs: 10_000 });
});

test('a listener with a time to live stays while it is renewed, and drains when it is not', async (t) => {
  /** Seconds. */
  const ttl = 2;
  const [lasting, mortal] = [directListener('lasting'), directListener('mortal')];
  let renewal: NodeJS.Timeout | undefined;
  t.after(() => clearInterval(renewal));
  const typeUrl = `type.googleapis.com/${types.listener}`;
  const plane = await ControlPlane.start((stream, asked) => {
    const { typeUrl: wanted, responseNonce } = asked as DeltaRequest;
    if (responseNonce !== '') return;
    const added = [
      { name: 'lasting', version: '1', message: read(types.listener, lasting) },
      { name: 'mortal', version: '1', message: read(types.listener, mortal), ttl },
    ];
    stream.respondDelta({ typeUrl: wanted, nonce: '1', added: wanted === typeUrl ? added : [] });
    if (wanted !== typeUrl) return;
    // From the first push on: a proxy that starts slowly must not lose it before it is looked at.
    let nonce = 2;
    renewal = setInterval(() => {
      const renewed = [{ name: 'mortal', version: '1', message: undefined, ttl }];
      stream.respondDelta({ typeUrl, nonce: String(nonce++), added: renewed });
    }, 200);
  });
  running.push(() => plane.stop());
  const config = adsBootstrap(plane.port);
  const dynamic = config['dynamic_resources'] as Json;
  const ads_config = { ...(dynamic['ads_config'] as Json), api_type: 'DELTA_GRPC' };
  const proxy = await start({ ...config, dynamic_resources: { ...dynamic, ads_config } });
  const names = async () =>
    (await proxy.admin('/listeners')).text.replace(/::.*/g, '').trim().split('\n').sort().join();
  const since = performance.now();
  while (performance.now() - since < 1500 * ttl) {
    assert.equal(await names(), 'lasting,mortal');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  clearInterval(renewal);
  await waitFor('the end of one', async () => (await names()) === 'lasting');
  assert.equal(await text(proxy, 'lasting'), 'lasting');
  assert.equal(await proxy.stat('listener_manager.listener_removed'), 1);
});

test('fields of a newer API are told and counted, or refused on request', async () => {
  const message = read(types.cluster, cluster('newer', [1]));
  message.$unknown = [{ no: 1000, wireType: 0, data: new Uint8Array([1]) }];
  const refused: string[] = [];
  const plane = await ControlPlane.start((stream, asked) => {
    const { typeUrl, responseNonce, errorDetail } = asked as SotwRequest;
    if (errorDetail !== undefined) refused.push(errorDetail.message);
    const resources = typeUrl.endsWith('.Cluster') ? [message] : [];
    if (responseNonce === '') stream.respond({ typeUrl, version: '1', nonce: '1', resources });
  });
  running.push(() => plane.stop());
  const lenient = await start(adsBootstrap(plane.port));
  assert.equal(await lenient.stat('server.dynamic_unknown_fields'), 1);
  assert.match((await lenient.admin('/clusters')).text, /^newer::/m);
  assert.deepEqual(refused, []);
  const strict = await startProxy(adsBootstrap(plane.port), { args: ['--reject-unknown-dynamic-fields'] });
  running.push(() => strict.stop());
  assert.deepEqual(refused, [
    'newer: Protobuf message (type envoy.config.cluster.v3.Cluster with unknown field set {1000}) has unknown fields',
  ]);
  assert.doesNotMatch((await strict.admin('/clusters')).text, /^newer::/m);
});

test('files: a move onto them, and a watched folder whose link is swapped', async () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'nuncio-files-'));
  running.push(() => rmSync(dir, { recursive: true }));
  const write = (file: string, type: string, version: string, resource: Json) => {
    const resources = [{ '@type': `type.googleapis.com/${type}`, ...resource }];
    writeFileSync(file, JSON.stringify({ version_info: version, resources }));
  };
  const table = (body: string): Json => {
    const routes = [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: body } } }];
    return { name: 'table', virtual_hosts: [{ name: 'all', domains: ['*'], routes }] };
  };
  for (const [folder, body] of [
    ['v1', 'one'],
    ['v2', 'two'],
  ]) {
    mkdirSync(path.join(dir, folder));
    write(path.join(dir, folder, 'routes.json'), types.routes, folder, table(body));
  }
  mkdirSync(path.join(dir, 'mounted'));
  const data = path.join(dir, 'mounted', 'data');
  symlinkSync('../v1', data);
  const watched = {
    path_config_source: {
      path: path.join(data, 'routes.json'),
      watched_directory: { path: path.join(dir, 'mounted') },
    },
    resource_api_version: 'V3',
  };
  const listeners = path.join(dir, 'listeners.json');
  const rds = { route_config_name: 'table', config_source: watched };
  write(listeners, types.listener, '1', clean(httpListener('l', [], { route_config: undefined, rds })));
  const lds_config = { path_config_source: { path: listeners }, resource_api_version: 'V3' };
  const proxy = await start({
    ...bootstrap([], []),
    node: { id: 'n', cluster: 'c' },
    dynamic_resources: { lds_config },
  });
  assert.equal(await text(proxy), 'one');
  symlinkSync('../v2', path.join(dir, 'mounted', 'next'));
  renameSync(path.join(dir, 'mounted', 'next'), data);
  await waitFor('the other folder', async () => (await text(proxy)) === 'two');
  assert.equal(await proxy.stat('http.ingress.rds.table.update_success'), 2);
  write(`${listeners}.next`, types.listener, '2', directListener('l', 'moved'));
  renameSync(`${listeners}.next`, listeners);
  await waitFor('the moved file', async () => (await text(proxy)) === 'moved');
  write(`${listeners}.next`, types.listener, '3', { ...directListener('l', 'never'), address: {} });
  renameSync(`${listeners}.next`, listeners);
  await waitFor('the refusal', async () => (await proxy.stat('listener_manager.lds.update_rejected')) === 1);
  assert.equal(await text(proxy), 'moved');
  assert.match((await proxy.admin('/stats?filter=lds.version_text')).text, /version_text: "2"/);
});
