/** Load reports (LRS) through real workers: what a server that asks for them is told, and how often. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { envoy } from '../../src/api/envoy_types.ts';
import { bootstrap, cluster, httpListener, type Json, loopback, route } from '../support/bootstrap.ts';
import { MessageServer } from '../support/message_server.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { request } from '../support/raw_client.ts';
import { respond, startUpstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

type LoadStatsRequest = envoy.service.load_stats.v3.LoadStatsRequest;
type ClusterStats = envoy.config.endpoint.v3.ClusterStats;

const running: (() => unknown)[] = [];
after(async () => {
  for (const stop of running.reverse()) await stop();
});

async function startServer(port = 0): Promise<MessageServer<LoadStatsRequest>> {
  const type = 'envoy.service.load_stats.v3.LoadStats';
  const server = new MessageServer<LoadStatsRequest>(`${type}Request`, `${type}Response`);
  await server.start(port);
  running.push(() => server.stop().catch(() => {}));
  return server;
}

async function host(status: number): Promise<number> {
  const upstream = await startUpstream({ respond: (_request, socket) => respond(socket, { status }) });
  running.push(() => upstream.close());
  return upstream.port;
}

function locality(zone: string, port: number, priority = 0): Json {
  return { locality: { region: 'r', zone }, priority, lb_endpoints: [{ endpoint: { address: loopback(port) } }] };
}

async function start(server: MessageServer<LoadStatsRequest>): Promise<RunningProxy> {
  const app = cluster('app', [], {
    lrs_server: { self: {} },
    load_assignment: {
      cluster_name: 'app',
      endpoints: [locality('good', await host(200)), locality('bad', await host(500))],
    },
  });
  const lrs = cluster('lrs', [server.port], { http2_protocol_options: {} });
  const load_stats_config = {
    api_type: 'GRPC',
    transport_api_version: 'V3',
    grpc_services: [{ envoy_grpc: { cluster_name: 'lrs' } }],
  };
  const config = bootstrap([httpListener('l', [route('/', 'app')])], [app, cluster('other', [1]), lrs], {
    node: { id: 'n', cluster: 'c' },
    cluster_manager: { load_stats_config },
  });
  const proxy = await startProxy(config, { concurrency: 2 });
  running.push(() => proxy.stop());
  return proxy;
}

const interval = { seconds: 0n, nanos: 100_000_000 };

test('the requests of each locality and endpoint, at the interval the server asks for', async () => {
  const server = await startServer();
  const proxy = await start(server);
  const port = proxy.port('l');
  const stream = await waitFor('a stream', () => server.streams[0]);
  assert.equal(stream.path, '/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats');
  const [first] = await waitFor('the first request', () => (stream.received.length > 0 ? stream.received : undefined));
  assert.equal(first.node?.id, 'n');
  assert.ok(first.node?.clientFeatures.includes('envoy.lrs.supports_send_all_clusters'));
  assert.deepEqual(first.clusterStats, []);
  // Before it is asked for.
  for (let i = 0; i < 4; i++) await request(port, '/');
  stream.send({ clusters: ['app', 'nobody'], loadReportingInterval: interval, reportEndpointGranularity: true });
  await waitFor('reports', () => stream.received.length > 2);
  for (let i = 0; i < 10; i++) await request(port, '/');
  const totals = () => {
    const sums = { good: 0n, bad: 0n, error: 0n, success: 0n, endpoints: 0n };
    for (const { clusterStats } of stream.received) {
      for (const { upstreamLocalityStats } of clusterStats) {
        for (const stats of upstreamLocalityStats) {
          sums[stats.locality?.zone as 'good'] += stats.totalIssuedRequests;
          sums.success += stats.totalSuccessfulRequests;
          sums.error += stats.totalErrorRequests;
          for (const each of stats.upstreamEndpointStats) sums.endpoints += each.totalIssuedRequests;
        }
      }
    }
    return sums;
  };
  await waitFor('all requests', () => totals().endpoints >= 10n);
  assert.deepEqual(totals(), { good: 5n, bad: 5n, error: 5n, success: 5n, endpoints: 10n });
  const reports: ClusterStats[] = stream.received.slice(1).flatMap(({ clusterStats }) => clusterStats);
  assert.deepEqual(new Set(reports.map(({ clusterName }) => clusterName)), new Set(['app']));
  for (const { loadReportInterval } of reports) {
    assert.ok(
      loadReportInterval !== undefined && loadReportInterval.nanos + Number(loadReportInterval.seconds) * 1e9 > 5e7,
    );
  }
  stream.send({ sendAllClusters: true, loadReportingInterval: interval });
  await waitFor('all clusters', () => stream.received.at(-1)?.clusterStats.length === 3);
  const endpoints = stream.received.at(-1)!.clusterStats.flatMap((each) => each.upstreamLocalityStats);
  assert.ok(endpoints.every((each) => each.upstreamEndpointStats.length === 0));
  assert.ok((await proxy.stat('load_reporter.requests')) >= 3);
  assert.equal(await proxy.stat('load_reporter.responses'), 2);
});

test('a server that goes is asked again', async () => {
  const server = await startServer();
  const proxy = await start(server);
  await waitFor('a stream', () => server.streams.length > 0);
  server.streams[0].end();
  await waitFor('the next', () => server.streams.length > 1);
  const { port } = server;
  await server.stop();
  await waitFor('errors', async () => (await proxy.stat('load_reporter.errors')) >= 2);
  const next = await startServer(port);
  const stream = await waitFor('the server that is back', () => next.streams[0], { withinMs: 10_000 });
  stream.send({ sendAllClusters: true, loadReportingInterval: interval });
  await waitFor('reports', () => stream.received.some(({ clusterStats }) => clusterStats.length === 3));
  assert.equal((await request(proxy.port('l'), '/')).status > 0, true);
});
