/** The admin interface of the real proxy: the pages and the forms in which Envoy's users, scripts and scrapers read them. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { bootstrap, cluster, httpListener, route } from '../support/bootstrap.ts';
import { isEnvoy, type RunningProxy, startProxy } from '../support/proxy.ts';
import { RawClient, request, requestBytes } from '../support/raw_client.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

let proxy: RunningProxy;
let upstream: Upstream;

before(async () => {
  upstream = await startUpstream();
  // Envoy shows histograms after the next flush only.
  const more = { node: { id: 'node-1', cluster: 'cluster-1' }, stats_flush_interval: '0.1s' };
  proxy = await startProxy(
    bootstrap([httpListener('main', [route('/', 'a')])], [cluster('a', [upstream.port]), cluster('b', [])], more),
    { concurrency: 2 },
  );
  const client = await RawClient.connect(proxy.port('main'));
  for (let i = 0; i < 10; i++) {
    client.send(requestBytes('/'));
    await client.response();
  }
  client.destroy();
  await waitFor('counted requests', async () => {
    const { text } = await proxy.admin('/stats/prometheus?filter=ingress.downstream_rq_time');
    return text.includes('downstream_rq_time_count{envoy_http_conn_manager_prefix="ingress"} 10');
  });
});
after(async () => {
  await proxy?.stop();
  await upstream?.close();
});

test('/ready', async () => {
  const reply = await proxy.admin('/ready');
  assert.equal(reply.text, 'LIVE\n');
  assert.equal(reply.headers['content-type'], 'text/plain; charset=UTF-8');
  assert.equal(reply.headers['cache-control'], 'no-cache, max-age=0');
  assert.equal(reply.headers['x-content-type-options'], 'nosniff');
  assert.equal(reply.headers['server'], 'envoy');
});

test('/listeners in both forms', async () => {
  const port = proxy.port('main');
  assert.equal((await proxy.admin('/listeners')).text, `main::127.0.0.1:${port}\n`);
  const json = JSON.parse((await proxy.admin('/listeners?format=json')).text);
  assert.deepEqual(json, {
    listener_statuses: [
      { name: 'main', local_address: { socket_address: { address: '127.0.0.1', port_value: port } } },
    ],
  });
});

test('/clusters', async () => {
  const lines = (await proxy.admin('/clusters')).text.split('\n');
  const host = `a::127.0.0.1:${upstream.port}`;
  for (const line of [
    'a::observability_name::a',
    'a::default_priority::max_connections::1024',
    'a::default_priority::max_pending_requests::1024',
    'a::default_priority::max_requests::1024',
    'a::default_priority::max_retries::3',
    'a::high_priority::max_retries::3',
    'a::added_via_api::false',
    `${host}::rq_total::10`,
    `${host}::rq_success::10`,
    `${host}::rq_error::0`,
    `${host}::rq_active::0`,
    `${host}::health_flags::healthy`,
    `${host}::weight::1`,
    'b::added_via_api::false',
  ]) {
    assert.ok(lines.includes(line), `${line}\n\n${lines.join('\n')}`);
  }
});

test('/clusters?format=json', async () => {
  const { cluster_statuses: clusters } = JSON.parse((await proxy.admin('/clusters?format=json')).text);
  const a = clusters.find((c: { name: string }) => c.name === 'a');
  assert.equal(a.host_statuses[0].address.socket_address.port_value, upstream.port);
  assert.equal(a.host_statuses[0].health_status.eds_health_status, 'HEALTHY');
});

test('/server_info', async () => {
  const info = JSON.parse((await proxy.admin('/server_info')).text);
  assert.equal(info.state, 'LIVE');
  assert.match(info.version, /^[^/]+\/[^/]+\/[^/]+\/[^/]+\/[^/]+$/);
  assert.equal(info.command_line_options.concurrency, 2);
  assert.equal(info.node.id, 'node-1');
});

test('/config_dump', async () => {
  const { configs } = JSON.parse((await proxy.admin('/config_dump')).text);
  const dump = (type: string) => configs.find((c: Record<string, string>) => c['@type'].endsWith(`.${type}`));
  assert.equal(dump('BootstrapConfigDump').bootstrap.node.id, 'node-1');
  const clusters = dump('ClustersConfigDump').static_clusters;
  assert.deepEqual(clusters.map((c: { cluster: { name: string } }) => c.cluster.name).sort(), ['a', 'b']);
  assert.equal(dump('ListenersConfigDump').static_listeners[0].listener.name, 'main');
  assert.equal(dump('RoutesConfigDump').static_route_configs[0].route_config.virtual_hosts[0].name, 'all');
});

test('/stats: sorted, filtered, used only', async () => {
  const text = (await proxy.admin('/stats')).text;
  for (const line of [
    'http.ingress.downstream_rq_total: 10',
    'http.ingress.downstream_rq_2xx: 10',
    'cluster.a.upstream_rq_200: 10',
    'cluster.a.upstream_rq_total: 10',
    'cluster.a.membership_total: 1',
    'server.live: 1',
    'server.concurrency: 2',
    'listener_manager.total_listeners_active: 1',
    'cluster_manager.active_clusters: 2',
  ]) {
    assert.ok(text.split('\n').includes(line), line);
  }
  assert.match(text, /^http\.ingress\.downstream_rq_time: P0\(\S+,\S+\) P25/m);
  const names = [...text.matchAll(/^(\S+): \d+$/gm)].map((match) => match[1]);
  assert.deepEqual(names, [...names].sort());
  assert.equal(
    (await proxy.admin('/stats?filter=^cluster\\.a\\.upstream_rq_total$')).text,
    'cluster.a.upstream_rq_total: 10\n',
  );
  const used = (await proxy.admin('/stats?usedonly')).text;
  assert.match(used, /^cluster\.a\.upstream_rq_total: 10$/m);
  assert.doesNotMatch(used, /^cluster\.b\.upstream_rq_total/m);
});

test('/stats?format=json', async () => {
  const { stats } = JSON.parse((await proxy.admin('/stats?format=json')).text);
  assert.ok(
    stats.some((s: { name: string; value: number }) => s.name === 'cluster.a.upstream_rq_total' && s.value === 10),
  );
  const { histograms } = stats.find((s: { histograms?: object }) => s.histograms !== undefined);
  assert.deepEqual(histograms.supported_quantiles, [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100]);
});

test('/stats/prometheus', async () => {
  const reply = await proxy.admin('/stats/prometheus');
  assert.match(reply.headers['content-type'] ?? '', /^text\/plain; charset=UTF-8/);
  const lines = reply.text.split('\n');
  for (const line of [
    '# TYPE envoy_cluster_upstream_rq_total counter',
    'envoy_cluster_upstream_rq_total{envoy_cluster_name="a"} 10',
    'envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="a"} 10',
    'envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="a"} 10',
    'envoy_http_downstream_rq_total{envoy_http_conn_manager_prefix="ingress"} 10',
    '# TYPE envoy_http_downstream_rq_time histogram',
    'envoy_http_downstream_rq_time_bucket{envoy_http_conn_manager_prefix="ingress",le="+Inf"} 10',
    'envoy_http_downstream_rq_time_count{envoy_http_conn_manager_prefix="ingress"} 10',
    '# TYPE envoy_server_live gauge',
  ]) {
    assert.ok(lines.includes(line), line);
  }
});

test('/help and unknown paths', async () => {
  const help = await proxy.admin('/help');
  assert.match(help.text, /^admin commands are:\n/);
  for (const path of ['/clusters', '/config_dump', '/listeners', '/quitquitquit', '/ready', '/server_info', '/stats']) {
    assert.ok(help.text.includes(`  ${path}`), path);
  }
  const unknown = await proxy.admin('/nope');
  assert.equal(unknown.status, 404);
  assert.match(unknown.text, /^invalid path\. admin commands are:\n/);
});

test('what changes something needs a POST', async () => {
  const reply = await proxy.admin('/quitquitquit');
  assert.equal(reply.status, 405);
  assert.equal(reply.text, 'Method GET not allowed, POST required.');
});

test('an error in the traffic is counted by code and reason', async () => {
  const response = await request(proxy.port('main'), '/x', { headers: { 'X A': '1' } });
  assert.equal(response.status, 400);
  await waitFor('count', async () => (await proxy.stat('http.ingress.downstream_cx_protocol_error')) === 1);
});

test('/quitquitquit ends the process', async () => {
  const { text } = await proxy.admin('/quitquitquit', 'POST');
  assert.equal(text, 'OK\n');
  const { code } = await proxy.exited;
  if (!isEnvoy) assert.equal(code, 0);
});
