/** stats_config: which statistics are shown and what buckets histograms have. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import type { envoy } from '../api/envoy_types.ts';
import { messageType } from '../api/registry.ts';
import { ThreadStats } from '../common/stats/store.ts';
import { StatsMerge } from './stats_merge.ts';
import { StatsRules } from './stats_rules.ts';

type StatsConfig = envoy.config.metrics.v3.StatsConfig;

function rules(config: object): StatsRules {
  return new StatsRules(
    create(messageType('envoy.config.metrics.v3.StatsConfig'), config as never) as unknown as StatsConfig,
  );
}

function pattern(kind: string, value: string, ignoreCase = false): object {
  return { matchPattern: { case: kind, value }, ignoreCase };
}

function shown(config: object): string[] {
  const merge = new StatsMerge(rules(config));
  const source = merge.addSource();
  const store = new ThreadStats((message) => source.announce(message));
  store.counter('cluster.a.one');
  store.gauge('cluster.b.two');
  store.histogram('cluster.a.time');
  merge.texts.set('cluster.a.version_text', 'v');
  store.announceNow();
  return [...merge.values(), ...merge.allHistograms(), ...merge.textReadouts()].map(({ name }) => name);
}

test('a list of names to leave out, or of those to show', () => {
  const list = { patterns: [pattern('prefix', 'cluster.a.'), pattern('contains', 'TWO')] };
  assert.deepEqual(shown({ statsMatcher: { statsMatcher: { case: 'exclusionList', value: list } } }), [
    'cluster.b.two',
  ]);
  const all = ['cluster.a.one', 'cluster.a.time', 'cluster.a.version_text'];
  assert.deepEqual(shown({ statsMatcher: { statsMatcher: { case: 'inclusionList', value: list } } }), all);
  assert.deepEqual(shown({ statsMatcher: { statsMatcher: { case: 'rejectAll', value: true } } }), []);
  assert.equal(shown({ statsMatcher: { statsMatcher: { case: 'rejectAll', value: false } } }).length, 4);
});

test('buckets by the full name, ascending, the first match counts; none given are the default ones', () => {
  const given = rules({
    histogramBucketSettings: [
      { match: pattern('suffix', 'a.time'), buckets: [10, 0.5] },
      { match: pattern('prefix', 'cluster'), buckets: [1] },
      { match: pattern('prefix', 'http'), buckets: [] },
    ],
  });
  assert.deepEqual(given.bucketsOf('cluster.a.time'), [0.5, 10]);
  assert.deepEqual(given.bucketsOf('cluster.b.time'), [1]);
  assert.equal(given.bucketsOf('http.time').length, 19);
  assert.equal(given.bucketsOf('listener.time').length, 19);
});

test('gauges beyond what a number holds are exact', () => {
  const merge = new StatsMerge();
  const source = merge.addSource();
  const store = new ThreadStats((message) => source.announce(message));
  const version = store.gauge('cluster_manager.cds.version');
  version.values[version.index] = 814_672_407_442_807_800;
  merge.texts.set('cluster_manager.cds.version_text', 'c1');
  const pools = store.gauge('cluster.a.circuit_breakers.default.remaining_cx_pools');
  pools.values[pools.index] = -1 - 2;
  store.announceNow();
  assert.deepEqual(
    merge.values().map(({ value }) => value),
    [18_446_744_073_709_551_613n, 814_672_407_442_807_801n],
  );
});
