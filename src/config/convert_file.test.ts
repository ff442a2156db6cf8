/** `nuncio convert`: what it prints loads as the same configuration, and has a comment for each change. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { encode } from '../api/registry.ts';
import { convertFile } from './convert_file.ts';
import { loadBootstrap } from './load.ts';

const root = path.resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(path.join(tmpdir(), 'nuncio-convert-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** An older API's file as text: loads it, converts it, loads that. */
function convert(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  const { yaml, errors } = convertFile(file);
  assert.deepEqual(errors, []);
  return yaml!;
}

/** Without comments. */
function bare(yaml: string): string {
  const lines = yaml.split('\n').map((line) => line.replace(/(^| +)# .*$/, ''));
  return lines.filter((line) => line !== '').join('\n');
}

const examples = readdirSync(path.join(root, 'config')).filter((name) => /\.(yaml|json)$/.test(name));
for (const name of examples) {
  test(`config/${name}: loads as the same once converted`, () => {
    const file = path.join(root, 'config', name);
    const before = loadBootstrap({ path: file });
    // An example may name files that are not here.
    if (before.bootstrap === undefined) return;
    const { yaml, errors } = convertFile(file);
    assert.deepEqual(errors, []);
    const after = loadBootstrap({ yaml });
    assert.deepEqual(
      [after.errors, after.warnings.filter(({ reason }) => /converted|left out|read as/.test(reason))],
      [[], []],
    );
    const bytes = (loaded: typeof before) =>
      Buffer.from(encode('envoy.config.bootstrap.v3.Bootstrap', loaded.bootstrap!));
    assert.ok(bytes(after).equals(bytes(before)));
    assert.equal(bare(convert(name.replace('.json', '.yaml'), yaml!)), bare(yaml!));
  });
}

test('everything v1 had, as v3: Envoy 1.40 takes the result', () => {
  const testdata = path.join(import.meta.dirname, 'upgrade/testdata');
  const { yaml, errors } = convertFile(path.join(testdata, 'everything.v1.json'));
  assert.deepEqual(errors, []);
  const expected = readFileSync(path.join(testdata, 'everything.v3.yaml'), 'utf8');
  assert.equal(yaml!.replace(/^# Converted from .*\n/, ''), expected.replace(/^# Converted from .*\n/, ''));
});

test('each change has a comment with the line it comes from; what is left out stands at the top', () => {
  const yaml = convert(
    'v2.yaml',
    'node: { id: a, build_version: x }\nstatic_resources:\n  clusters:\n  - name: a\n    hosts: [{ pipe: { path: /p } }]\n',
  );
  assert.match(yaml, /^# Converted from .*v2\.yaml by nuncio convert\.\n# line 1: 'build_version' is left out: /);
  assert.match(yaml, /\n {6}# v2 field 'hosts', line 5\n {6}load_assignment:\n/);
});

test('what cannot be converted is said with its place, and nothing is printed', () => {
  const file = path.join(folder, 'bad.json');
  writeFileSync(
    file,
    `{ "listeners": [{ "address": "tcp://0.0.0.0:99999", "filters": [{ "name": "nobody", "config": {} }], "colour": 1 }],
  "cluster_manager": { "clusters": [{ "name": "a", "type": "sds", "lb_type": "fastest", "connect_timeout_ms": "soon" }] } }`,
  );
  const { yaml, errors } = convertFile(file);
  assert.equal(yaml, undefined);
  assert.deepEqual(errors.map(({ line, reason }) => `${line}: ${reason}`).sort(), [
    "1: expected an address such as tcp://10.0.0.1:80 or unix:///path, got the string 'tcp://0.0.0.0:99999'",
    "1: unknown field 'colour' in a v1 listener",
    "1: unknown v1 filter 'nobody'",
    "2: a cluster of type sds needs 'sds' in the cluster_manager: it says where hosts are registered",
    "2: expected a number of milliseconds, got the string 'soon'",
    "2: unknown lb_type 'fastest'",
  ]);
  assert.match(convertFile(path.join(folder, 'missing')).errors[0].reason, /unable to read file/);
});

test('errors of a v1 file point at its own text', () => {
  const file = path.join(folder, 'late.json');
  writeFileSync(
    file,
    '{ "listeners": [],\n"cluster_manager": { "clusters": [\n{ "name": "a", "type": "static", "lb_type": "ring_hash", "connect_timeout_ms": 5, "hosts": [{ "url": "tcp://nobody:1" }] }] } }',
  );
  const { errors } = loadBootstrap({ path: file });
  assert.deepEqual(
    errors.map(({ line, column, path: field }) => `${line}:${column} ${field}`),
    [
      '3:45 static_resources.clusters[0].lb_policy',
      '3:102 static_resources.clusters[0].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address',
    ],
  );
});
