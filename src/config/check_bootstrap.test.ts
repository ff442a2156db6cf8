import assert from 'node:assert/strict';
import test from 'node:test';
import type { ExtensionFactory } from '../spi/extension.ts';
import { errorsOf, frontProxy } from './load.testing.ts';
import { loadBootstrap } from './load.ts';

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
    factories: [middle],
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
  const { errors } = loadBootstrap({ yaml: frontProxy({ filters }), factories: [strict] });
  const found = errors.find((error) => error.reason === 'may not be set')!;
  assert.equal(found.sourceLine.slice(found.column - 1, found.column + 3), 'true');
  assert.match(found.path, /http_filters\[0\]\.typed_config\.suppress_envoy_headers$/);
});

test('listeners: addresses, names and chains', () => {
  const listener = (name: string, port: number, rest = 'filter_chains: [{}]', ip = '127.0.0.1') =>
    `{ name: ${name}, address: { socket_address: { address: "${ip}", port_value: ${port} } }, ${rest} }`;
  const all = (...texts: string[]) => `static_resources: { listeners: [${texts.join(', ')}] }`;
  assert.deepEqual(reasons(all(listener('a', 81), listener('a', 82))), ["duplicate listener 'a'"]);
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
