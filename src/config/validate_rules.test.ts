import assert from 'node:assert/strict';
import test from 'node:test';
import { create, type DescMessage } from '@bufbuild/protobuf';
import { type AnyMessage, allMessageNames, messageType } from '../api/registry.ts';
import { errorsOf, frontProxy } from './load.testing.ts';
import { Origins } from './origins.ts';
import { Report } from './report.ts';
import { validateRules } from './validate_rules.ts';

function problems(type: string, fields: Record<string, unknown>): string[] {
  const origins = new Origins();
  const report = new Report(origins);
  validateRules(create(messageType(`envoy.${type}`), fields) as AnyMessage, report, origins);
  return report.errors.map((error) => error.reason);
}

test('the rules of every message type can be read and run', () => {
  const origins = new Origins();
  const report = new Report(origins);
  const visit = (type: DescMessage) => {
    validateRules(create(type) as AnyMessage, report, origins);
    type.nestedMessages.forEach(visit);
  };
  for (const name of allMessageNames()) if (name.startsWith('envoy.')) visit(messageType(name));
  assert.ok(report.errors.length > 300);
});

test('each kind of rule', () => {
  const seconds = (n: number) => ({ seconds: BigInt(n), nanos: 0 });
  const cases: [string, Record<string, unknown>, string[]][] = [
    // string: min_len, max_bytes, prefix, pattern, well_known_regex strict and not, in
    ['config.core.v3.HeaderValue', { key: '' }, ['key must not be empty']],
    [
      'config.core.v3.HeaderValue',
      { key: 'a', value: 'x'.repeat(16385) },
      ['value must have at most 16384 bytes, has 16385'],
    ],
    ['config.core.v3.HeaderValue', { key: 'a\n' }, ['key is not a valid header name']],
    ['config.core.v3.HeaderValue', { key: 'a', value: 'a\0' }, ['value has a character no header value may have']],
    [
      'config.route.v3.RouteMatch',
      { pathSpecifier: { case: 'pathSeparatedPrefix', value: '/a/' } },
      ['path_separated_prefix must match ^[^?#]+[^?#/]$'],
    ],
    // numbers, alone and wrapped
    [
      'config.core.v3.SocketAddress',
      { address: 'a', portSpecifier: { case: 'portValue', value: 70000 } },
      ['port_value must be at most 65535, is 70000'],
    ],
    ['config.route.v3.DirectResponseAction', { status: 99 }, ['status must be at least 200, is 99']],
    ['config.route.v3.DirectResponseAction', { status: 600 }, ['status must be less than 600, is 600']],
    ['type.v3.Percent', { value: 101 }, ['value must be at most 100, is 101']],
    ['config.cluster.v3.Cluster.LeastRequestLbConfig', { choiceCount: 1 }, ['choice_count must be at least 2, is 1']],
    // duration: gt, required
    [
      'config.cluster.v3.Cluster',
      { name: 'c', connectTimeout: seconds(0) },
      ['connect_timeout must be greater than 0s, is 0s'],
    ],
    ['config.cluster.v3.Cluster.RefreshRate', {}, ["'base_interval' is required"]],
    [
      'config.cluster.v3.Cluster.RefreshRate',
      { baseInterval: { seconds: 0n, nanos: 1 } },
      ['base_interval must be greater than 0.001s, is 1e-9s'],
    ],
    // enum, oneof, message.required, embedded messages
    [
      'config.cluster.v3.Cluster',
      { name: 'c', lbPolicy: 9 },
      [
        'lb_policy must be one of ROUND_ROBIN, LEAST_REQUEST, RING_HASH, RANDOM, MAGLEV, CLUSTER_PROVIDED, LOAD_BALANCING_POLICY_CONFIG, is 9',
      ],
    ],
    ['config.core.v3.Address', {}, ['one of socket_address, pipe, envoy_internal_address is required']],
    [
      'config.route.v3.Route',
      {},
      [
        "'match' is required",
        'one of route, redirect, direct_response, filter_action, non_forwarding_action is required',
      ],
    ],
    ['config.core.v3.HeaderValueOption', {}, ["'header' is required"]],
    // repeated: min_items, items, unique; map
    ['config.route.v3.VirtualHost', { name: 'v' }, ['domains must have at least 1 item']],
    [
      'config.route.v3.RetryPolicy.ResetHeader',
      { name: 'x', format: 7 },
      ['format must be one of SECONDS, UNIX_TIMESTAMP, is 7'],
    ],
    ['config.route.v3.WeightedCluster', {}, ['clusters must have at least 1 item']],
    [
      'config.route.v3.VirtualHost',
      { name: 'v', domains: ['*'], requestHeadersToRemove: ['ok', 'a\n'] },
      ['request_headers_to_remove[1] is not a valid header name'],
    ],
    // bool.const
    [
      'config.route.v3.RouteAction.HashPolicy',
      {},
      ['one of header, cookie, connection_properties, query_parameter, filter_state is required'],
    ],
  ];
  for (const [type, fields, expected] of cases)
    assert.deepEqual(problems(type, fields).sort(), [...expected].sort(), type);
});

test('a rule broken by a field nobody wrote names the field as missing, at the message', () => {
  const yaml = `static_resources:
  clusters:
  - connect_timeout: 1s
    load_assignment:
      endpoints: []`;
  assert.deepEqual(errorsOf(yaml, true), [
    `3:5: error: 'name' is required (it must not be empty)
  3 |   - connect_timeout: 1s
    |     ^^^^^^^^^^^^^^^
  at static_resources.clusters[0].name`,
    `5:7: error: 'cluster_name' is required (it must not be empty)
  5 |       endpoints: []
    |       ^^^^^^^^^
  at static_resources.clusters[0].load_assignment.cluster_name`,
  ]);
});

test('a field whose value was wrong is not called missing as well', () => {
  const errors = errorsOf(frontProxy({ routes: '[{ match: { prefix: 5 }, route: { cluster: backend } }]' }));
  assert.equal(errors.length, 1);
  assert.match(errors[0], /expected a string, got the number 5/);
});
