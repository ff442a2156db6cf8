/** Tags of names against what Envoy 1.40 printed of them in its Prometheus format. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import type { envoy } from '../../api/envoy_types.ts';
import { messageType } from '../../api/registry.ts';
import { TagExtraction, tagProblem } from './tag_extraction.ts';

type StatsConfig = envoy.config.metrics.v3.StatsConfig;
type TagSpecifier = envoy.config.metrics.v3.TagSpecifier;

function regex(tagName: string, value: string): object {
  return { tagName, tagValue: { case: 'regex', value } };
}

function fixed(tagName: string, value: string): object {
  return { tagName, tagValue: { case: 'fixedValue', value } };
}

function config(statsTags: readonly object[], rest: Partial<StatsConfig> = {}): StatsConfig {
  const type = messageType('envoy.config.metrics.v3.StatsConfig');
  return create(type, { ...rest, statsTags } as never) as unknown as StatsConfig;
}

function extracted(name: string, given?: StatsConfig, fixedTags?: readonly string[]): string {
  const { base, tags } = new TagExtraction(given, fixedTags).extract(name);
  return `${base}{${tags.map(([tag, value]) => `${tag}=${value}`).join()}}`;
}

const weight = 'cluster.bar.v1.max_host_weight';

const cases: readonly (readonly [statsTags: readonly object[], expected: string, rest?: Partial<StatsConfig>])[] = [
  [[], 'cluster.v1.max_host_weight{envoy.cluster_name=bar}'],
  [[], 'cluster.bar.v1.max_host_weight{}', { useAllDefaultTags: false }],
  [
    [{ tagName: 'envoy.cluster_name' }],
    'cluster.v1.max_host_weight{envoy.cluster_name=bar}',
    { useAllDefaultTags: false },
  ],
  [
    [regex('ver', String.raw`\.(v(\d))\.`), fixed('fixed', 'fv')],
    'cluster..max_host_weight{ver=1,fixed=fv,envoy.cluster_name=bar}',
  ],
  // A default tag stays as it is, unless it may be overridden.
  [[regex('envoy.cluster_name', 'cluster.((x))')], 'cluster.v1.max_host_weight{envoy.cluster_name=bar}'],
  [
    [regex('envoy.cluster_name', 'cluster.((x))')],
    'cluster.bar.v1.max_host_weight{}',
    { allowDefaultTagOverrides: true },
  ],
  [[fixed('envoy.cluster_name', 'zz')], 'cluster.bar.v1.max_host_weight{envoy.cluster_name=zz}'],
  // What begins with a first part comes after what does not; the first of a name counts.
  [
    [regex('c', String.raw`^cluster\.((b.*?)\.max)`), regex('c', '(weight)')],
    'cluster.bar.v1.max_host_{c=weight}',
    { useAllDefaultTags: false },
  ],
  // Overlapping pieces are taken out together.
  [
    [regex('c', String.raw`^cluster\.((.*)\.)`), regex('d', 'x((_host))'), regex('e', 'x(_(host))')],
    'cluster.max_weight{d=_host,e=host,envoy.cluster_name=bar,c=bar.v1}',
  ],
  [[regex('c', 'max_(nope)?')], 'cluster.v1.max_host_weight{c=,envoy.cluster_name=bar}'],
  [[regex('c', 'max_((a)|h)')], 'cluster.v1.max_ost_weight{c=,envoy.cluster_name=bar}'],
  [[regex('c', 'max')], 'cluster.v1.max_host_weight{envoy.cluster_name=bar}'],
];

for (const [statsTags, expected, rest] of cases) {
  test(`${JSON.stringify(statsTags)} → ${expected}`, () => {
    assert.equal(extracted(weight, config(statsTags, rest)), expected);
  });
}

test('tags of the command line come before those of the file, behind the default ones that every name may have', () => {
  const given = config([fixed('a', 'b'), fixed('a', 'c')]);
  assert.equal(
    extracted('cluster.foo.upstream_rq_200', given, ['x:y', 'z:w:v']),
    'cluster.upstream_rq{envoy.response_code=200,x=y,z=w:v,a=b,envoy.cluster_name=foo}',
  );
});

test('default tags beyond clusters and listeners', () => {
  for (const [name, expected] of [
    ['proxy_proto.versions.v1.found', 'proxy_proto.found{envoy.proxy_protocol_version=1}'],
    [
      'connection_limit.cl.limited_connections',
      'connection_limit.limited_connections{envoy.connection_limit_prefix=cl}',
    ],
    [
      'http.in.scoped_rds.table.update_attempt',
      'http.scoped_rds.update_attempt{envoy.scoped_rds_config=table,envoy.http_conn_manager_prefix=in}',
    ],
    ['cluster.a.upstream_rq_2xx', 'cluster.upstream_rq_xx{envoy.response_code_class=2,envoy.cluster_name=a}'],
  ]) {
    assert.equal(extracted(name), expected);
  }
});

test('what cannot be a tag, in Envoy\u2019s words', () => {
  const problem = (specifier: object) => tagProblem(specifier as TagSpecifier);
  const none = { case: undefined };
  assert.equal(problem({ tagName: '', tagValue: none }), 'tag_name cannot be empty');
  assert.equal(
    problem({ tagName: 'nope', tagValue: none }),
    "No regex specified for tag specifier and no default regex for name: 'nope'",
  );
  assert.equal(
    problem(regex('nope', '')),
    "No regex specified for tag specifier and no default regex for name: 'nope'",
  );
  assert.match(problem(regex('nope', '(('))!, /^Invalid regex '\(\(': /);
  for (const good of [{ tagName: 'envoy.cluster_name', tagValue: none }, regex('a', '(b)'), fixed('a', '')]) {
    assert.equal(problem(good), undefined);
  }
});
