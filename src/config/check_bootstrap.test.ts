import assert from 'node:assert/strict';
import test from 'node:test';
import { factories } from '../extensions/registry.ts';
import type { ExtensionFactory } from '../spi/extension.ts';
import { errorsOf, frontProxy, warningsOf } from './load.testing.ts';
import { loadBootstrap } from './load.ts';

const manager = factories.find(({ name }) => name === 'envoy.filters.network.http_connection_manager')!;
const reasons = (yaml: string) => errorsOf(yaml).map((text) => text.split('\n')[0].replace(/^.*?error: /, ''));
const route = (action: string, match = 'prefix: /') => frontProxy({ routes: `[{ match: { ${match} }, ${action} }]` });

test('a route must lead to a cluster there is', () => {
  const [error] = errorsOf(route('route: { cluster: backnd }'), true);
  assert.equal(
    error,
    `14:87: error: route: unknown cluster 'backnd'
  14 |             - { name: v, domains: ['*'], routes: [{ match: { prefix: / }, route: { cluster: backnd } }] }
     |                                                                                             ^^^^^^
  at static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[0].routes[0].route.cluster
  did you mean 'backend'?`.replace('14:87', '14:93'),
  );
  const weighted =
    'route: { weighted_clusters: { clusters: [{ name: backend, weight: 1 }, { name: other, weight: 1 }] } }';
  assert.deepEqual(reasons(route(weighted)), ["route: unknown weighted cluster 'other'"]);
  const unchecked = route('route: { cluster: nowhere }').replace(
    'virtual_hosts:',
    'validate_clusters: false\n            virtual_hosts:',
  );
  assert.deepEqual(reasons(unchecked), []);
});

test('what makes no sense in a route', () => {
  assert.deepEqual(
    reasons(
      route(
        'route: { cluster: backend, prefix_rewrite: /a, regex_rewrite: { pattern: { regex: b }, substitution: c } }',
      ),
    ),
    ['Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy'],
  );
  assert.deepEqual(reasons(route('route: { weighted_clusters: { clusters: [{ name: backend, weight: 0 }] } }')), [
    'Sum of weights in the weighted_cluster must be greater than 0.',
  ]);
  assert.deepEqual(
    reasons(
      route('route: { cluster: backend, retry_policy: { retry_back_off: { base_interval: 2s, max_interval: 1s } } }'),
    ),
    ['retry_policy.max_interval must greater than or equal to the base_interval'],
  );
  assert.deepEqual(reasons(route('direct_response: { status: 200, body: { filename: /none/there } }')), [
    'file /none/there does not exist',
  ]);
  assert.deepEqual(reasons(route(`direct_response: { status: 200, body: { inline_string: ${'x'.repeat(5000)} } }`)), [
    'response body size is 5000 bytes; maximum is 4096',
  ]);
  assert.deepEqual(reasons(route('direct_response: { status: 200, body: { environment_variable: NUNCIO_NONE } }')), [
    "Environment variable doesn't exist: NUNCIO_NONE",
  ]);
  assert.deepEqual(reasons(route('route: { cluster: backend }', 'safe_regex: { regex: "a(b" }')), ['missing ): a(b']);
  assert.deepEqual(
    reasons(route('route: { cluster: backend }, request_headers_to_add: { header: { key: ":path", value: x } }')),
    [':-prefixed or host headers may not be modified'],
  );
  assert.deepEqual(reasons(route('route: { cluster: backend }, request_headers_to_remove: Host')), [
    ':-prefixed or host headers may not be removed',
  ]);
  assert.deepEqual(
    reasons(route('route: { cluster: backend }, response_headers_to_add: { header: { key: a, value: "%NOPE%" } }')),
    ['Not supported field in StreamInfo: NOPE'],
  );
});

test('domains are unique in a route configuration, whatever their case', () => {
  const domains = (text: string) => frontProxy().replace("domains: ['*']", `domains: ${text}`);
  assert.deepEqual(reasons(domains('[a.b, A.B]')), [
    'Only unique values for domains are permitted. Duplicate entry of domain a.b in route ',
  ]);
  assert.deepEqual(reasons(domains("['*', '*']")), ['Only a single wildcard domain is permitted in route ']);
});

