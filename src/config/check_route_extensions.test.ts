import assert from 'node:assert/strict';
import test from 'node:test';
import { errorsOf, frontProxy } from './load.testing.ts';

const filterConfig = "'@type': t/envoy.config.route.v3.FilterConfig";
const router = "'@type': t/envoy.extensions.filters.http.router.v3.Router";

const first = (yaml: string): string[] => errorsOf(yaml).map((text) => text.split('\n')[0].replace(/^.*error: /, ''));

/** The reasons given for a front proxy with this in its route action, and beside it. */
function reasons(action: string, beside = ''): string[] {
  const route = `{ match: { prefix: / }, route: { cluster: backend${action} }${beside} }`;
  return first(frontProxy({ routes: `[${route}]` }));
}

test('mirror policies name one cluster, and it exists', () => {
  assert.deepEqual(reasons(', request_mirror_policies: [{ cluster: backend }, { cluster_header: x }]'), []);
  assert.deepEqual(reasons(', request_mirror_policies: [{ cluster: backnd }]'), [
    "route: unknown shadow cluster 'backnd'",
  ]);
  assert.deepEqual(reasons(', request_mirror_policies: [{}]'), [
    'Exactly one of cluster or cluster_header in request mirror policy need to be specified',
  ]);
  assert.deepEqual(reasons(', request_mirror_policies: [{ cluster: backend, cluster_header: x }]'), [
    "Only one of cluster 'backend' or cluster_header 'x' in request mirror policy can be specified",
  ]);
});

test('retry extensions are of their kind', () => {
  const named = (name: string) => `, retry_policy: { retry_host_predicate: [{ name: ${name} }] }`;
  assert.deepEqual(reasons(named('envoy.retry_host_predicates.previous_hosts')), []);
  assert.deepEqual(reasons(named('other')), ["Didn't find a registered implementation for 'other' with type URL: ''"]);
  const wrong = `, retry_policy: { retry_host_predicate: [{ name: x, typed_config: { ${router} } }] }`;
  assert.deepEqual(reasons(wrong), [
    "Didn't find a registered implementation for 'x' with type URL: 'envoy.extensions.filters.http.router.v3.Router'",
  ]);
});

test('internal redirects copy no pseudo header', () => {
  assert.deepEqual(reasons(', internal_redirect_policy: { response_headers_to_copy: [x-fine, Host] }'), [
    ':-prefixed headers or Hosts may not be specified here.',
  ]);
});

test('filters are switched by name, configured only with what they take', () => {
  const own = (config: string) => reasons('', `, typed_per_filter_config: { x: { ${config} } }`);
  assert.deepEqual(own(`${filterConfig}, disabled: true`), []);
  assert.deepEqual(own(`${filterConfig}, config: {}`), []);
  assert.deepEqual(own(filterConfig), ['Empty route/virtual host per filter configuration for x filter']);
  assert.deepEqual(own(router), ["The filter x doesn't support virtual host or route specific configurations"]);
});

test('runtime layers: names once, one admin layer, values that can be read', () => {
  const runtime = (layers: string) => first(frontProxy({ more: `layered_runtime: { layers: [${layers}] }` }));
  assert.deepEqual(runtime('{ name: a, static_layer: { x: { y: 1 } } }, { name: b, admin_layer: {} }'), []);
  assert.deepEqual(runtime('{ name: a, static_layer: {} }, { name: a, static_layer: {} }'), [
    'Duplicate layer name: a',
  ]);
  assert.deepEqual(runtime('{ name: a, admin_layer: {} }, { name: b, admin_layer: {} }'), [
    'Too many admin layers specified in LayeredRuntime, at most one may be specified',
  ]);
  assert.deepEqual(runtime('{ name: a, static_layer: { x: { y: [1] } } }'), ['Invalid runtime entry value for y']);
  assert.deepEqual(runtime('{ name: a, disk_layer: { symlink_root: /x } }'), []);
  assert.deepEqual(runtime('{ name: a, rtds_layer: { name: x } }'), ["'rtds_config' is required"]);
});
