/** What an operator sees of updates on their way: what warms, drains, was refused; and that what serves goes on serving. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { cluster, httpListener, type Json, route } from '../support/bootstrap.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { RawClient, request } from '../support/raw_client.ts';
import { adsBootstrap, ResourceServer, types } from '../support/resource_server.ts';
import { respond, startUpstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

const running: (() => unknown)[] = [];
after(async () => {
  for (const stop of running.reverse()) await stop();
});

const ads = { ads: {}, resource_api_version: 'V3' };
const direct = { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'ok' } } };

async function startServer(): Promise<ResourceServer> {
  const server = new ResourceServer();
  await server.start();
  running.push(() => server.stop());
  return server;
}

async function start(server: ResourceServer, args: string[] = []): Promise<RunningProxy> {
  const proxy = await startProxy(adsBootstrap(server.port), { args });
  running.push(() => proxy.stop());
  return proxy;
}

async function entries(proxy: RunningProxy, resource: string): Promise<Json[]> {
  const { text } = await proxy.admin(`/config_dump?resource=${resource}`);
  return ((JSON.parse(text) as { configs?: Json[] }).configs ?? []) as Json[];
}

function rdsListener(name: string, routes: string): Json {
  const rds = { route_config_name: routes, config_source: ads };
  return JSON.parse(JSON.stringify(httpListener(name, [], { route_config: undefined, rds }))) as Json;
}

function table(name: string): Json {
  return { name, virtual_hosts: [{ name: 'all', domains: ['*'], routes: [direct] }] };
}

test('/config_dump and /init_dump show what warms, what drains and what was refused', async () => {
  const server = await startServer();
  server.set(types.cluster, [cluster('a', [1])]);
  server.set(types.listener, [rdsListener('l', 'known')]);
  server.set(types.routes, [table('known')]);
  const proxy = await start(server, ['--drain-time-s', '2']);
  const port = proxy.port('l');
  const held = await RawClient.connect(port);
  running.push(() => held.destroy());
  const bad = { ...httpListener('new', [direct]), listener_filters: [{ name: 'nobody.knows.this' }] };
  server.set(types.listener, [
    { ...rdsListener('l', 'known'), per_connection_buffer_limit_bytes: 70_000 },
    rdsListener('late', 'unknown'),
    bad,
  ]);
  await waitFor('the refusal', () => server.refused.length > 0);
  const listeners = await waitFor('the dump', async () => {
    const dump = await entries(proxy, 'dynamic_listeners');
    return dump.length === 3 ? dump : undefined;
  });
  const byName = new Map(listeners.map((each) => [each['name'], each]));
  assert.deepEqual(Object.keys(byName.get('l')!), ['@type', 'name', 'active_state', 'draining_state']);
  assert.deepEqual(Object.keys(byName.get('late')!), ['@type', 'name', 'warming_state']);
  const { error_state: error, client_status: status } = byName.get('new') as Record<string, Json>;
  assert.equal(status, 'NACKED');
  assert.match(String(error['details']), /nobody\.knows\.this/);
  assert.equal((error['failed_configuration'] as Json)['name'], 'new');
  assert.equal(error['version_info'], '2');
  assert.match(String(error['last_update_attempt']), /^\d{4}-\d\d-\d\dT/);
  const init = (JSON.parse((await proxy.admin('/init_dump')).text) as { unready_targets_dumps: Json[] })
    .unready_targets_dumps;
  assert.equal(init.length, 1);
  assert.match(String(init[0]['name']), /^init manager Listener-local-init-manager late \d+$/);
  assert.deepEqual(init[0]['target_names'], ['shared target RdsRouteConfigSubscription RDS init unknown']);
  assert.equal((await proxy.admin('/init_dump?mask=listener')).text, (await proxy.admin('/init_dump')).text);
  assert.equal(await proxy.stat('listener_manager.total_listeners_draining'), 1);
  server.set(types.routes, [table('known'), table('unknown')]);
  server.set(types.listener, [rdsListener('late', 'unknown')]);
  await waitFor('the last', async () => (await proxy.stat('listener_manager.total_listeners_active')) === 1);
  assert.equal((await proxy.admin('/init_dump')).text.trim(), '{}');
  assert.deepEqual(
    (await entries(proxy, 'dynamic_listeners')).filter((each) => 'error_state' in each),
    [],
  );
  await waitFor('the drains', async () => (await proxy.stat('listener_manager.total_listeners_draining')) === 0, {
    withinMs: 6000,
  });
});

test('a refused cluster and a refused route stand beside what is in use', async () => {
  const server = await startServer();
  server.set(types.cluster, [cluster('a', [1])]);
  server.set(types.listener, [rdsListener('l', 'r')]);
  server.set(types.routes, [table('r')]);
  const proxy = await start(server);
  server.set(types.cluster, [{ ...cluster('a', [1]), health_checks: [{}, {}] }]);
  const twice = { name: 'b', domains: ['*'], routes: [] };
  server.set(types.routes, [{ ...table('r'), virtual_hosts: [{ ...twice, name: 'a' }, twice] }]);
  await waitFor('both', () => server.refused.length >= 2);
  const [active] = await entries(proxy, 'dynamic_active_clusters');
  assert.equal(active['version_info'], '1');
  assert.equal((active['error_state'] as Json)['version_info'], '2');
  const [routes] = await entries(proxy, 'dynamic_route_configs');
  assert.match(String((routes['error_state'] as Json)['details']), /Only a single wildcard domain/);
  assert.equal((await request(proxy.port('l'), '/')).status, 200);
  server.set(types.routes, [table('r')]);
  await waitFor('the good one', async () => !('error_state' in (await entries(proxy, 'dynamic_route_configs'))[0]));
});

test('versions and the names of control planes are texts among the statistics', async () => {
  const server = await startServer();
  server.set(types.cluster, []);
  server.set(types.listener, [rdsListener('l', 'r')]);
  server.set(types.routes, [table('r')]);
  const proxy = await start(server);
  const ask = async (query: string) => (await proxy.admin(`/stats?filter=version_text|identifier${query}`)).text;
  const lines = [
    'cluster_manager.cds.version_text: "1"',
    'control_plane.identifier: ""',
    'http.ingress.rds.r.version_text: "1"',
    'listener_manager.lds.version_text: "1"',
  ];
  assert.equal(await ask(''), `${lines.join('\n')}\n`);
  assert.equal(await ask('&type=TextReadouts'), `${lines.join('\n')}\n`);
  assert.equal(await ask('&type=Counters'), '');
  assert.match(await ask('&format=json'), /^\{"stats":\[\{"name":"cluster_manager\.cds\.version_text","value":"1"\},/);
  assert.equal(await ask('&format=prometheus'), '');
  assert.match(
    await ask('&format=prometheus&text_readouts'),
    /# TYPE envoy_http_rds_version_text gauge\nenvoy_http_rds_version_text\{envoy_rds_route_config="r",envoy_http_conn_manager_prefix="ingress",text_value="1"\} 0\n/,
  );
});

function edsCluster(more: Json = {}): Json {
  return { name: 'e', type: 'EDS', connect_timeout: '1s', eds_cluster_config: { eds_config: ads }, ...more };
}

function assignment(ports: readonly number[]): Json {
  const lb_endpoints = ports.map((port) => ({
    endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } },
  }));
  return { cluster_name: 'e', endpoints: [{ lb_endpoints }] };
}

const checks = [
  {
    timeout: '0.5s',
    interval: '0.1s',
    no_traffic_interval: '0.1s',
    unhealthy_threshold: 1,
    healthy_threshold: 1,
    http_health_check: { path: '/health' },
  },
];

interface Host {
  readonly port: number;
  healthy: boolean;
  /** Milliseconds. */
  checkTakes: number;
}

