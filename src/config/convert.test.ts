import assert from 'node:assert/strict';
import test from 'node:test';
import type { Any } from '@bufbuild/protobuf/wkt';
import { HttpConnectionManager_CodecType } from '../api/enums.ts';
import { unpackAny } from '../api/registry.ts';
import { errorsOf, frontProxy, load } from './load.testing.ts';

const cluster = (text: string) => `static_resources: { clusters: [{ name: c, ${text} }] }`;

function loaded(yaml: string) {
  const { bootstrap, errors } = load(yaml);
  assert.deepEqual(errors, []);
  return bootstrap!;
}

function manager(text: string) {
  const { configType } = loaded(frontProxy({ manager: text })).staticResources!.listeners[0].filterChains[0].filters[0];
  return unpackAny(
    configType.value as Any,
    'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
  );
}

test('what Envoy takes beyond protobuf JSON is taken', () => {
  assert.equal(manager('codec_type: http1').codecType, HttpConnectionManager_CodecType.HTTP1);
  assert.equal(manager('codecType: 1').codecType, HttpConnectionManager_CodecType.HTTP1);
  assert.equal(manager('codec_type: "1"').codecType, HttpConnectionManager_CodecType.HTTP1);
  for (const yes of ['yes', 'On', '"true"', '"1"', 't'])
    assert.equal(manager(`use_remote_address: ${yes}`).useRemoteAddress, true);
  assert.equal(manager('use_remote_address: null').useRemoteAddress, undefined);
  for (const number of ['010', '8', '8.0', '"8"', '"0x8"', '0x8', '8e0', '08']) {
    assert.equal(manager(`xff_num_trusted_hops: ${number}`).xffNumTrustedHops, 8);
  }
});

test('a bare value is a list of one, lists in lists are one list, null in a list is the empty value', () => {
  const node = (text: string) => loaded(`node: { client_features: ${text} }`).node!.clientFeatures;
  assert.deepEqual(node('a'), ['a']);
  assert.deepEqual(node('[[a, b], [c]]'), ['a', 'b', 'c']);
  assert.deepEqual(node('[a, null]'), ['a', '']);
  const { clusters } = loaded('static_resources: { clusters: { name: c } }').staticResources!;
  assert.equal(clusters.length, 1);
});

test('well-known types have their own forms', () => {
  const node = loaded('node: { metadata: { a: 1, b: 1.5, c: yes, d: null, e: [x, {}], 5: x } }').node!;
  assert.deepEqual(node.metadata, { a: 1, b: '1.5', c: true, d: null, e: ['x', {}], 5: 'x' });
  const duration = (text: string) =>
    loaded(cluster(`connect_timeout: ${text}`)).staticResources!.clusters[0].connectTimeout!;
  assert.deepEqual([duration('1.5s').seconds, duration('1.5s').nanos], [1n, 500_000_000]);
  assert.deepEqual([duration('0.000000001s').seconds, duration('0.000000001s').nanos], [0n, 1]);
});

test('a TypedStruct is what it stands for, its fields checked', () => {
  const typed = (fields: string) =>
    `[{ name: r, typed_config: { '@type': t/xds.type.v3.TypedStruct, type_url: t/envoy.extensions.filters.http.router.v3.Router, value: { ${fields} } } }]`;
  assert.deepEqual(errorsOf(frontProxy({ filters: typed('suppressEnvoyHeaders: true') })), []);
  const [error] = errorsOf(frontProxy({ filters: typed('suppress_envoy_header: true') }));
  assert.match(error, /unknown field 'suppress_envoy_header' in envoy.extensions.filters.http.router.v3.Router/);
  assert.match(error, /did you mean 'suppress_envoy_headers'\?/);
});

