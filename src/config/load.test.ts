import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import type { Any } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { parse } from 'yaml';
import { Cluster_DiscoveryType, Cluster_LbPolicy } from '../api/enums.ts';
import { encode, unpackAny } from '../api/registry.ts';
import { errorsOf, frontProxy, load, warningsOf } from './load.testing.ts';
import { loadBootstrap } from './load.ts';
import { renderDiagnostics } from './render.ts';

const folder = mkdtempSync(join(tmpdir(), 'nuncio-load-'));
test.after(() => rmSync(folder, { recursive: true }));

const managerType = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

function example(name: string): string {
  return new URL(`../../config/${name}`, import.meta.url).pathname;
}

test('the sidecar of a pod loads without a word', () => {
  const { bootstrap, errors, warnings } = loadBootstrap({ path: example('seed-sidecar.yaml') });
  assert.deepEqual([errors, warnings], [[], []]);
  const cluster = bootstrap!.staticResources!.clusters[0];
  assert.equal(cluster.name, 'targetCluster');
  assert.deepEqual(cluster.clusterDiscoveryType, { case: 'type', value: Cluster_DiscoveryType.STRICT_DNS });
  assert.equal(cluster.connectTimeout!.nanos, 250_000_000);
  const filter = bootstrap!.staticResources!.listeners[0].filterChains[0].filters[0];
  assert.equal(filter.configType.case, 'typedConfig');
  assert.equal(unpackAny(filter.configType.value as Any, managerType).statPrefix, 'ingress_http');
});