test('the terminal filter is the last one, and an extension stands where its category belongs', () => {
  const router = '{ name: envoy.filters.http.router }';
  assert.deepEqual(reasons(frontProxy({ filters: `[${router}, ${router}]` })), [
    'terminal filter named envoy.filters.http.router of type envoy.filters.http.router must be the last filter in a http filter chain.',
  ]);
  assert.deepEqual(reasons(frontProxy({ filters: '[]' })), []);
  const middle: ExtensionFactory = {
    name: 'envoy.filters.http.middle',
    category: 'envoy.filters.http',
    typeName: 'google.protobuf.Empty',
    load: async () => ({ default: undefined }),
  };
  const { errors } = loadBootstrap({
    yaml: frontProxy({ filters: '[{ name: envoy.filters.http.middle }]' }),
    factories: [manager, middle],
  });
  assert.ok(
    errors.some((e) =>
      e.reason.startsWith(
        'non-terminal filter named envoy.filters.http.middle of type envoy.filters.http.middle is the last',
      ),
    ),
  );
  const wrong =
    "[{ name: x, typed_config: { '@type': t/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: a, cluster: backend } }]";
  assert.deepEqual(reasons(frontProxy({ filters: wrong })), [
    'envoy.filters.network.tcp_proxy is not of envoy.filters.http, which is expected here',
  ]);
});

test('an extension checks its own message, its complaints placed inside of it', () => {
  const strict: ExtensionFactory = {
    name: 'envoy.filters.http.router',
    category: 'envoy.filters.http',
    typeName: 'envoy.extensions.filters.http.router.v3.Router',
    terminal: true,
    validate: (_message, errors) => errors.error('suppress_envoy_headers', 'may not be set'),
    load: async () => ({ default: undefined }),
  };
  const filters =
    "[{ name: x, typed_config: { '@type': t/envoy.extensions.filters.http.router.v3.Router, suppress_envoy_headers: true } }]";
  const { errors } = loadBootstrap({ yaml: frontProxy({ filters }), factories: [manager, strict] });
  const found = errors.find((error) => error.reason === 'may not be set')!;
  assert.equal(found.sourceLine.slice(found.column - 1, found.column + 3), 'true');
  assert.match(found.path, /http_filters\[0\]\.typed_config\.suppress_envoy_headers$/);
});

test('what stands below something unsupported is not complained of; an extension of Envoy is known by its name alone', () => {
  const lua = '{ "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua, what: 1, source_codes: [1] }';
  const router = '{ name: envoy.filters.http.router }';
  assert.deepEqual(reasons(frontProxy({ filters: `[{ name: l, typed_config: ${lua} }, ${router}]` })), [
    'envoy.filters.http.lua is not supported yet',
  ]);
  assert.deepEqual(reasons(frontProxy({ filters: `[{ name: envoy.filters.http.cors }, ${router}]` })), [
    'envoy.filters.http.cors is not supported yet',
  ]);
  const proxy = '"@type": t/envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig';
  const custom = `cluster_type: { name: envoy.clusters.dynamic_forward_proxy, typed_config: { ${proxy} } }`;
  assert.deepEqual(reasons(frontProxy({ cluster: custom })), [
    'envoy.clusters.dynamic_forward_proxy is not supported yet',
  ]);
  const quic =
    'transport_socket: { name: q, typed_config: { "@type": t/envoy.extensions.transport_sockets.quic.v3.QuicUpstreamTransport } }';
  const options = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  const auto = `typed_extension_protocol_options: { ${options}: { "@type": t/${options}, auto_config: {} } }`;
  assert.deepEqual(reasons(frontProxy({ cluster: `${quic}\n    ${auto}` })), [
    'envoy.transport_sockets.quic is not supported yet',
  ]);
});

test('files and folders of configuration that are not there', () => {
  const bootstrap = (source: string) => `dynamic_resources: { cds_config: ${source} }`;
  const missing = ["paths must refer to an existing path in the system: '/none/cds.yaml' does not exist"];
  assert.deepEqual(reasons(bootstrap('{ path: /none/cds.yaml }')), missing);
  assert.deepEqual(reasons(bootstrap('{ path_config_source: { path: /none/cds.yaml } }')), missing);
  const folder = '{ path_config_source: { path: /dev/null, watched_directory: { path: /none/dir } } }';
  assert.deepEqual(reasons(bootstrap(folder)), [
    'unable to add filesystem watch for file /none/dir: No such file or directory',
  ]);
  const runtime = 'layered_runtime: { layers: [{ name: d, disk_layer: { symlink_root: /none/current } }] }';
  assert.deepEqual(reasons(runtime), []);
  assert.match(warningsOf(runtime)[0], /the folder this link belongs in does not exist/);
  assert.deepEqual(reasons('admin: { access_log_path: /none/admin.log }'), [
    "unable to open file '/none/admin.log': No such file or directory",
  ]);
});

