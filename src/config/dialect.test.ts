/** What Envoy 1.40 takes and refuses in a file, form by form, as probed with `--mode validate`; and what nuncio says beyond it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import type { envoy } from '../api/envoy_types.ts';
import { encode } from '../api/registry.ts';
import { errorsOf, frontProxy, load, warningsOf } from './load.testing.ts';
import { loadBootstrap } from './load.ts';

type Cluster = envoy.config.cluster.v3.Cluster;

const folder = mkdtempSync(path.join(tmpdir(), 'nuncio-dialect-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function clusterOf(text: string): Cluster {
  const { bootstrap, errors } = load(frontProxy({ cluster: text }));
  assert.deepEqual(
    errors.map(({ reason }) => reason),
    [],
    text,
  );
  return bootstrap!.staticResources!.clusters[0] as Cluster;
}

function refusedCluster(text: string): string {
  const [error] = load(frontProxy({ cluster: text })).errors;
  assert.ok(error !== undefined, text);
  return `${error.reason}${error.hint === undefined ? '' : ` | ${error.hint}`}`;
}

test('yes, on, y and True are booleans, also where a text is wanted', () => {
  for (const text of ['yes', 'on', 'y', 'True', 'TRUE', 'Y']) {
    assert.equal(clusterOf(`respect_dns_ttl: ${text}`).respectDnsTtl, true, text);
  }
  assert.match(refusedCluster('alt_stat_name: yes'), /expected a string, got the boolean true \| write it in quotes/);
});

test('"true" in quotes is a boolean', () => {
  assert.equal(clusterOf('respect_dns_ttl: "true"').respectDnsTtl, true);
});

test('an integer is no text; a number with a fraction and a date are', () => {
  assert.match(refusedCluster('alt_stat_name: 123'), /expected a string, got the number 123/);
  assert.equal(clusterOf('alt_stat_name: 1.5').altStatName, '1.5');
  assert.equal(clusterOf('alt_stat_name: 2020-01-01').altStatName, '2020-01-01');
});

test('whole numbers: hexadecimal, octal, 08, with an exponent or a fraction of nothing, in quotes; no underscores', () => {
  const limit = (text: string) => clusterOf(`per_connection_buffer_limit_bytes: ${text}`).perConnectionBufferLimitBytes;
  assert.deepEqual(['0x8000', '010', '08', '1e3', '1.0', '"5"'].map(limit), [32768, 8, 8, 1000, 1, 5]);
  assert.match(refusedCluster('per_connection_buffer_limit_bytes: 32_768'), /expected a whole number/);
});

test('enums in any case, and by number', () => {
  for (const text of ['LEAST_REQUEST', 'least_request', 'Least_Request', '1']) {
    assert.equal(clusterOf(`lb_policy: ${text}`).lbPolicy, 1, text);
  }
});

test('a bare value where a list is expected is a list of one', () => {
  const { bootstrap } = load('static_resources: { clusters: { name: only } }');
  assert.equal(bootstrap?.staticResources?.clusters[0].name, 'only');
});

test('of equal keys the last wins, and a warning names both lines', () => {
  const text = 'node:\n  id: first\n  cluster: c\n  id: last\n';
  assert.equal(load(text).bootstrap?.node?.id, 'last');
  const [warning] = warningsOf(text);
  assert.match(warning, /^4:3: warning: 'id' is given twice in this map: this one wins over line 2/);
});

test('a second document is ignored with a warning', () => {
  const text = 'node: { id: a }\n---\nnode: { id: b }\n';
  assert.equal(load(text).bootstrap?.node?.id, 'a');
  assert.match(warningsOf(text)[0], /warning: only the first YAML document is read/);
});

test('<< is a field nobody knows; anchors and aliases are followed', () => {
  assert.match(errorsOf('node: { <<: { id: a } }')[0], /unknown field '<<'/);
  const { bootstrap } = load('node: { id: &name abc, cluster: *name }');
  assert.equal(bootstrap?.node?.cluster, 'abc');
});

test('!ignore drops a pair when it tags the key, and does nothing on a value', () => {
  assert.equal(load('!ignore base: { any: thing }\nnode: { id: a }').bootstrap?.node?.id, 'a');
  assert.equal(load('node: !ignore { id: a }').bootstrap?.node?.id, 'a');
});

test('snake_case and lowerCamelCase, mixed', () => {
  const { bootstrap, errors } = load(
    'staticResources: { clusters: [{ name: a, connectTimeout: 1s, lb_policy: RANDOM, altStatName: b }] }',
  );
  assert.deepEqual(errors, []);
  assert.equal(bootstrap?.staticResources?.clusters[0].altStatName, 'b');
});

test('durations need an s and take nine decimals; what was meant is suggested', () => {
  assert.equal(clusterOf('connect_timeout: 1.123456789s').connectTimeout?.nanos, 123456789);
  assert.match(refusedCluster('connect_timeout: 1.1234567891s'), /expected a duration/);
  assert.match(refusedCluster('connect_timeout: 1m'), /did you mean '60s'/);
  assert.match(refusedCluster('connect_timeout: 250ms'), /did you mean '0.25s'/);
  assert.match(refusedCluster('connect_timeout: 5'), /did you mean '5s'/);
});

test('a duration by its fields, a number that may be unset by its value', () => {
  const timeout = (text: string) => clusterOf(`connect_timeout: ${text}`).connectTimeout;
  assert.deepEqual(
    [timeout('{seconds: 5}')?.seconds, timeout('{seconds: "1", nanos: 500000000}')?.nanos],
    [5n, 500_000_000],
  );
  assert.match(refusedCluster('connect_timeout: {seconds: 5, nanos: 2000000000}'), /nanos must be at most 999999999/);
  assert.match(refusedCluster('connect_timeout: {second: 5}'), /unknown field 'second' .* did you mean 'seconds'/);
  assert.match(refusedCluster('connect_timeout: {seconds: -5}'), /a duration must not be negative/);
  assert.equal(clusterOf('per_connection_buffer_limit_bytes: {value: 5}').perConnectionBufferLimitBytes, 5);
  assert.equal(clusterOf('per_connection_buffer_limit_bytes: {}').perConnectionBufferLimitBytes, 0);
});

test('flow collections end at any indentation', () => {
  const text = `node:
  metadata:
    a: [{
      b: c  # ] }
    }, {
  d: "x ]
      y"}]
    e: [one
      two]
    f: |
      g: [
    h: i[j] {
  id: z
static_resources: { clusters: [{
  name: e,
  foo: bar
}]}
`;
  const [unknown] = load(text).errors;
  assert.deepEqual([unknown.line, unknown.column, unknown.path], [16, 3, 'static_resources.clusters[0].foo']);
  const { node } = load(text.replace('foo: bar', '')).bootstrap!;
  assert.deepEqual(node?.metadata, {
    a: [{ b: 'c' }, { d: 'x ] y' }],
    e: ['one two'],
    f: 'g: [\n',
    h: 'i[j] {',
  });
  assert.equal(node?.id, 'z');
});

test('an alias without its anchor, half a surrogate pair, base64 that is none, a type URL without a host', () => {
  assert.match(refusedCluster('alt_stat_name: *name'), /not valid YAML: there is no anchor '&name' before this/);
  assert.match(refusedCluster('alt_stat_name: "\\ud800"'), /half of a surrogate pair/);
  assert.match(
    refusedCluster('common_lb_config: { healthy_panic_threshold: { value: NaN } }'),
    /must be a number, is NaN/,
  );
  const body = (text: string) =>
    load(
      frontProxy({
        routes: `[{ match: { prefix: / }, direct_response: { status: 200, body: { inline_bytes: ${text} } } }]`,
      }),
    );
  for (const text of ['YQ', 'YQ==', 'a-_/']) assert.deepEqual(body(text).errors, [], text);
  for (const text of ['a', 'YQ=', 'YWI==', 'YWJj='])
    assert.equal(body(text).errors[0]?.reason, 'expected bytes in base64', text);
  const filters = '[{ name: r, typed_config: { "@type": /envoy.extensions.filters.http.router.v3.Router } }]';
  assert.match(errorsOf(frontProxy({ filters }))[0], /expected a type URL such as/);
});

test('tags: ! makes text of a number, any other tag leaves it one', () => {
  assert.equal(clusterOf('alt_stat_name: ! 5').altStatName, '5');
  assert.match(refusedCluster('alt_stat_name: !!str 5'), /expected a string, got the number 5/);
  assert.match(refusedCluster('alt_stat_name: !!int "5"'), /expected a string, got the number 5/);
});

test('null leaves a field unset, and is an empty message in a list', () => {
  assert.equal(clusterOf('connect_timeout: null').connectTimeout, undefined);
  assert.equal(clusterOf('alt_stat_name: ~').altStatName, '');
  const cluster = clusterOf('circuit_breakers: { thresholds: [null] }');
  assert.equal(cluster.circuitBreakers?.thresholds.length, 1);
});

test('every unknown field is an error with its line, not the first alone', () => {
  const errors = errorsOf(frontProxy({ cluster: 'conect_timeout: 1s', more: 'nodes: { id: a }' }));
  assert.equal(errors.length, 2);
  assert.match(errors[0], /^17:5: error: unknown field 'conect_timeout'.*did you mean 'connect_timeout'/s);
  assert.match(errors[1], /^18:1: error: unknown field 'nodes'.*did you mean 'node'/s);
});

test('an unknown @type is an error with the nearest one that is known', () => {
  const type = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Rooter';
  const [error] = errorsOf(frontProxy({ filters: `[{ name: r, typed_config: { '@type': ${type} } }]` }));
  assert.match(
    error,
    /unknown message type .*Rooter.*did you mean 'envoy\.extensions\.filters\.http\.router\.v3\.Router'/s,
  );
});

test('a filter by its well-known name alone is taken, as Envoy did up to 1.22', () => {
  assert.deepEqual(errorsOf(frontProxy({ filters: '[{ name: envoy.filters.http.router }]' })), []);
});

test('deprecated fields that v3 still has are taken', () => {
  assert.deepEqual(
    errorsOf(frontProxy({ cluster: 'http2_protocol_options: {}', more: 'admin: { access_log_path: /dev/null }' })),
    [],
  );
});

test('--config-yaml is merged over the file: messages by field, lists appended', () => {
  const file = path.join(folder, 'merged.yaml');
  writeFileSync(file, 'node: { id: file, cluster: c }\nstatic_resources: { clusters: [{ name: a }] }\n');
  const { bootstrap } = loadBootstrap({
    path: file,
    yaml: 'node: { id: flag }\nstaticResources: { clusters: { name: b } }',
  });
  assert.deepEqual([bootstrap?.node?.id, bootstrap?.node?.cluster], ['flag', 'c']);
  assert.deepEqual(
    bootstrap?.staticResources?.clusters.map(({ name }) => name),
    ['a', 'b'],
  );
});

test('YAML, JSON, protobuf in binary, as text and in JSON are one configuration', () => {
  const yaml =
    'node: { id: a, metadata: { ratio: 0.5 } }\nstatic_resources: { clusters: [{ name: c, connect_timeout: 0.25s }] }\n';
  const json =
    '{"node":{"id":"a","metadata":{"ratio":0.5}},"static_resources":{"clusters":[{"name":"c","connect_timeout":"0.25s"}]}}';
  const text =
    'node { id: "a" metadata { fields { key: "ratio" value { number_value: 0.5 } } } }\n' +
    'static_resources { clusters { name: "c" connect_timeout { nanos: 250000000 } } }\n';
  const whole = loadOf('a.json', json).bootstrap!;
  const files: readonly [string, string | Uint8Array][] = [
    ['b.yaml', yaml.replace('0.5', '"0.5"')],
    ['c.pb_json', json],
    ['d.pb_text', text],
    ['e.pb.txt', text],
    ['f.pb', encode('envoy.config.bootstrap.v3.Bootstrap', whole)],
    ['g', json],
    ['h.conf', encode('envoy.config.bootstrap.v3.Bootstrap', whole)],
    ['i.json', `\ufeff\t${json}`],
  ];
  for (const [name, contents] of files) {
    const { bootstrap, errors, warnings } = loadOf(name, contents);
    assert.deepEqual([errors, warnings], [[], []], name);
    assert.equal(bootstrap?.staticResources?.clusters[0].connectTimeout?.nanos, 250_000_000, name);
    // YAML's numbers with a fraction travel as text, in Envoy as here.
    assert.equal(bootstrap?.node?.metadata?.['ratio'], name === 'b.yaml' ? '0.5' : 0.5, name);
  }
});

test('YAML under a name for another format is read, and said to be YAML', () => {
  for (const name of ['envoy.conf', 'envoy.json']) {
    const { bootstrap, warnings } = loadOf(name, 'node:\n  id: a\n');
    assert.equal(bootstrap?.node?.id, 'a');
    assert.match(warnings[0].reason, /this is read as YAML: Envoy takes a file of this name for JSON/);
  }
});

function loadOf(name: string, contents: string | Uint8Array) {
  const file = path.join(folder, name);
  writeFileSync(file, contents);
  return loadBootstrap({ path: file });
}
