/** The formats against what Envoy 1.40 printed of the same statistics: testdata was recorded from it in one go. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { CIRCUIT_BREAKERS, CLUSTER, HTTP, HTTP1, LISTENER, TCP } from '../../../common/stats/layouts.ts';
import { ThreadStats } from '../../../common/stats/store.ts';
import { StatsMerge } from '../../stats_merge.ts';
import type { AdminContext } from '../context.ts';
import { stats as endpoint } from './endpoints.ts';

function recorded(name: string): string {
  return readFileSync(new URL(`../testdata/${name}`, import.meta.url), 'utf8');
}

const merge = new StatsMerge();

/** Fills a store with the names, kinds, values and bins of the recording. */
before(() => {
  const source = merge.addSource();
  const store = new ThreadStats((message) => source.announce(message));
  const gauges = new Set(Array.from(recorded('prometheus.txt').matchAll(/^# TYPE (\S+) gauge$/gm), ([, name]) => name));
  const used = new Set(Array.from(recorded('usedonly.txt').matchAll(/^([^:]+):/gm), ([, name]) => name));
  for (const [, name, value] of recorded('stats.txt').matchAll(/^([^:]+): (\d+)$/gm)) {
    const { base } = merge.tagsOf(name);
    const isGauge = gauges.has(`envoy_${base.replace(/\W/g, '_')}`);
    const handle = isGauge ? store.gauge(name) : store.counter(name);
    if (used.has(name)) handle.values[handle.index] = Number(value);
  }
  for (const [, name] of recorded('stats.txt').matchAll(/^([^:]+): (?:P0|No)/gm)) store.histogram(name);
  store.announceNow();
  // The recording's interval was empty: everything was recorded in an earlier one.
  const totals = recorded('histograms_detailed.txt').matchAll(/^([^\s:]+):\n {2}totals=(.*)$/gm);
  merge.mergeHistograms(
    Array.from(totals, ([, name, bins]) => [
      name,
      Float64Array.from(bins.split(', ').flatMap((bin) => [Number(bin.split(',')[0]), Number(bin.split(':')[1])])),
    ]),
  );
  merge.mergeHistograms([]);
});

function ask(query: string): string {
  const request = { path: '/stats', query: new URLSearchParams(query) };
  const { body } = endpoint.handle({ stats: merge } as AdminContext, request);
  return typeof body === 'string' ? body : [...body].join('');
}

const cases: readonly (readonly [query: string, file: string])[] = [
  ['', 'stats.txt'],
  ['usedonly', 'usedonly.txt'],
  ['format=json', 'stats_json.txt'],
  ['format=prometheus', 'prometheus.txt'],
  ['type=Histograms&histogram_buckets=detailed', 'histograms_detailed.txt'],
  ['type=Histograms&histogram_buckets=disjoint', 'disjoint.txt'],
];

for (const [query, file] of cases) {
  test(`/stats?${query} is byte for byte ${file}`, () => {
    const [got, expected] = [ask(query), recorded(file)];
    // Lines first: a difference is then shown as such.
    assert.deepEqual(got.split(/[\n{]/), expected.split(/[\n{]/));
    assert.equal(got, expected);
  });
}

test('the layouts have the names Envoy has before any traffic, and no others', () => {
  const names = Array.from(recorded('stats.txt').matchAll(/^([^:]+): \d+$/gm), ([, name]) => name);
  const below = (prefix: string, except: RegExp): string[] =>
    names.filter((name) => name.startsWith(prefix) && !except.test(name)).map((name) => name.slice(prefix.length));
  const sorted = (list: readonly string[]): string[] => [...list].sort();
  const none = /^$/;
  const later = /\.(?:external|http1|circuit_breakers)\.|rq_\d(?:\d\d|xx)$/;
  assert.deepEqual(sorted(CLUSTER.names), sorted(below('cluster.dead.', later)));
  assert.deepEqual(sorted(CIRCUIT_BREAKERS.names), sorted(below('cluster.a.circuit_breakers.default.', none)));
  assert.deepEqual(sorted(HTTP.names), sorted(below('http.ingress.', none)));
  assert.deepEqual(sorted(HTTP1.names), sorted(below('http1.', none)));
  assert.deepEqual(sorted(LISTENER.names), sorted(below('listener.127.0.0.1_0.', /\.(?:worker_\d|http)\./)));
  assert.deepEqual(sorted(TCP.names), sorted(below('tcp.tcpp.', none)));
});