test('each kind of wrong value has its words, its place and a suggestion', () => {
  const cases: [string, string][] = [
    [
      'nod: {}',
      `1:1: error: unknown field 'nod' in envoy.config.bootstrap.v3.Bootstrap
  1 | nod: {}
    | ^^^
  at nod
  did you mean 'node'?`,
    ],
    [
      'node: { id: 123 }',
      `1:13: error: expected a string, got the number 123
  1 | node: { id: 123 }
    |             ^^^
  at node.id
  write it in quotes: '123'`,
    ],
    [
      'node: { id: { a: b } }',
      `1:13: error: expected a string, got a map
  1 | node: { id: { a: b } }
    |             ^^^^^^^^
  at node.id`,
    ],
    [
      'node: 5',
      `1:7: error: expected a map, got the number 5
  1 | node: 5
    |       ^
  at node`,
    ],
    [
      cluster('connect_timeout: 1m'),
      `1:60: error: expected a duration such as 0.25s, got the string '1m'
  1 | static_resources: { clusters: [{ name: c, connect_timeout: 1m }] }
    |                                                            ^^
  at static_resources.clusters[0].connect_timeout
  did you mean '60s'?`,
    ],
    [
      cluster('lb_policy: LEST_REQUEST'),
      `1:54: error: unknown value 'LEST_REQUEST'
  1 | static_resources: { clusters: [{ name: c, lb_policy: LEST_REQUEST }] }
    |                                                      ^^^^^^^^^^^^
  at static_resources.clusters[0].lb_policy
  did you mean 'LEAST_REQUEST'? expected one of ROUND_ROBIN, LEAST_REQUEST, RING_HASH, RANDOM, MAGLEV, CLUSTER_PROVIDED, LOAD_BALANCING_POLICY_CONFIG`,
    ],
    [
      cluster('type: foo'),
      `1:49: error: unknown value 'foo'
  1 | static_resources: { clusters: [{ name: c, type: foo }] }
    |                                                 ^^^
  at static_resources.clusters[0].type
  expected one of STATIC, STRICT_DNS, LOGICAL_DNS, EDS, ORIGINAL_DST`,
    ],
    [
      cluster('respect_dns_ttl: 1'),
      `1:60: error: expected true or false, got the number 1
  1 | static_resources: { clusters: [{ name: c, respect_dns_ttl: 1 }] }
    |                                                            ^
  at static_resources.clusters[0].respect_dns_ttl`,
    ],
    [
      cluster('max_requests_per_connection: -1'),
      `1:72: error: expected a whole number from 0 to 4294967295, got -1
  1 | static_resources: { clusters: [{ name: c, max_requests_per_connection: -1 }] }
    |                                                                        ^^
  at static_resources.clusters[0].max_requests_per_connection`,
    ],
    [
      cluster('max_requests_per_connection: 1.5'),
      `1:72: error: expected a whole number, got the string '1.5'
  1 | static_resources: { clusters: [{ name: c, max_requests_per_connection: 1.5 }] }
    |                                                                        ^^^
  at static_resources.clusters[0].max_requests_per_connection`,
    ],
    [
      cluster('type: STATIC, cluster_type: { name: x }'),
      `1:57: error: only one of 'type' and 'cluster_type' may be given
  1 | static_resources: { clusters: [{ name: c, type: STATIC, cluster_type: { name: x } }] }
    |                                                         ^^^^^^^^^^^^
  at static_resources.clusters[0].cluster_type`,
    ],
    [
      cluster('typed_extension_protocol_options: { x: 1 }'),
      `1:82: error: expected a map with '@type', got the number 1
  1 | static_resources: { clusters: [{ name: c, typed_extension_protocol_options: { x: 1 } }] }
    |                                                                                  ^
  at static_resources.clusters[0].typed_extension_protocol_options["x"]`,
    ],
  ];
  for (const [yaml, expected] of cases) assert.equal(errorsOf(yaml, true)[0], expected);
});

test('@type must be there, be a URL and be known', () => {
  const filters = (config: string) => `[{ name: r, typed_config: { ${config} } }]`;
  const first = (config: string) =>
    errorsOf(frontProxy({ filters: filters(config) }))[0]
      .split('\n')
      .filter((l) => !/[|]/.test(l));
  assert.deepEqual(first('suppress_envoy_headers: true'), [
    "11:51: error: '@type' is missing: it says which message this is",
  ]);
  assert.deepEqual(first("'@type': envoy.extensions.filters.http.router.v3.Router"), [
    '11:62: error: expected a type URL such as type.googleapis.com/package.Message',
    "  did you mean 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router'?",
  ]);
  assert.deepEqual(first("'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Ruoter"), [
    "11:62: error: unknown message type 'envoy.extensions.filters.http.router.v3.Ruoter'",
    "  did you mean 'envoy.extensions.filters.http.router.v3.Router'?",
  ]);
});

test('filters by name alone: the old names too, but not what needs a configuration or is not known', () => {
  for (const name of ['envoy.filters.http.router', 'envoy.router']) {
    assert.deepEqual(errorsOf(frontProxy({ filters: `[{ name: ${name} }]` })), []);
    assert.deepEqual(errorsOf(frontProxy({ filters: `[{ name: ${name}, typed_config: {} }]` })), []);
  }
  const [unknown] = errorsOf(frontProxy({ filters: '[{ name: envoy.filters.http.nothing }]' }));
  assert.match(
    unknown,
    /'typed_config' is missing: no extension is known by the name 'envoy.filters.http.nothing' alone/,
  );
  const chain = `static_resources: { listeners: [{ address: { socket_address: { address: 127.0.0.1, port_value: 0 } },
    filter_chains: [{ filters: [{ name: envoy.filters.network.tcp_proxy }] }] }] }`;
  assert.deepEqual(
    errorsOf(chain).map((error) => error.split('\n')[0]),
    [
      '2:35: error: one of cluster, weighted_clusters is required',
      "2:35: error: 'stat_prefix' is required (it must not be empty)",
    ],
  );
});
