/** Health discovery (HDS): checks that a management server asks for, and what it is told of them. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { envoy } from '../../src/api/envoy_types.ts';
import { bootstrap, cluster } from '../support/bootstrap.ts';
import { MessageServer } from '../support/message_server.ts';
import { startProxy } from '../support/proxy.ts';
import { respond, startUpstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

type Request = envoy.service.health.v3.HealthCheckRequestOrEndpointHealthResponse;

const running: (() => unknown)[] = [];
after(async () => {
  for (const stop of running.reverse()) await stop();
});

function endpoint(port: number): unknown {
  const value = { address: '127.0.0.1', portSpecifier: { case: 'portValue', value: port } };
  return { address: { address: { case: 'socketAddress', value } } };
}

const check = {
  timeout: { seconds: 1n },
  interval: { nanos: 50_000_000 },
  noTrafficInterval: { nanos: 50_000_000 },
  unhealthyThreshold: 1,
  healthyThreshold: 1,
  healthChecker: { case: 'httpHealthCheck', value: { path: '/health', host: 'h' } },
};

test('hosts are checked, and each change is reported', async () => {
  let healthy = true;
  const paths = new Set<string>();
  const host = await startUpstream({
    respond: ({ path }, socket) => {
      paths.add(path);
      respond(socket, { status: healthy ? 200 : 503 });
    },
  });
  running.push(() => host.close());
  const type = 'envoy.service.health.v3.';
  const server = new MessageServer<Request>(
    `${type}HealthCheckRequestOrEndpointHealthResponse`,
    `${type}HealthCheckSpecifier`,
  );
  await server.start();
  running.push(() => server.stop());
  const hds_config = {
    api_type: 'GRPC',
    transport_api_version: 'V3',
    grpc_services: [{ envoy_grpc: { cluster_name: 'hds' } }],
  };
  const hds = cluster('hds', [server.port], { http2_protocol_options: {} });
  const proxy = await startProxy(bootstrap([], [hds], { node: { id: 'n', cluster: 'c' }, hds_config }));
  running.push(() => proxy.stop());
  const stream = await waitFor('a stream', () => server.streams[0]);
  assert.equal(stream.path, '/envoy.service.health.v3.HealthDiscoveryService/StreamHealthCheck');
  const { requestType } = await waitFor('the first message', () => stream.received[0]);
  assert.ok(requestType.case === 'healthCheckRequest');
  assert.equal(requestType.value.node?.id, 'n');
  assert.deepEqual(requestType.value.capability?.healthCheckProtocols, [0]);
  const localityEndpoints = [{ locality: { zone: 'z' }, endpoints: [endpoint(host.port), endpoint(1)] }];
  stream.send({
    interval: { nanos: 100_000_000 },
    clusterHealthChecks: [
      { clusterName: 'app', healthChecks: [check], localityEndpoints },
      { clusterName: 'unchecked', healthChecks: [], localityEndpoints },
    ],
  });
  const found = () => {
    const last = stream.received.at(-1)?.requestType;
    if (last?.case !== 'endpointHealthResponse') return undefined;
    const [app, ...others] = last.value.clusterEndpointsHealth;
    assert.deepEqual(others, []);
    assert.equal(app.clusterName, 'app');
    assert.equal(app.localityEndpointsHealth[0].locality?.zone, 'z');
    assert.equal(last.value.endpointsHealth.length, 2);
    return app.localityEndpointsHealth[0].endpointsHealth.map(({ healthStatus }) => healthStatus).join();
  };
  await waitFor('one healthy, one not', () => found() === '1,2');
  assert.deepEqual(paths, new Set(['/health']));
  healthy = false;
  await waitFor('none healthy', () => found() === '2,2');
  healthy = true;
  await waitFor('healthy again', () => found() === '1,2');
  assert.equal(await proxy.stat('hds_delegate.updates'), 1);
  assert.ok((await proxy.stat('hds_delegate.responses')) >= 3);
  stream.end();
  await waitFor('the stream is opened again', () => server.streams.length === 2);
});
