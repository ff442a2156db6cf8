import assert from 'node:assert/strict';
import test from 'node:test';
import { toJson } from '@bufbuild/protobuf';
import { type AnyMessage, messageType, registry } from '../api/registry.ts';
import { readLegacyReply } from './legacy_replies.ts';
import { legacyRestSource } from './subscription_factory.ts';

const types = {
  endpoints: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  cluster: 'envoy.config.cluster.v3.Cluster',
  routes: 'envoy.config.route.v3.RouteConfiguration',
  listener: 'envoy.config.listener.v3.Listener',
};

function json(message: AnyMessage): unknown {
  return toJson(messageType(message.$typeName), message, { registry, useProtoFieldName: true });
}

function read(type: string, name: string, body: unknown) {
  return readLegacyReply(type, name, JSON.stringify(body), legacyRestSource('registry', 1500));
}

test('registered hosts are endpoints, those of a zone together', () => {
  const [{ name, message }] = read(types.endpoints, 'svc', {
    hosts: [
      { ip_address: '10.0.0.1', port: 80, tags: { az: 'a', canary: true, load_balancing_weight: 50 } },
      { ip_address: '10.0.0.2', port: 81, tags: { az: 'b' }, service_repo_name: 'x' },
      { ip_address: '10.0.0.3', port: 82, tags: { az: 'a', canary: 'false' } },
      { ip_address: '::1', port: 83 },
    ],
    env: 'test',
  });
  assert.equal(name, 'svc');
  const endpoint = (address: string, port_value: number) => ({
    endpoint: { address: { socket_address: { address, port_value } } },
  });
  assert.deepEqual(json(message), {
    cluster_name: 'svc',
    endpoints: [
      {
        locality: { zone: 'a' },
        lb_endpoints: [
          {
            ...endpoint('10.0.0.1', 80),
            load_balancing_weight: 50,
            metadata: { filter_metadata: { 'envoy.lb': { canary: true } } },
          },
          endpoint('10.0.0.3', 82),
        ],
      },
      { locality: { zone: 'b' }, lb_endpoints: [endpoint('10.0.0.2', 81)] },
      { lb_endpoints: [endpoint('::1', 83)] },
    ],
  });
});

test('clusters, routes and listeners are read as in a v1 file', () => {
  const clusters = read(types.cluster, '', {
    clusters: [
      { name: 'a', type: 'sds', service_name: 's', connect_timeout_ms: 100, lb_type: 'random' },
      {
        name: 'b',
        type: 'static',
        connect_timeout_ms: 100,
        lb_type: 'round_robin',
        hosts: [{ url: 'tcp://10.0.0.1:80' }],
      },
    ],
  });
  assert.deepEqual(
    clusters.map(({ name }) => name),
    ['a', 'b'],
  );
  assert.deepEqual((json(clusters[0].message) as { eds_cluster_config: unknown }).eds_cluster_config, {
    service_name: 's',
    eds_config: { api_config_source: { cluster_names: ['registry'], refresh_delay: '1.500s' } },
  });
  const [routes] = read(types.routes, 'table', {
    virtual_hosts: [{ name: 'v', domains: ['*'], routes: [{ prefix: '/', cluster: 'a', timeout_ms: 0 }] }],
  });
  assert.deepEqual(json(routes.message), {
    name: 'table',
    virtual_hosts: [
      { name: 'v', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'a', timeout: '0s' } }] },
    ],
  });
  const [listener] = read(types.listener, '', {
    listeners: [{ name: 'l', address: 'tcp://127.0.0.1:80', filters: [{ type: 'read', name: 'echo', config: {} }] }],
  });
  assert.equal(listener.name, 'l');
});

test('a reply that cannot be used says why, and is used in no part', () => {
  assert.throws(() => read(types.endpoints, 's', { host: [] }), /1:1: 'hosts' is missing/);
  assert.throws(() => read(types.endpoints, 's', { hosts: [{ ip_address: 'x' }] }), /needs 'ip_address' and 'port'/);
  assert.throws(
    () => read(types.endpoints, 's', { hosts: [{ ip_address: 'x', port: 1, tags: { load_balancing_weight: 500 } }] }),
    /from 1 to 100/,
  );
  assert.throws(() => readLegacyReply(types.endpoints, 's', '<html>', undefined), /expected a map/);
  assert.throws(() => readLegacyReply(types.endpoints, 's', '', undefined), /the reply is empty/);
  assert.throws(
    () => read(types.cluster, '', { clusters: [{ name: 'a', type: 'sd', connect_timeout_ms: 1 }] }),
    /1:\d+: unknown type 'sd'/,
  );
  assert.throws(() => readLegacyReply('x.Y', '', '{}', undefined), /no v1 service/);
});
