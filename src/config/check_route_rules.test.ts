/** What Envoy refuses of routes; the texts are its own, as its validation prints them. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { errorsOf, frontProxy } from './load.testing.ts';

const reasons = (yaml: string) => errorsOf(yaml).map((text) => text.split('\n')[0].replace(/^.*?error: /, ''));
const route = (action: string, match = 'prefix: /') =>
  reasons(frontProxy({ routes: `[{ match: { ${match} }, route: { cluster: backend, ${action} } }]` }));

const template = (text: string) =>
  `path_match_policy: { name: m, typed_config: { '@type': t/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig, path_template: "${text}" } }`;
const rewrite = (text: string) =>
  `path_rewrite_policy: { name: r, typed_config: { '@type': t/envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig, path_template_rewrite: "${text}" } }`;

test('path templates', () => {
  assert.deepEqual(route(rewrite('/{b}/{a}'), template('/x/{a}/{b}')), []);
  assert.deepEqual(route('timeout: 1s', template('/x/{a/{b}')), [
    'path_match_policy.path_template /x/{a/{b} is invalid: Invalid variable name',
  ]);
  assert.deepEqual(route(rewrite('/{c}'), template('/x/{a}')), [
    'mismatch between variables in path_match_policy /x/{a} and path_rewrite_policy /{c}',
  ]);
  assert.deepEqual(route('prefix_rewrite: /y', template('/x/{a}')), [
    'Cannot use prefix_rewrite with matcher extension',
  ]);
  assert.match(route(rewrite('/{a}'))[0], /^unable to use .* without envoy\.path\.match\.uri_template/);
});

test('formats of hosts and paths', () => {
  assert.deepEqual(route("host_rewrite: '%REQ(x)%', path_rewrite: '/%REQ(y)%'"), []);
  assert.match(route("host_rewrite: '%NONE(y)%'")[0], /^Failed to create host rewrite formatter: INVALID_ARGUMENT: /);
  assert.match(route("path_rewrite: '%REQ('")[0], /^Failed to create path rewrite formatter: /);
  assert.deepEqual(route('path_rewrite: /a, prefix_rewrite: /b'), [
    'Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy',
  ]);
});

test('upgrades, weights, virtual clusters', () => {
  const upgrades = (text: string) => route(`upgrade_configs: [${text}]`);
  assert.deepEqual(upgrades('{ upgrade_type: websocket }, { upgrade_type: WebSocket }'), [
    'Duplicate upgrade WebSocket',
  ]);
  assert.deepEqual(upgrades('{ upgrade_type: websocket, connect_config: {} }'), [
    'Non-CONNECT upgrade type websocket has ConnectConfig',
  ]);
  const weights = (text: string) =>
    reasons(
      frontProxy({ routes: `[{ match: { prefix: / }, route: { weighted_clusters: { clusters: [${text}] } } }]` }),
    );
  assert.deepEqual(weights('{ name: backend, cluster_header: x, weight: 1 }'), [
    'Only one of name or cluster_header can be specified',
  ]);
  assert.deepEqual(weights('{ weight: 1 }'), ['At least one of name or cluster_header need to be specified']);
  assert.deepEqual(weights('{ name: backend, weight: 1 }, { name: backend }'), ["'weight' is required"]);
  assert.deepEqual(weights('{ name: backend, weight: 4294967295 }, { name: backend, weight: 1 }'), [
    'The sum of weights of all weighted clusters exceeds 4294967295',
  ]);
  const host = `virtual_clusters: [{ name: v }]`;
  const bare = frontProxy().replace("domains: ['*'],", `domains: ['*'], ${host},`);
  assert.deepEqual(reasons(bare), ["virtual clusters must define 'headers'"]);
});
