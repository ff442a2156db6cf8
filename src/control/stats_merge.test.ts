import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLUSTER, HOST } from '../common/stats/layouts.ts';
import { ThreadStats } from '../common/stats/store.ts';
import { StatsMerge, type StatsSource } from './stats_merge.ts';

/** A thread's store whose names arrive by structured clone, as over a port. */
function thread(merge: StatsMerge): { store: ThreadStats; source: StatsSource } {
  const source = merge.addSource();
  const store = new ThreadStats((message) => source.announce(structuredClone(message)));
  return { store, source };
}

function valuesOf(merge: StatsMerge, names: readonly string[]): (number | undefined)[] {
  return names.map((name) => merge.value(name));
}

test('counts of all threads are summed by full name', () => {
  const merge = new StatsMerge();
  const [a, b] = [thread(merge), thread(merge)];
  b.store.counter('other');
  a.store.block(CLUSTER, 'cluster.x.')[CLUSTER.slot.upstream_cx_total] += 2;
  b.store.block(CLUSTER, 'cluster.x.')[CLUSTER.slot.upstream_cx_total] += 3;
  b.store.block(CLUSTER, 'cluster.x.')[CLUSTER.slot.upstream_cx_active]++;
  const single = b.store.counter('cluster.x.upstream_cx_total');
  single.values[single.index] += 10;
  a.store.announceNow();
  b.store.announceNow();
  assert.deepEqual(valuesOf(merge, ['cluster.x.upstream_cx_total', 'cluster.x.upstream_cx_active', 'other', 'none']), [
    15,
    1,
    0,
    undefined,
  ]);
  const values = merge.values();
  assert.equal(values.length, CLUSTER.names.length + 1);
  assert.deepEqual(
    values.map(({ name }) => name),
    values.map(({ name }) => name).sort(),
  );
  assert.equal(values.find(({ name }) => name === 'cluster.x.upstream_cx_active')?.kind, 'gauge');
});

test('a dead thread leaves its counters and takes its gauges away', () => {
  const merge = new StatsMerge();
  const [a, b] = [thread(merge), thread(merge)];
  for (const { store } of [a, b]) {
    const stats = store.block(CLUSTER, 'cluster.x.');
    stats[CLUSTER.slot.upstream_rq_total] += 5;
    stats[CLUSTER.slot.upstream_rq_active] += 2;
    const host = store.block(HOST, 'cluster.x.host.1.2.3.4:80.');
    host[HOST.slot.rq_total] += 5;
    host[HOST.slot.rq_active] += 2;
    store.announceNow();
  }
  a.source.remove();
  assert.deepEqual(valuesOf(merge, ['cluster.x.upstream_rq_total', 'cluster.x.upstream_rq_active']), [10, 2]);
  b.source.remove();
  assert.deepEqual(valuesOf(merge, ['cluster.x.upstream_rq_total', 'cluster.x.upstream_rq_active']), [10, 0]);
  const host = merge.internalBlock('cluster.x.host.1.2.3.4:80.')!;
  assert.deepEqual([host[HOST.slot.rq_total], host[HOST.slot.rq_active]], [10, 0]);
  assert.ok(merge.values().every(({ name }) => !name.includes('.host.')));
  const used = merge.values().filter((stat) => stat.used);
  assert.deepEqual(
    used.map(({ name }) => name),
    ['cluster.x.upstream_rq_active', 'cluster.x.upstream_rq_total'],
  );
});

test('used means written, be it 0', () => {
  const merge = new StatsMerge();
  const { store } = thread(merge);
  const touched = store.gauge('touched');
  store.gauge('untouched');
  touched.values[touched.index] = 0;
  store.announceNow();
  assert.deepEqual(
    merge.values().map(({ name, used }) => [name, used]),
    [
      ['touched', true],
      ['untouched', false],
    ],
  );
});

test('reset_counters starts counters at 0 and leaves gauges', () => {
  const merge = new StatsMerge();
  const { store, source } = thread(merge);
  const [counter, gauge] = [store.counter('c'), store.gauge('g')];
  counter.values[counter.index] = 7;
  gauge.values[gauge.index] = 7;
  store.announceNow();
  merge.resetCounters();
  counter.values[counter.index] += 2;
  assert.deepEqual(valuesOf(merge, ['c', 'g']), [2, 7]);
  source.remove();
  assert.deepEqual(valuesOf(merge, ['c', 'g']), [2, 0]);
});

test('refreshers run before a look', () => {
  const merge = new StatsMerge();
  const { store } = thread(merge);
  merge.onLook(() => {
    const uptime = store.gauge('server.uptime');
    uptime.values[uptime.index] = 12;
    store.announceNow();
  });
  assert.equal(merge.value('server.uptime'), 12);
});

test('histograms: an interval and all time, over all threads', () => {
  const merge = new StatsMerge();
  const [a, b] = [thread(merge), thread(merge)];
  for (const { store } of [a, b]) store.histogram('h').record(41);
  a.store.histogram('unused');
  const collect = (): void => merge.mergeHistograms([...a.store.takeHistograms(), ...b.store.takeHistograms()]);
  a.store.announceNow();
  collect();
  const [h, unused] = merge.allHistograms();
  assert.deepEqual([h.name, h.interval.count, h.total.count, h.used], ['h', 2, 2, true]);
  assert.deepEqual([unused.name, unused.used], ['unused', false]);
  b.store.histogram('h').record(3);
  collect();
  assert.deepEqual([h.interval.count, h.total.count], [1, 3]);
  collect();
  assert.deepEqual([h.interval.count, h.total.count], [0, 3]);
  assert.ok(Number.isNaN(h.interval.quantiles([0.5])[0]));
});
