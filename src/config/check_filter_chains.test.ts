import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorsOf, load } from './load.testing.ts';

const says = "filters: [{ name: s, typed_config: { '@type': t/envoy.extensions.filters.network.echo.v3.Echo } }]";

function bootstrap(chains: string, more = ''): string {
  return `static_resources:
  listeners:
  - name: l
    address: { socket_address: { address: 127.0.0.1, port_value: 80 } }
${more}    filter_chains:
${chains}`;
}

const chain = (name: string, match: string) =>
  `    - { name: ${name}, ${match === '' ? '' : `filter_chain_match: ${match}, `}${says} }\n`;
const reasons = (yaml: string) => errorsOf(yaml).map((text) => text.split('\n')[0]);

test('two chains may not say the same, nor overlap', () => {
  assert.deepEqual(reasons(bootstrap(chain('a', '') + chain('b', '') + chain('c', '{}'))), [
    "7:9: error: filter chain 'b' has the same matching rules defined as 'a'",
    "8:9: error: filter chain 'c' has the same matching rules defined as 'a'",
  ]);
  const same = '{ server_names: [a.test] }';
  assert.deepEqual(reasons(bootstrap(chain('a', same) + chain('b', same))), [
    '7:9: error: filter chain \'b\' has the same matching rules defined as \'a\'. duplicate matcher is: {"server_names":["a.test"]}',
  ]);
  const overlaps: [string, string][] = [
    ['{ server_names: [a.test, b.test] }', '{ server_names: [c.test, B.test] }'],
    [
      '{ prefix_ranges: [{ address_prefix: 10.0.0.0, prefix_len: 8 }] }',
      '{ prefix_ranges: [{ address_prefix: 10.1.1.1, prefix_len: 8 }, { address_prefix: 11.0.0.0, prefix_len: 8 }] }',
    ],
    ['{ source_ports: [1, 2], application_protocols: [h2] }', '{ source_ports: [2, 3], application_protocols: [h2] }'],
  ];
  for (const [one, other] of overlaps) {
    const [reason] = reasons(bootstrap(chain('a', one) + chain('b', other)));
    assert.match(reason, /^7:\d+: error: multiple filter chains with overlapping matching rules are defined$/);
  }
  const apart = bootstrap(
    chain('a', '{ prefix_ranges: [{ address_prefix: 10.0.0.0, prefix_len: 8 }] }') +
      chain('b', '{ prefix_ranges: [{ address_prefix: 10.0.0.0, prefix_len: 9 }] }') +
      chain('c', '{ source_type: EXTERNAL }'),
  );
  assert.deepEqual(reasons(apart), []);
});

test('what cannot be matched is refused where it stands', () => {
  assert.deepEqual(reasons(bootstrap(chain('a', '{ server_names: ["*a.test", "*.ok", "a.*.b"] }'))), [
    '6:55: error: partial wildcards are not supported in "server_names"',
    '6:74: error: partial wildcards are not supported in "server_names"',
  ]);
  assert.deepEqual(reasons(bootstrap(chain('a', '{ address_suffix: x }'))), [
    "6:40: error: 'address_suffix' is not supported yet",
  ]);
  assert.deepEqual(
    reasons(
      'static_resources: { listeners: [{ name: l, address: { socket_address: { address: 1.2.3.4, port_value: 80 } } }] }',
    ),
    ['1:35: error: no filter chains specified'],
  );
  const on = bootstrap(chain('a', ''), '    transparent: true\n    use_original_dst: true\n    freebind: false\n');
  assert.deepEqual(reasons(on).sort(), [
    "5:18: error: 'transparent' is not supported: Node.js cannot set IP_TRANSPARENT",
    "6:23: error: 'use_original_dst' is not supported: Node.js cannot read SO_ORIGINAL_DST",
  ]);
  const original =
    "    listener_filters: [{ name: o, typed_config: { '@type': t/envoy.extensions.filters.listener.original_dst.v3.OriginalDst } }]\n";
  assert.match(
    reasons(bootstrap(chain('a', ''), original))[0],
    /^5:\d+: error: envoy\.filters\.listener\.original_dst is not supported: Node\.js cannot read/,
  );
});

test('matching by what nothing has looked at is worth a warning', () => {
  const warnings = (match: string, filters = '') =>
    load(bootstrap(chain('a', match), filters)).warnings.map(({ reason }) => reason);
  const inspector = (name: string, type: string) =>
    `    listener_filters: [{ name: i, typed_config: { '@type': t/envoy.extensions.filters.listener.${name}.v3.${type} } }]\n`;
  assert.equal(warnings('{ server_names: [a] }').length, 1);
  assert.equal(warnings('{ transport_protocol: tls }').length, 1);
  assert.equal(warnings('{ application_protocols: [h2] }', inspector('http_inspector', 'HttpInspector')).length, 0);
  assert.equal(warnings('{ server_names: [a] }', inspector('tls_inspector', 'TlsInspector')).length, 0);
  assert.equal(warnings('{ transport_protocol: raw_buffer }').length, 0);
});

const matcher = (body: string) => `    filter_chain_matcher: ${body}\n`;
const input = (name: string) =>
  `{ name: i, typed_config: { '@type': t/envoy.extensions.matching.common_inputs.network.v3.${name} } }`;
const to = (name: string) =>
  `{ action: { name: c, typed_config: { '@type': t/google.protobuf.StringValue, value: ${name} } } }`;

test('filter_chain_matcher: chains need names of their own, inputs and actions must be such', () => {
  const tree = matcher(
    `{ matcher_tree: { input: ${input('DestinationPortInput')}, exact_match_map: { map: { '80': ${to('a')} } } } }`,
  );
  assert.deepEqual(reasons(bootstrap(chain('a', '') + chain('b', ''), tree)), []);
  assert.deepEqual(reasons(bootstrap(chain('a', '') + chain('a', '') + chain('""', ''), tree)), [
    '8:15: error: "name" field is duplicated with value \'a\'',
    '9:9: error: "name" field is required when using a listener matcher',
  ]);
  const bad = matcher(
    `{ matcher_tree: { input: ${input('NetworkNamespaceInput')}, exact_match_map: { map: { '80': ${to('a')} } } } }`,
  );
  assert.match(reasons(bootstrap(chain('a', ''), bad))[0], / is not supported yet$/);
});
