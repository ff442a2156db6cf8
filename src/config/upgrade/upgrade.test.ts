/** The tables of what v1 and v2 said otherwise: each row on its own, as v3 has it. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { findMessageType, messageType } from '../../api/registry.ts';
import { toJson } from '../convert_well_known.ts';
import { Origins } from '../origins.ts';
import { readYaml } from '../read_yaml.ts';
import { Report } from '../report.ts';
import { SourceText } from '../source_text.ts';
import { allExtensions } from './extension_names.ts';
import { v3NameOf } from './previous_names.ts';
import { upgradeTree } from './upgrade.ts';

interface Result {
  // biome-ignore lint/suspicious/noExplicitAny: JSON of any shape, looked into by the tests
  value: any;
  warnings: string[];
  errors: string[];
}

function upgrade(text: string, type = 'envoy.config.bootstrap.v3.Bootstrap'): Result {
  const report = new Report(new Origins());
  const tree = readYaml(new SourceText('t', text), report)!;
  const { tree: made } = upgradeTree(tree, messageType(type), report);
  const lines = (list: typeof report.errors) => list.map(({ line, column, reason }) => `${line}:${column}: ${reason}`);
  return { value: toJson(made), warnings: lines(report.warnings), errors: lines(report.errors) };
}

const types = {
  cluster: 'envoy.config.cluster.v3.Cluster',
  listener: 'envoy.config.listener.v3.Listener',
  chain: 'envoy.config.listener.v3.FilterChain',
  filter: 'envoy.config.listener.v3.Filter',
  httpFilter: 'envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter',
  manager: 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
  route: 'envoy.config.route.v3.Route',
  host: 'envoy.config.route.v3.VirtualHost',
  match: 'envoy.config.route.v3.RouteMatch',
  check: 'envoy.config.core.v3.HealthCheck',
  source: 'envoy.config.core.v3.ConfigSource',
  fault: 'envoy.extensions.filters.http.fault.v3.HTTPFault',
  validation: 'envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext',
  bootstrap: 'envoy.config.bootstrap.v3.Bootstrap',
} as const;
const url = (name: string) => `type.googleapis.com/envoy.extensions.${name}`;
const address = (port: number) => ({ socket_address: { address: '10.0.0.1', port_value: port } });

const v2Rows: readonly (readonly [what: string, type: string, before: string, after: object])[] = [
  [
    'hosts',
    types.cluster,
    'name: a\nhosts: [{ socket_address: { address: 10.0.0.1, port_value: 80 } }, { pipe: { path: /p } }]',
    {
      name: 'a',
      load_assignment: {
        cluster_name: 'a',
        endpoints: [
          {
            lb_endpoints: [{ endpoint: { address: address(80) } }, { endpoint: { address: { pipe: { path: '/p' } } } }],
          },
        ],
      },
    },
  ],
  [
    'tls_context of a cluster',
    types.cluster,
    'tls_context: { sni: x }',
    {
      transport_socket: {
        name: 'envoy.transport_sockets.tls',
        typed_config: { '@type': url('transport_sockets.tls.v3.UpstreamTlsContext'), sni: 'x' },
      },
    },
  ],
  [
    'tls_context of a filter chain',
    types.chain,
    'tls_context: { require_client_certificate: true }',
    {
      transport_socket: {
        name: 'envoy.transport_sockets.tls',
        typed_config: {
          '@type': url('transport_sockets.tls.v3.DownstreamTlsContext'),
          require_client_certificate: true,
        },
      },
    },
  ],
  [
    'drain_connections_on_host_removal',
    types.cluster,
    'drain_connections_on_host_removal: true',
    { ignore_health_on_host_removal: true },
  ],
  ['ORIGINAL_DST_LB', types.cluster, 'lb_policy: original_dst_lb', { lb_policy: 'CLUSTER_PROVIDED' }],
  [
    'use_std_hash',
    types.cluster,
    'ring_hash_lb_config: { deprecated_v1: { use_std_hash: false } }',
    { ring_hash_lb_config: { hash_function: 'XX_HASH' } },
  ],
  [
    'use_http2 of a health check',
    types.check,
    'http_health_check: { path: /, use_http2: true }',
    { http_health_check: { path: '/', codec_client_type: 'HTTP2' } },
  ],
  [
    'service_name of a health check',
    types.check,
    'http_health_check: { path: /, service_name: s }',
    { http_health_check: { path: '/', service_name_matcher: { prefix: 's' } } },
  ],
  [
    'redis_health_check',
    types.check,
    'redis_health_check: { key: k }',
    {
      custom_health_check: {
        name: 'envoy.health_checkers.redis',
        typed_config: { '@type': url('health_checkers.redis.v3.Redis'), key: 'k' },
      },
    },
  ],
  [
    'use_proxy_proto',
    types.listener,
    'filter_chains: [{ use_proxy_proto: true }]',
    {
      filter_chains: [{}],
      listener_filters: [
        {
          name: 'envoy.filters.listener.proxy_protocol',
          typed_config: { '@type': url('filters.listener.proxy_protocol.v3.ProxyProtocol') },
        },
      ],
    },
  ],
  ['bind_to_port', types.listener, 'deprecated_v1: { bind_to_port: false }', { bind_to_port: false }],
  [
    'config of a filter, its name',
    types.httpFilter,
    'name: envoy.lua\nconfig: { inline_code: x }',
    { name: 'envoy.filters.http.lua', typed_config: { '@type': url('filters.http.lua.v3.Lua'), inline_code: 'x' } },
  ],
  [
    'a filter by its old name alone',
    types.httpFilter,
    'name: envoy.router',
    { name: 'envoy.filters.http.router', typed_config: { '@type': url('filters.http.router.v3.Router') } },
  ],
  [
    'a filter whose configuration is empty',
    types.httpFilter,
    'name: envoy.filters.http.router\ntyped_config: {}',
    { name: 'envoy.filters.http.router', typed_config: { '@type': url('filters.http.router.v3.Router') } },
  ],
  [
    'v2 type URLs',
    types.filter,
    `name: x\ntyped_config: { '@type': type.googleapis.com/envoy.config.filter.network.tcp_proxy.v2.TcpProxy, stat_prefix: t }`,
    { name: 'x', typed_config: { '@type': url('filters.network.tcp_proxy.v3.TcpProxy'), stat_prefix: 't' } },
  ],
  [
    'a v2 type in a TypedStruct',
    types.httpFilter,
    `name: x\ntyped_config: { '@type': type.googleapis.com/udpa.type.v1.TypedStruct, type_url: type.googleapis.com/envoy.config.filter.http.fault.v2.HTTPFault, value: { abort: { percent: 5 } } }`,
    {
      name: 'x',
      typed_config: {
        '@type': 'type.googleapis.com/udpa.type.v1.TypedStruct',
        type_url: url('filters.http.fault.v3.HTTPFault'),
        value: { abort: { percentage: { numerator: 5, denominator: 'HUNDRED' } } },
      },
    },
  ],
  [
    'v1 inside v2',
    types.filter,
    'name: envoy.tcp_proxy\nconfig: { deprecated_v1: true, value: { stat_prefix: t, route_config: { routes: [{ cluster: c }] } } }',
    {
      name: 'envoy.filters.network.tcp_proxy',
      typed_config: { '@type': url('filters.network.tcp_proxy.v3.TcpProxy'), stat_prefix: 't', cluster: 'c' },
    },
  ],
  ['regex of a route', types.match, 'regex: /a.*', { safe_regex: { regex: '/a.*' } }],
  [
    'runtime of a route',
    types.match,
    'prefix: /\nruntime: { default_value: 5, runtime_key: k }',
    { prefix: '/', runtime_fraction: { default_value: { numerator: 5, denominator: 'HUNDRED' }, runtime_key: 'k' } },
  ],
  [
    'header matches',
    types.match,
    'headers: [{ name: a, value: x }, { name: b, value: w.*, regex: true }, { name: c, regex_match: z }, { name: d, exact_match: w }]',
    {
      headers: [
        { name: 'a', string_match: { exact: 'x' } },
        { name: 'b', string_match: { safe_regex: { regex: 'w.*' } } },
        { name: 'c', string_match: { safe_regex: { regex: 'z' } } },
        { name: 'd', exact_match: 'w' },
      ],
    },
  ],
  [
    'query parameters',
    types.match,
    'query_parameters: [{ name: a, value: x, regex: true }, { name: b }]',
    { query_parameters: [{ name: 'a', string_match: { safe_regex: { regex: 'x' } } }, { name: 'b' }] },
  ],
  [
    'rewrites, WebSocket, mirror',
    types.route,
    'route: { cluster: c, host_rewrite: h, use_websocket: true, request_mirror_policy: { cluster: m, runtime_key: k } }',
    {
      route: {
        cluster: 'c',
        host_rewrite_literal: 'h',
        upgrade_configs: [{ upgrade_type: 'websocket' }],
        request_mirror_policies: {
          cluster: 'm',
          runtime_fraction: { default_value: { numerator: 0, denominator: 'TEN_THOUSAND' }, runtime_key: 'k' },
        },
      },
    },
  ],
  [
    'cors of a route',
    types.route,
    'route: { cluster: c, cors: { allow_origin: [https://a, "*"], allow_origin_regex: [x.*], enabled: false } }',
    {
      route: { cluster: 'c' },
      typed_per_filter_config: {
        'envoy.filters.http.cors': {
          '@type': url('filters.http.cors.v3.CorsPolicy'),
          allow_origin_string_match: [{ exact: 'https://a' }, { exact: '*' }, { safe_regex: { regex: 'x.*' } }],
          filter_enabled: { default_value: { numerator: 0, denominator: 'HUNDRED' } },
        },
      },
    },
  ],
  [
    'per_filter_config',
    types.host,
    'name: v\nper_filter_config: { envoy.buffer: { disabled: true } }',
    {
      name: 'v',
      typed_per_filter_config: {
        'envoy.filters.http.buffer': { '@type': url('filters.http.buffer.v3.BufferPerRoute'), disabled: true },
      },
    },
  ],
  [
    'virtual clusters',
    types.host,
    'virtual_clusters: [{ name: vc, pattern: /x, method: GET }]',
    {
      virtual_clusters: [
        {
          name: 'vc',
          headers: [
            { name: ':path', string_match: { safe_regex: { regex: '/x' } } },
            { name: ':method', string_match: { exact: 'GET' } },
          ],
        },
      ],
    },
  ],
  ['idle_timeout', types.manager, 'idle_timeout: 5s', { common_http_protocol_options: { idle_timeout: '5s' } }],
  [
    'tags of traces',
    types.manager,
    'tracing: { request_headers_for_tags: [x-a] }',
    { tracing: { custom_tags: [{ tag: 'x-a', request_header: { name: 'x-a' } }] } },
  ],
  [
    'san',
    types.manager,
    'set_current_client_cert_details: { san: true }',
    { set_current_client_cert_details: { uri: true } },
  ],
  [
    'faults',
    types.fault,
    'abort: { percent: 1, http_status: 503 }\ndelay: { type: FIXED, percent: 2, fixed_delay: 1s }',
    {
      abort: { http_status: 503, percentage: { numerator: 1, denominator: 'HUNDRED' } },
      delay: { fixed_delay: '1s', percentage: { numerator: 2, denominator: 'HUNDRED' } },
    },
  ],
  [
    'verify_subject_alt_name',
    types.validation,
    'verify_subject_alt_name: [a.test]',
    {
      match_typed_subject_alt_names: ['DNS', 'URI', 'IP_ADDRESS'].map((kind) => ({
        san_type: kind,
        matcher: { exact: 'a.test' },
      })),
    },
  ],
  [
    'REST_LEGACY',
    types.source,
    'api_config_source: { api_type: REST_LEGACY, cluster_names: [x] }',
    { api_config_source: { api_type: 'DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE', cluster_names: ['x'] } },
  ],
  [
    'cluster_names of gRPC',
    types.source,
    'api_config_source: { api_type: GRPC, cluster_names: [x] }',
    {
      api_config_source: {
        api_type: 'GRPC',
        transport_api_version: 'V2',
        grpc_services: [{ envoy_grpc: { cluster_name: 'x' } }],
      },
    },
  ],
  [
    'runtime',
    types.bootstrap,
    'runtime: { symlink_root: /r, subdirectory: envoy, override_subdirectory: over }',
    {
      layered_runtime: {
        layers: [
          { name: 'root', disk_layer: { symlink_root: '/r', subdirectory: 'envoy' } },
          { name: 'override', disk_layer: { symlink_root: '/r', subdirectory: 'over', append_service_cluster: true } },
          { name: 'admin', admin_layer: {} },
        ],
      },
    },
  ],
  [
    'stats sinks',
    types.bootstrap,
    'stats_sinks: [{ name: envoy.statsd, config: { tcp_cluster_name: c } }]',
    {
      stats_sinks: [
        {
          name: 'envoy.stat_sinks.statsd',
          typed_config: { '@type': 'type.googleapis.com/envoy.config.metrics.v3.StatsdSink', tcp_cluster_name: 'c' },
        },
      ],
    },
  ],
];

for (const [what, type, before, after] of v2Rows) {
  test(`v2: ${what}`, () => {
    const { value, errors } = upgrade(before, type);
    assert.deepEqual(errors, []);
    assert.deepEqual(value, after);
    // What is v3 already stays as it is, and nothing is said of it.
    const again = upgrade(JSON.stringify(value), type);
    assert.deepEqual([again.value, again.warnings], [value, []]);
  });
}

test("v2: the bootstrap's rate limit service and tracing go to the filters and managers that use them", () => {
  const { value, errors } = upgrade(`
rate_limit_service: { grpc_service: { envoy_grpc: { cluster_name: rl } } }
tracing: { http: { name: envoy.zipkin, config: { collector_cluster: z } } }
static_resources:
  listeners:
  - filter_chains:
    - filters:
      - name: envoy.http_connection_manager
        config:
          tracing: { operation_name: EGRESS }
          http_filters: [{ name: envoy.rate_limit, config: { domain: d } }]`);
  assert.deepEqual(errors, []);
  const [listener] = value.static_resources.listeners;
  assert.equal(listener.traffic_direction, 'OUTBOUND');
  const manager = listener.filter_chains[0].filters[0].typed_config;
  assert.deepEqual(manager.tracing.provider, {
    name: 'envoy.tracers.zipkin',
    typed_config: { '@type': 'type.googleapis.com/envoy.config.trace.v3.ZipkinConfig', collector_cluster: 'z' },
  });
  assert.deepEqual(manager.http_filters[0].typed_config.rate_limit_service, {
    grpc_service: { envoy_grpc: { cluster_name: 'rl' } },
    transport_api_version: 'V3',
  });
});

test('v2: a control plane whose version is not told speaks v2, in a v3 file v3', () => {
  const source = 'dynamic_resources: { cds_config: { api_config_source: { api_type: REST, cluster_names: [c] } } }\n';
  const v2 = upgrade(`${source}static_resources: { clusters: [{ name: c, hosts: [] }] }`);
  assert.equal(v2.value.dynamic_resources.cds_config.api_config_source.transport_api_version, 'V2');
  assert.equal(v2.warnings.length, 2);
  const v3 = upgrade(`${source}static_resources: { clusters: [{ name: c }] }`);
  assert.equal(v3.value.dynamic_resources.cds_config.api_config_source.transport_api_version, undefined);
});

test('v1: http_codec_options, before there were http2_settings', () => {
  const cluster = (options: string) =>
    upgrade(`listeners: []
cluster_manager: { clusters: [{ name: a, connect_timeout_ms: 1, type: static, lb_type: random, features: http2, ${options} }] }`);
  const key = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  const { value, errors } = cluster('http_codec_options: no_compression');
  assert.deepEqual(errors, []);
  assert.deepEqual(value.static_resources.clusters[0].typed_extension_protocol_options[key].explicit_http_config, {
    http2_protocol_options: { hpack_table_size: 0 },
  });
  assert.match(cluster('http_codec_options: zip').errors[0], /unknown http codec option 'zip'/);
});

test('what cannot be converted is an error at its place', () => {
  assert.deepEqual(upgrade('name: x\nconfig: { a: 1 }', types.filter).errors, [
    "2:1: no extension is known by the name 'x': its 'config' cannot be read",
  ]);
  assert.deepEqual(upgrade('name: envoy.squash\nconfig: {}', types.httpFilter).errors, [
    "2:1: envoy.squash is gone from Envoy: its 'config' cannot be read",
  ]);
  assert.deepEqual(upgrade('hosts: []\nload_assignment: { cluster_name: a }', types.cluster).errors, [
    "1:1: 'hosts' is the v2 form of 'load_assignment': only one of them may be given",
  ]);
});

test('a warning for each kind of change, at its first place', () => {
  const { warnings } = upgrade(
    'static_resources:\n  clusters:\n  - name: a\n    hosts: []\n  - name: b\n    hosts: []\n',
  );
  assert.deepEqual(warnings, ["4:5: v2 field 'hosts' was converted to 'load_assignment' (2 places)"]);
});

test('every extension of the table has a type that Envoy has', () => {
  for (const { name, type, routeType } of allExtensions()) {
    if (type !== '') assert.ok(findMessageType(type), `${name}: ${type}`);
    if (routeType !== undefined) assert.ok(findMessageType(routeType), `${name}: ${routeType}`);
  }
});

test('v2 names of messages are found in the descriptors', () => {
  assert.equal(v3NameOf('envoy.api.v2.Cluster'), types.cluster);
  assert.equal(
    v3NameOf('envoy.api.v2.auth.UpstreamTlsContext'),
    'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
  );
  assert.equal(
    v3NameOf('envoy.config.filter.http.rate_limit.v2.RateLimit'),
    'envoy.extensions.filters.http.ratelimit.v3.RateLimit',
  );
  assert.equal(
    v3NameOf('envoy.config.accesslog.v2.FileAccessLog'),
    'envoy.extensions.access_loggers.file.v3.FileAccessLog',
  );
  assert.equal(v3NameOf('some.other.Message'), undefined);
});
