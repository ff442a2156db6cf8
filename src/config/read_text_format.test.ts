import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { messageType } from '../api/registry.ts';
import { toJson } from './convert_well_known.ts';
import { Origins } from './origins.ts';
import { readTextFormat } from './read_text_format.ts';
import { Report } from './report.ts';
import { SourceText } from './source_text.ts';

const type = messageType('envoy.config.bootstrap.v3.Bootstrap');

function read(text: string): { value: unknown; errors: string[] } {
  const report = new Report(new Origins());
  const tree = readTextFormat(new SourceText('t', text), type, report);
  const errors = report.errors.map(({ line, column, reason }) => `${line}:${column}: ${reason}`);
  return { value: tree && toJson(tree), errors };
}

test('fields, messages in both kinds of brackets, lists in both forms, comments, separators', () => {
  const text = `
    # a comment
    node { id: "a" 'b' # two pieces are one text
      locality: < zone: 'z' >, client_features: ["x", "y"]; client_features: "z" }
    static_resources { clusters { name: "one" lb_policy: RANDOM } clusters: { name: "two" } }`;
  assert.deepEqual(read(text), {
    value: {
      node: { id: 'ab', locality: { zone: 'z' }, client_features: ['x', 'y', 'z'] },
      static_resources: { clusters: [{ name: 'one', lb_policy: 'RANDOM' }, { name: 'two' }] },
    },
    errors: [],
  });
});

test('an Any packed by hand, 0 and 1 for a boolean, a float with its f; a field that is given twice', () => {
  const text = `
    node { metadata { fields { key: "x" value { number_value: 1.5f } } fields { key: "y" value { number_value: -2e3F } } } }
    static_resources { clusters { respect_dns_ttl: 1 use_tcp_for_dns_lookups: 0 } listeners { filter_chains { filters {
      typed_config { type_url: "type.googleapis.com/google.protobuf.Empty" } } } } }`;
  const value = {
    node: { metadata: { x: 1.5, y: -2000 } },
    static_resources: {
      clusters: [{ respect_dns_ttl: true, use_tcp_for_dns_lookups: false }],
      listeners: [
        { filter_chains: [{ filters: [{ typed_config: { '@type': 'type.googleapis.com/google.protobuf.Empty' } }] }] },
      ],
    },
  };
  assert.deepEqual(read(text), { value, errors: [] });
  const twice = read('node { id: "a" }\nnode { id: "b" }');
  assert.deepEqual(twice.errors, ["2:1: not valid protobuf text: 'node' is given twice"]);
});

test('an Any by its type, wrappers, durations, maps and structs in their JSON forms', () => {
  const text = `static_resources { clusters {
    connect_timeout { seconds: 1 nanos: 5000000 }
    per_connection_buffer_limit_bytes { value: 0x10 }
    typed_extension_protocol_options { key: "a" value { [type.googleapis.com/google.protobuf.UInt32Value] { value: 7 } } }
    typed_extension_protocol_options { key: "b" value { [type.googleapis.com/envoy.config.core.v3.Pipe] { path: "/p" mode: 0644 } } }
    metadata { filter_metadata { key: "lb" value {
      fields { key: "on" value { bool_value: true } }
      fields { key: "list" value { list_value { values { number_value: 1 } values { string_value: "s" } values { null_value: NULL_VALUE } } } }
    } } }
  } }`;
  const { value, errors } = read(text);
  assert.deepEqual(errors, []);
  assert.deepEqual((value as { static_resources: { clusters: unknown[] } }).static_resources.clusters[0], {
    connect_timeout: '1.005000000s',
    per_connection_buffer_limit_bytes: 16,
    typed_extension_protocol_options: {
      a: { '@type': 'type.googleapis.com/google.protobuf.UInt32Value', value: 7 },
      b: { '@type': 'type.googleapis.com/envoy.config.core.v3.Pipe', path: '/p', mode: 420 },
    },
    metadata: { filter_metadata: { lb: { on: true, list: [1, 's', null] } } },
  });
});

test('escapes in strings', () => {
  assert.deepEqual(read('node { id: "\\n\\t\\101\\x42\\u00e9\\303\\251\\"" }').value, { node: { id: '\n\tABéé"' } });
});

test('what is wrong has its place', () => {
  assert.deepEqual(read('node { di: "a" }\nnod: 1').errors, [
    "1:8: unknown field 'di' in envoy.config.core.v3.Node",
    "2:1: unknown field 'nod' in envoy.config.bootstrap.v3.Bootstrap",
  ]);
  assert.deepEqual(read('node { id: "a').errors, [
    '1:12: not valid protobuf text: the string does not end in its line',
  ]);
  assert.deepEqual(read('node {\n id: "a"').errors, ["2:9: not valid protobuf text: '}' is missing"]);
  assert.deepEqual(read('node { id: }').errors, ["1:12: not valid protobuf text: expected a value, got '}'"]);
  assert.match(read('x {'.repeat(200)).errors.at(-1)!, /nested deeper than 100 levels/);
});

test('no text makes reading throw', () => {
  const pieces = fc.constantFrom(
    'node',
    'static_resources',
    'clusters',
    'id',
    ':',
    '{',
    '}',
    '<',
    '>',
    '[',
    ']',
    '"a"',
    '1',
    'key',
    'value',
    ',',
    '#',
    '\n',
    '[x/y]',
    'typed_extension_protocol_options',
    'metadata',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.array(pieces, { maxLength: 40 }).map((all) => all.join(' ')),
      ),
      (text) => {
        read(text);
      },
    ),
    { numRuns: 500 },
  );
});
