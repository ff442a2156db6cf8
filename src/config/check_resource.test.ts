import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromJson } from '@bufbuild/protobuf';
import { type AnyMessage, messageType, registry } from '../api/registry.ts';
import { Slices } from '../common/slices.ts';
import { checkResource, checkResourceInSlices, reasonsOf } from './check_resource.ts';
import { setUnknownFieldPolicy } from './unknown_fields.ts';

function resource(typeName: string, json: unknown): AnyMessage {
  return fromJson(messageType(typeName), json as never, { registry }) as unknown as AnyMessage;
}

test('every error of a discovered resource is named with its full path', () => {
  const cluster = resource('envoy.config.cluster.v3.Cluster', {
    name: 'a',
    connect_timeout: '-1s',
    load_assignment: {
      cluster_name: 'a',
      endpoints: [
        { lb_endpoints: [{ endpoint: { address: { socket_address: { address: 'nowhere', port_value: 99_999 } } } }] },
      ],
    },
  });
  const reasons = reasonsOf(checkResource(cluster, new Set()));
  assert.match(reasons, /^connect_timeout: .*0/);
  assert.match(
    reasons,
    /load_assignment\.endpoints\[0\]\.lb_endpoints\[0\]\.endpoint\.address\.socket_address\.port_value: .*65535/,
  );
  assert.match(reasons, /socket_address\.address: malformed IP address: nowhere/);
});

test('a path leads through what an Any holds', () => {
  const listener = resource('envoy.config.listener.v3.Listener', {
    name: 'l',
    address: { socket_address: { address: '127.0.0.1', port_value: 1 } },
    filter_chains: [
      {
        filters: [
          {
            name: 'hcm',
            typed_config: {
              '@type':
                'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
              stat_prefix: '',
              route_config: { virtual_hosts: [] },
            },
          },
        ],
      },
    ],
  });
  const reasons = reasonsOf(checkResource(listener, new Set()));
  assert.match(reasons, /filter_chains\[0\]\.filters\[0\]\.typed_config\.stat_prefix/);
});

test('clusters of a discovered route table may still come, unless it says that they must be there', () => {
  const table = (validate: boolean | undefined) =>
    resource('envoy.config.route.v3.RouteConfiguration', {
      name: 'r',
      ...(validate === undefined ? {} : { validate_clusters: validate }),
      virtual_hosts: [
        { name: 'v', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'missing' } }] },
      ],
    });
  assert.deepEqual(checkResource(table(undefined), new Set(['here'])).errors, []);
  assert.equal(checkResource(table(true), new Set(['here'])).errors.length, 1);
});

test('fields nobody knows are counted once a kind, refused on request, or ignored', () => {
  const config = {
    name: 'a',
    connect_timeout: '1s',
    load_assignment: { cluster_name: 'a', endpoints: [{ lb_endpoints: [{}] }] },
  };
  const cluster = resource('envoy.config.cluster.v3.Cluster', config);
  const [locality] = (cluster['loadAssignment'] as { endpoints: AnyMessage[] }).endpoints;
  locality.$unknown = [{ no: 1000, wireType: 0, data: new Uint8Array([1]) }];
  let counted = 0;
  const look = (mode: 'reject' | 'warn' | 'ignore') => {
    setUnknownFieldPolicy({ mode, count: () => void counted++ });
    return [checkResource(cluster, new Set()), checkResource(cluster, new Set())][1];
  };
  assert.deepEqual([look('ignore').errors, counted], [[], 0]);
  assert.deepEqual([look('warn').errors, counted], [[], 1]);
  const refused = look('reject');
  assert.equal(refused.breaksRules, true);
  assert.equal(
    reasonsOf(refused),
    'load_assignment.endpoints[0]: Protobuf message (type envoy.config.endpoint.v3.LocalityLbEndpoints with unknown field ' +
      'set {1000}) has unknown fields',
  );
  look('ignore');
});

test('a good resource has no errors', () => {
  const assignment = create(messageType('envoy.config.endpoint.v3.ClusterLoadAssignment'), {
    clusterName: 'a',
  } as never);
  assert.deepEqual(checkResource(assignment as unknown as AnyMessage, new Set()).errors, []);
});

test('a large resource is found bad for the same reasons, bit by bit', async () => {
  const routes = Array.from({ length: 120 }, (_, i) => ({ match: { prefix: `/${i}` }, route: { cluster: 'a' } }));
  const hosts = Array.from({ length: 60 }, (_, i) => ({
    name: `v${i}`,
    domains: [`d${i}`],
    routes: i === 3 ? routes : [],
  }));
  const bad = structuredClone(hosts);
  bad[9].domains = ['d8'];
  bad[3].routes[100].match.prefix = undefined as never;
  const read = (virtual_hosts: object[]) =>
    resource('envoy.config.route.v3.RouteConfiguration', JSON.parse(JSON.stringify({ name: 'r', virtual_hosts })));
  const slices = new Slices(1);
  const none = new Set<string>();
  assert.deepEqual((await checkResourceInSlices(read(hosts), none, slices)).errors, []);
  const found = await checkResourceInSlices(read(bad), none, slices);
  assert.deepEqual(found, checkResource(read(bad), none));
  assert.equal(found.errors.length, 2);
  const listener = { name: 'l', filter_chains: Array.from({ length: 30 }, (_, i) => ({ name: `c${i}` })) };
  const message = resource('envoy.config.listener.v3.Listener', listener);
  const ofChains = await checkResourceInSlices(message, none, slices);
  assert.deepEqual(ofChains, checkResource(message, none));
  assert.ok(ofChains.errors.length > 0);
});

test('endpoints that come by discovery have addresses, not names', () => {
  const address = { socket_address: { address: 'backend.test', port_value: 80 } };
  const assignment = { cluster_name: 'a', endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] };
  const { errors } = checkResource(resource('envoy.config.endpoint.v3.ClusterLoadAssignment', assignment), new Set());
  assert.deepEqual(
    errors.map(({ path, reason }) => [path, reason]),
    [['endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address', 'malformed IP address: backend.test']],
  );
});