async function host(name: string): Promise<Host> {
  const state = { port: 0, healthy: true, checkTakes: 0 };
  const upstream = await startUpstream({
    respond: ({ path }, socket) => {
      const status = state.healthy ? 200 : 503;
      if (path === '/health') setTimeout(respond, state.checkTakes, socket, { status });
      else respond(socket, { body: name });
    },
  });
  running.push(() => upstream.close());
  state.port = upstream.port;
  return state;
}

describe('endpoints and health', () => {
  test('a host that is taken away stays until its check fails, unless health is ignored', async () => {
    const [a, b] = [await host('a'), await host('b')];
    const server = await startServer();
    server.set(types.cluster, [edsCluster({ health_checks: checks })]);
    server.set(types.endpoints, [assignment([a.port, b.port])]);
    server.set(types.listener, [httpListener('l', [route('/', 'e')])]);
    const proxy = await start(server);
    server.set(types.endpoints, [assignment([b.port])]);
    const flags = async () =>
      new RegExp(`e::127.0.0.1:${a.port}::health_flags::(.*)`).exec((await proxy.admin('/clusters')).text)?.[1];
    await waitFor('the mark', async () => (await flags()) === '/pending_dynamic_removal');
    assert.equal(await proxy.stat('cluster.e.membership_total'), 2);
    const bodies = new Set<string>();
    for (let i = 0; i < 6; i++) bodies.add(String((await request(proxy.port('l'), '/')).body));
    assert.deepEqual([...bodies].sort(), ['a', 'b']);
    server.set(types.endpoints, [assignment([a.port, b.port])]);
    await waitFor('it is back', async () => (await flags()) === 'healthy');
    server.set(types.endpoints, [assignment([b.port])]);
    await waitFor('the mark', async () => (await flags()) === '/pending_dynamic_removal');
    a.healthy = false;
    await waitFor('it is gone', async () => (await flags()) === undefined);
    assert.equal(await proxy.stat('cluster.e.membership_total'), 1);
    a.healthy = true;
    server.set(types.cluster, [edsCluster({ health_checks: checks, ignore_health_on_host_removal: true })]);
    server.set(types.endpoints, [assignment([a.port, b.port])]);
    await waitFor('both', async () => (await flags()) === 'healthy');
    server.set(types.endpoints, [assignment([b.port])]);
    await waitFor('it goes at once', async () => (await flags()) === undefined);
  });

  test('an updated cluster warms beside the one that serves; one that is removed ends no request', async () => {
    const a = await host('a');
    const slow = await startUpstream({
      respond: (_request, socket) => void setTimeout(respond, 700, socket, { body: 'late' }),
    });
    running.push(() => slow.close());
    const server = await startServer();
    server.set(types.cluster, [edsCluster(), cluster('slow', [slow.port])]);
    server.set(types.endpoints, [assignment([a.port])]);
    server.set(types.listener, [httpListener('l', [route('/slow', 'slow'), route('/', 'e')])]);
    const proxy = await start(server);
    const port = proxy.port('l');
    const updated = edsCluster({ health_checks: [{ ...checks[0], timeout: '2s' }], connect_timeout: '2s' });
    a.checkTakes = 500;
    server.set(types.cluster, [updated, cluster('slow', [slow.port])]);
    await waitFor('warming', async () => (await proxy.stat('cluster_manager.warming_clusters')) === 1);
    for (let i = 0; i < 5; i++) assert.equal((await request(port, '/')).status, 200);
    assert.equal(await proxy.stat('cluster_manager.warming_clusters'), 1);
    await waitFor('warm', async () => (await proxy.stat('cluster_manager.warming_clusters')) === 0);
    assert.equal((await request(port, '/')).status, 200);
    const pending = request(port, '/slow');
    await waitFor('it is under way', async () => (await proxy.stat('cluster.slow.upstream_rq_active')) === 1);
    server.set(types.cluster, [updated]);
    await waitFor('it is removed', async () => (await proxy.stat('cluster_manager.cluster_removed')) === 1);
    const { status, body } = await pending;
    assert.equal(`${status} ${String(body)}`, '200 late');
    assert.equal((await request(port, '/slow')).status, 503);
  });

  test('without wait_for_warm_on_init nobody waits for the endpoints', async () => {
    const a = await host('a');
    const server = await startServer();
    server.set(types.cluster, [edsCluster({ wait_for_warm_on_init: false })]);
    server.set(types.listener, [httpListener('l', [route('/', 'e')])]);
    const proxy = await start(server);
    assert.equal((await request(proxy.port('l'), '/')).status, 503);
    server.set(types.endpoints, [assignment([a.port])]);
    await waitFor('the host', async () => (await request(proxy.port('l'), '/')).status === 200);
  });
});