test('the cluster of a control plane is one of the file, whose hosts are not discovered', () => {
  const ads = (name: string) =>
    `dynamic_resources: { ads_config: { api_type: GRPC, grpc_services: [{ envoy_grpc: { cluster_name: ${name} } }] } }`;
  const clusters =
    'static_resources: { clusters: [{ name: xds }, { name: eds, type: EDS, eds_cluster_config: { eds_config: { ads: {} } } }] }';
  assert.deepEqual(reasons(`${ads('xds')}\n${clusters}`), []);
  const missing = (name: string) =>
    `envoy.config.core.v3.ApiConfigSource must have a statically defined non-EDS cluster: '${name}' does not exist, was added via api, or is an EDS cluster`;
  assert.deepEqual(reasons(`${ads('xdss')}\n${clusters}`), [missing('xdss')]);
  assert.deepEqual(reasons(`${ads('eds')}\n${clusters}`), [missing('eds')]);
  assert.deepEqual(reasons(frontProxy({ cluster: 'eds_cluster_config: { service_name: x }' })), [
    'eds_cluster_config set in a non-EDS cluster',
  ]);
});

test('what Node does not do to a socket is refused with the reason, or changes nothing', () => {
  const address = (more: string) =>
    `admin: { address: { socket_address: { address: 127.0.0.1, port_value: 0, ${more} } } }`;
  assert.deepEqual(reasons(address('network_namespace_filepath: /run/netns/a')), [
    "'network_namespace_filepath' is not supported: Node.js cannot enter a network namespace",
  ]);
  const bind = 'upstream_bind_config: { freebind: true, socket_options: [{ level: 1, name: 2, int_value: 3 }] }';
  assert.deepEqual(reasons(frontProxy({ cluster: bind })), [
    "'freebind' is not supported: Node.js cannot set IP_FREEBIND",
    "'socket_options' is not supported: Node.js cannot set options of a socket before it connects",
  ]);
  const listener =
    'static_resources: { listeners: [{ address: { socket_address: { address: "::0", port_value: 0, ipv4_compat: true } }, ' +
    'filter_chains: [{}], tcp_fast_open_queue_length: 5, enable_mptcp: true }] }';
  assert.deepEqual(reasons(listener), []);
  assert.equal(warningsOf(listener).length, 2);
});

test('the log format: text or JSON, whose text must be escaped', () => {
  const format = (text: string) => reasons(`application_log_config: { log_format: { ${text} } }`);
  assert.deepEqual(format('text_format: "[%_] %v"'), []);
  assert.deepEqual(format('json_format: { level: "%l", text: "%j" }'), []);
  assert.deepEqual(format('json_format: { in: { text: "%v" } }'), [
    'setJsonLogFormat error: INVALID_ARGUMENT: Usage of %v is unavailable for JSON log formats',
  ]);
});

test('an operator that cannot be deep in the format of an access log', () => {
  const manager = (operator: string) =>
    frontProxy({
      manager: `access_log: [{ name: f, typed_config: { '@type': type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: /dev/null, log_format: { json_format: { a: { b: "${operator}" } } } } }]`,
    });
  assert.deepEqual(reasons(manager('%PROTOCOL%')), []);
  assert.deepEqual(reasons(manager('%REQ()%')), ['REQ requires parameters']);
});

test('stats_config: tags, buckets and names to leave out', () => {
  const stats = (text: string) => reasons(`stats_config: ${text}`);
  assert.deepEqual(stats('{ stats_tags: [{ tag_name: envoy.cluster_name }, { tag_name: a, regex: "(b)" }] }'), []);
  assert.deepEqual(stats('{ stats_tags: [{ tag_name: nope }] }'), [
    "No regex specified for tag specifier and no default regex for name: 'nope'",
  ]);
  assert.match(stats('{ stats_tags: [{ tag_name: a, regex: "((" }] }')[0], /^Invalid regex '\(\(': /);
  assert.equal(stats('{ stats_matcher: {} }').length, 1);
  assert.equal(stats('{ stats_matcher: { exclusion_list: {} } }').length, 1);
  const buckets = (list: string) =>
    stats(`{ histogram_bucket_settings: [{ match: { prefix: a }, buckets: [${list}] }] }`).length;
  assert.deepEqual([buckets('1, 2.5'), buckets('0'), buckets('1, 1')], [0, 1, 1]);
});