test('the proxy with EDS loads, its router known by name', () => {
  const { bootstrap, errors, warnings } = loadBootstrap({ path: example('seed-eds.yaml') });
  assert.deepEqual(errors, []);
  assert.deepEqual(warnings, []);
  const { configType } = bootstrap!.staticResources!.listeners[0].filterChains[0].filters[0];
  const router = unpackAny(configType.value as Any, managerType).httpFilters[0].configType;
  assert.equal((router.value as Any).typeUrl, 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router');
});

test('JSON, with tabs too, and protobuf binary are read', () => {
  const json = join(folder, 'a.json');
  writeFileSync(json, '{\n\t"node": {\n\t\t"id": "\\ud83d\\ude00"\n\t}\n}\n');
  const fromJson = loadBootstrap({ path: json });
  assert.equal(fromJson.bootstrap!.node!.id, '\u{1F600}');
  const binary = join(folder, 'a.pb');
  writeFileSync(binary, encode('envoy.config.bootstrap.v3.Bootstrap', fromJson.bootstrap!));
  assert.equal(loadBootstrap({ path: binary }).bootstrap!.node!.id, '\u{1F600}');
  writeFileSync(binary, 'nonsense');
  assert.match(
    loadBootstrap({ path: binary }).errors[0].reason,
    /is no envoy.config.bootstrap.v3.Bootstrap in protobuf binary/,
  );
});

test('--config-yaml is merged over the file: messages merged, lists appended, scalars replaced, defaults not', () => {
  const path = join(folder, 'base.yaml');
  writeFileSync(
    path,
    'node: { id: a, cluster: b, metadata: { x: y } }\nstatic_resources: { clusters: [{ name: one, respect_dns_ttl: true }] }\n',
  );
  const { bootstrap, errors } = loadBootstrap({
    path,
    yaml: 'node: { id: c, metadata: { z: 1 }, cluster: "" }\nstatic_resources: { clusters: { name: two, lb_policy: random } }',
  });
  assert.deepEqual(errors, []);
  assert.equal(bootstrap!.node!.id, 'c');
  assert.equal(bootstrap!.node!.cluster, 'b');
  assert.deepEqual(
    bootstrap!.staticResources!.clusters.map((cluster) => [cluster.name, cluster.lbPolicy]),
    [
      ['one', Cluster_LbPolicy.ROUND_ROBIN],
      ['two', Cluster_LbPolicy.RANDOM],
    ],
  );
});

test('an error in what --config-yaml appends is placed in --config-yaml', () => {
  const path = join(folder, 'base2.yaml');
  writeFileSync(path, 'static_resources: { clusters: [{ name: one }] }\n');
  const { errors } = loadBootstrap({ path, yaml: 'static_resources: { clusters: [{ name: one }] }' });
  assert.equal(
    renderDiagnostics(errors),
    `--config-yaml:1:40: error: duplicate cluster 'one'
  1 | static_resources: { clusters: [{ name: one }] }
    |                                        ^^^
  at static_resources.clusters[1].name`,
  );
});

test('a missing file, an empty one and none at all', () => {
  const missing = loadBootstrap({ path: join(folder, 'none.yaml') });
  assert.equal(missing.errors[0].reason, `unable to read file: ${folder}/none.yaml does not exist`);
  const empty = join(folder, 'empty.yaml');
  writeFileSync(empty, '# nothing\n');
  assert.equal(loadBootstrap({ path: empty }).errors[0].reason, 'the configuration is empty');
  assert.equal(loadBootstrap({}).errors[0].reason, 'At least one of --config-path or --config-yaml is required');
});

test('text that is no YAML is reported with its place and stops there', () => {
  assert.deepEqual(errorsOf('node: { id: a\nadmin: ['), [
    `2:1: error: not valid YAML: the map is not closed: '}' is missing before this
  2 | admin: [
    | ^`,
  ]);
  assert.deepEqual(errorsOf('- a'), ['1:1: error: expected a map, got a list\n  1 | - a\n    | ^^^']);
});

test('a later problem is placed by its path', () => {
  const { diagnose } = load(frontProxy());
  const taken = diagnose('error', 'static_resources.listeners[0].address.socket_address.port_value', 'port is taken');
  assert.equal(`${taken.line}:${taken.column}`, '3:66');
  const inside = diagnose(
    'error',
    'static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[0].name',
    'x',
  );
  assert.equal(inside.sourceLine.slice(inside.column - 1, inside.column), 'v');
});

test('many errors come at once, in all layers', () => {
  const errors = errorsOf(
    frontProxy({
      manager: 'codec_tpye: AUTO',
      routes:
        '[{ match: { prefix: / }, route: { cluster: backned, timeout: 250ms } }, { match: { safe_regex: { regex: "(" } }, route: { cluster: backend } }]',
      cluster: 'lb_policy: ROUND_ROBBIN',
      more: '  - { name: "" }\nheader_prefix: x-proxy',
    }),
  );
  assert.deepEqual(
    errors.map((error) => error.split('\n')[0]),
    [
      "10:11: error: unknown field 'codec_tpye' in " + managerType,
      "14:93: error: route: unknown cluster 'backned'",
      "14:111: error: expected a duration such as 0.25s, got the string '250ms'",
      '14:154: error: missing ): (',
      "17:16: error: unknown value 'ROUND_ROBBIN'",
      '18:13: error: name must not be empty',
      "19:1: error: 'header_prefix' is not supported yet",
    ],
  );
});

test('warnings come with a good configuration too', () => {
  assert.deepEqual(warningsOf('node: { id: a, id: b }'), [
    `1:16: warning: 'id' is given twice in this map: this one wins over line 1, as in Envoy
  1 | node: { id: a, id: b }
    |                ^^`,
  ]);
});

test('no input makes loading throw', () => {
  const base = parse(frontProxy()) as Record<string, unknown>;
  fc.assert(
    fc.property(fc.array(fc.nat(40), { maxLength: 12 }), fc.jsonValue(), fc.string(), (path, value, key) => {
      const config = structuredClone(base);
      let node: unknown = config;
      for (const step of path) {
        const inner: unknown = Object.values(node as object)[step % Object.keys(node as object).length];
        if (typeof inner !== 'object' || inner === null) break;
        node = inner;
      }
      const target = node as Record<string, unknown>;
      const keys = Object.keys(target);
      target[keys[path.length % keys.length] ?? key] = value;
      if (!Array.isArray(target)) target[key] = value;
      for (const diagnostic of load(JSON.stringify(config)).errors) renderDiagnostics([diagnostic], true);
    }),
    { numRuns: 300 },
  );
});

test('no text makes loading throw', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      load(text);
    }),
    { numRuns: 300 },
  );
});
