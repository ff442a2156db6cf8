/** ODCDS: clusters that a control plane is asked for when a request is to go to one that is not there (the on_demand filter). */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { fromJson } from '@bufbuild/protobuf';
import { type AnyMessage, messageType, registry } from '../../src/api/registry.ts';
import { bootstrap, cluster, httpListener, type Json, router, tcpListener } from '../support/bootstrap.ts';
import { ControlPlane, type DeltaRequest, type PlaneStream } from '../support/control_plane.ts';
import { type RunningProxy, runToEnd, startProxy } from '../support/proxy.ts';
import { request } from '../support/raw_client.ts';
import { types } from '../support/resource_server.ts';
import { respond, startUpstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

const running: (() => unknown)[] = [];
after(async () => {
  for (const stop of running.reverse()) await stop();
});

const typeUrl = `type.googleapis.com/${types.cluster}`;
const onDemandType = 'type.googleapis.com/envoy.extensions.filters.http.on_demand.v3';

function source(apiType = 'DELTA_GRPC'): Json {
  const grpc_services = [{ envoy_grpc: { cluster_name: 'xds' } }];
  return {
    api_config_source: { api_type: apiType, transport_api_version: 'V3', grpc_services },
    resource_api_version: 'V3',
  };
}

function onDemand(odcds?: Json): Json {
  const config = odcds === undefined ? {} : { odcds };
  return { name: 'envoy.filters.http.on_demand', typed_config: { '@type': `${onDemandType}.OnDemand`, ...config } };
}

/** A listener that takes the cluster from a header; below /route the filter is configured by the route. */
function config(port: number, odcds: Json | undefined): Json {
  const perRoute = { '@type': `${onDemandType}.PerRouteConfig`, odcds: { source: source() } };
  const routes = [
    {
      match: { prefix: '/route' },
      route: { cluster_header: 'x-cluster' },
      typed_per_filter_config: { 'envoy.filters.http.on_demand': perRoute },
    },
    { match: { prefix: '/' }, route: { cluster_header: 'x-cluster' } },
  ];
  const listener = httpListener('l', routes, { http_filters: [onDemand(odcds), router] });
  const xds = cluster('xds', [port], { http2_protocol_options: {} });
  return bootstrap([listener], [xds], { node: { id: 'n', cluster: 'c' } });
}

/** Answers with the clusters it knows; says nothing of a name that begins with `slow`. */
async function startPlane(
  known: Map<string, Json>,
): Promise<{ plane: ControlPlane; asked: string[]; stream(): PlaneStream }> {
  const asked: string[] = [];
  let last: PlaneStream | undefined;
  let nonce = 0;
  const plane = await ControlPlane.start((stream, message) => {
    last = stream;
    const { resourceNamesSubscribe: names } = message as DeltaRequest;
    asked.push(...names);
    const wanted = names.filter((name) => !name.startsWith('slow'));
    if (wanted.length === 0) return;
    stream.respondDelta({
      typeUrl,
      nonce: String(++nonce),
      added: wanted.flatMap((name) => {
        const json = known.get(name);
        return json === undefined ? [] : [{ name, version: '1', message: read(json) }];
      }),
      removed: wanted.filter((name) => !known.has(name)),
    });
  });
  running.push(() => plane.stop());
  return { plane, asked, stream: () => last! };
}

function read(json: Json): AnyMessage {
  return fromJson(messageType(types.cluster), json as never, { registry }) as unknown as AnyMessage;
}

async function upstream(body: string): Promise<number> {
  const host = await startUpstream({ respond: (_request, socket) => respond(socket, { body }) });
  running.push(() => host.close());
  return host.port;
}

function asker(proxy: RunningProxy): (name: string, path?: string) => Promise<string> {
  return async (name, path = '/') => {
    const { status, body } = await request(proxy.port('l'), path, { headers: { 'x-cluster': name } });
    return status === 200 ? String(body) : `${status}`;
  };
}

test('a request waits until its cluster is there; one that is not known, or not in time, is answered with 503', async () => {
  const known = new Map([['a', cluster('a', [await upstream('a')])]]);
  const { plane, asked, stream } = await startPlane(known);
  const proxy = await startProxy(config(plane.port, { source: source(), timeout: '0.5s' }), { concurrency: 2 });
  running.push(() => proxy.stop());
  const ask = asker(proxy);
  assert.deepEqual(await Promise.all([ask('a'), ask('a'), ask('a')]), ['a', 'a', 'a']);
  for (let i = 0; i < 5; i++) assert.equal(await ask('a'), 'a');
  assert.deepEqual(asked, ['a'], 'once for all');
  assert.equal(await ask('b'), '503');
  known.set('b', cluster('b', [await upstream('b')]));
  assert.equal(await ask('b'), 'b', 'asked for again');
  const since = performance.now();
  assert.equal(await ask('slow'), '503');
  assert.ok(performance.now() - since >= 450, 'after the timeout');
  stream().respondDelta({ typeUrl, nonce: 'gone', removed: ['a'] });
  known.delete('a');
  await waitFor('the cluster to go', async () => (await ask('a')) === '503');
  assert.equal(await proxy.stat('cluster_manager.cluster_removed'), 1);
  assert.ok((await proxy.stat('cluster_manager.odcds.update_success')) >= 3);
});

test('a route may say where its clusters come from; without that nobody waits', async () => {
  const { plane, asked } = await startPlane(new Map([['a', cluster('a', [await upstream('a')])]]));
  const proxy = await startProxy(config(plane.port, undefined));
  running.push(() => proxy.stop());
  const ask = asker(proxy);
  assert.equal(await ask('a'), '503');
  assert.deepEqual(asked, []);
  assert.equal(await ask('a', '/route'), 'a');
  assert.equal(await ask('a'), 'a', 'it is there for everybody');
});

test('over the stream that brings all clusters, too; what was asked for is not theirs to take away', async () => {
  const known = new Map([['a', cluster('a', [await upstream('a')])]]);
  const { plane, asked, stream } = await startPlane(known);
  const base = config(plane.port, { source: { ads: {}, resource_api_version: 'V3' } });
  const { api_config_source } = source() as { api_config_source: Json };
  const cds_config = { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0.2s' };
  const proxy = await startProxy({ ...base, dynamic_resources: { ads_config: api_config_source, cds_config } });
  running.push(() => proxy.stop());
  const ask = asker(proxy);
  assert.equal(await ask('a'), 'a');
  assert.deepEqual(asked, ['a']);
  stream().respondDelta({
    typeUrl,
    nonce: 'all',
    added: [{ name: 'other', version: '1', message: read(cluster('other', [1])) }],
  });
  await waitFor('another', async () => (await proxy.stat('cluster_manager.active_clusters')) === 3);
  assert.equal(await ask('a'), 'a');
  stream().end(14);
  await waitFor('the next stream', () => asked.length === 3);
  assert.deepEqual(asked.slice(1).sort(), ['*', 'a']);
  assert.equal(await ask('a'), 'a');
});

test('refused at its place: a source that cannot be asked by name', async () => {
  const { output } = await runToEnd(config(1, { source: source('GRPC') }));
  assert.match(output, /error: clusters on demand come over DELTA_GRPC or ads/);
  assert.match(output, /http_filters\[0\]\.typed_config\.odcds\.source/);
});

test('a connection of a TCP proxy waits for its cluster; one that is not known, or not in time, is closed', async () => {
  const known = new Map([['a', cluster('a', [await upstream('a')])]]);
  const { plane, asked } = await startPlane(known);
  const on_demand = { odcds_config: source(), timeout: '0.5s' };
  const listeners = ['a', 'none', 'slow'].map((name) => tcpListener(name, name, { on_demand }));
  const xds = cluster('xds', [plane.port], { http2_protocol_options: {} });
  const proxy = await startProxy(bootstrap(listeners, [xds], { node: { id: 'n', cluster: 'c' } }), { concurrency: 2 });
  running.push(() => proxy.stop());
  const get = (name: string) =>
    request(proxy.port(name), '/').then(
      ({ body }) => String(body),
      () => 'closed',
    );
  assert.deepEqual(await Promise.all([get('a'), get('a')]), ['a', 'a']);
  assert.deepEqual(asked, ['a']);
  assert.equal(await get('a'), 'a');
  assert.equal(await get('none'), 'closed');
  const begin = performance.now();
  assert.equal(await get('slow'), 'closed');
  assert.ok(performance.now() - begin >= 480);
  const stats = async (name: string) => {
    const { text } = await proxy.admin(`/stats?filter=tcp.${name}.(on_demand|downstream_cx_no_route)`);
    return Object.fromEntries([...text.matchAll(/\.(\w+): (\d+)/g)].map(([, stat, value]) => [stat, Number(value)]));
  };
  const of = (attempt: number, success: number, missing: number, timeout: number) => ({
    downstream_cx_no_route: missing + timeout,
    on_demand_cluster_attempt: attempt,
    on_demand_cluster_missing: missing,
    on_demand_cluster_success: success,
    on_demand_cluster_timeout: timeout,
  });
  assert.deepEqual(await stats('a'), of(2, 2, 0, 0));
  assert.deepEqual(await stats('none'), of(1, 0, 1, 0));
  assert.deepEqual(await stats('slow'), of(1, 0, 0, 1));
});