test('listeners: addresses, names and chains', () => {
  const listener = (name: string, port: number, rest = 'filter_chains: [{}]', ip = '127.0.0.1') =>
    `{ name: ${name}, address: { socket_address: { address: "${ip}", port_value: ${port} } }, ${rest} }`;
  const all = (...texts: string[]) => `static_resources: { listeners: [${texts.join(', ')}] }`;
  const again = all(listener('a', 81), listener('a', 82));
  assert.deepEqual(reasons(again), []);
  assert.match(warningsOf(again)[0], /an earlier listener has the name 'a': this one is ignored, as in Envoy/);
  assert.deepEqual(reasons(all('{ name: i, internal_listener: {}, filter_chains: [{}] }')), [
    "'internal_listener' is not supported yet",
  ]);
  const udp = listener('u', 81, '', '127.0.0.1').replace('port_value', 'protocol: UDP, port_value');
  assert.deepEqual(reasons(all(listener('a', 81), udp)), ['protocol UDP is not supported yet']);
  assert.deepEqual(reasons(all(listener('a', 81), listener('b', 81))), [
    "listener 'b' has the address 127.0.0.1:81 of listener 'a'",
  ]);
  assert.deepEqual(reasons(all(listener('a', 0), listener('b', 0))), []);
  assert.deepEqual(reasons(all(listener('a', 81, 'filter_chains: []'))), ['no filter chains specified']);
  assert.deepEqual(reasons(all(listener('a', 81, 'filter_chains: [{}, {}]'))), [
    "filter chain '' has the same matching rules defined as ''",
  ]);
  assert.deepEqual(reasons(all(listener('a', 81, undefined, 'localhost'))), ['malformed IP address: localhost']);
  assert.deepEqual(reasons(all(listener('a', 81, undefined, '::1'))), []);
  assert.deepEqual(reasons(all('{ filter_chains: [{}] }')), ["'address' is required"]);
});

test('clusters: names, addresses, HTTP/2 only where nothing leads', () => {
  assert.deepEqual(reasons(frontProxy({ more: '  - name: backend' })), ["duplicate cluster 'backend'"]);
  const hosts = (address: string) =>
    `load_assignment: { cluster_name: x, endpoints: { lb_endpoints: { endpoint: { address: { socket_address: { address: ${address}, port_value: 80 } } } } } }`;
  const [named] = errorsOf(frontProxy({ cluster: hosts('service1') }));
  assert.match(named, /malformed IP address: service1\n/);
  assert.match(named, /set the cluster's type to STRICT_DNS to have names resolved$/);
  assert.deepEqual(reasons(frontProxy({ cluster: hosts('127.0.0.1') })), []);
  assert.deepEqual(reasons(frontProxy({ cluster: `type: STRICT_DNS\n    ${hosts('service1')}` })), []);
  assert.deepEqual(reasons(frontProxy({ cluster: 'type: EDS' })), [
    'cannot create an EDS cluster without an EDS config',
  ]);
  assert.deepEqual(reasons(frontProxy({ cluster: 'http2_protocol_options: {}' })), []);
  const modern = `typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        '@type': t/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http2_protocol_options: {} }`;
  assert.deepEqual(reasons(frontProxy({ cluster: modern })), []);
  assert.deepEqual(reasons(frontProxy({ cluster: modern.replace('http2_', 'http3_') })), [
    "'http3_protocol_options' is not supported yet",
  ]);
  assert.deepEqual(reasons(frontProxy({ cluster: modern.replace(/explicit_.*/, 'auto_config: {}') })), [
    'ALPN configured for cluster backend which has a non-ALPN transport socket',
  ]);
  assert.deepEqual(reasons(frontProxy({ cluster: modern.replace('.HttpProtocolOptions:\n', ':\n') })), [
    "Didn't find a registered network or http filter or protocol options implementation for name: 'envoy.extensions.upstreams.http.v3'",
  ]);
});
