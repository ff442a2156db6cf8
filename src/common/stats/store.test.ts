import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeCounters } from './codes.ts';
import { CLUSTER, HOST } from './layouts.ts';
import { statNamePart } from './stat_name.ts';
import { type StatsAnnouncement, ThreadStats } from './store.ts';

function storeWithLog(): { store: ThreadStats; told: StatsAnnouncement[] } {
  const told: StatsAnnouncement[] = [];
  return { store: new ThreadStats((message) => told.push(message)), told };
}

test('the same scope gives the same block, and new names are told once, together', async () => {
  const { store, told } = storeWithLog();
  const block = store.block(CLUSTER, 'cluster.a.');
  assert.equal(store.block(CLUSTER, 'cluster.a.'), block);
  assert.equal(block.length, CLUSTER.names.length);
  store.counter('x');
  assert.equal(store.counter('x'), store.counter('x'));
  store.histogram('h');
  assert.equal(told.length, 0);
  await Promise.resolve();
  assert.equal(told.length, 1);
  assert.deepEqual(told[0].blocks, [{ layoutId: 'cluster', prefix: 'cluster.a.', chunk: 0, base: 0 }]);
  assert.deepEqual(told[0].scalars, [{ name: 'x', kind: 'counter', chunk: 0, index: CLUSTER.names.length }]);
  assert.deepEqual(told[0].histograms, ['h']);
  assert.deepEqual(
    told[0].layouts.map((layout) => layout.id),
    ['cluster'],
  );
  store.announceNow();
  assert.equal(told.length, 1);
});

test('a block never straddles two chunks', () => {
  const { store, told } = storeWithLog();
  for (let i = 0; i < 400; i++) store.block(CLUSTER, `cluster.c${i}.`);
  store.announceNow();
  assert.equal(told[0].chunks.length, 3);
  for (const { chunk, base } of told[0].blocks) {
    assert.ok((base + CLUSTER.names.length) * 8 <= told[0].chunks[chunk].byteLength);
  }
});

test('slots are -0 until written, even with 0', () => {
  const { store } = storeWithLog();
  const block = store.block(CLUSTER, 'cluster.a.');
  assert.ok(block.every((value) => Object.is(value, -0)));
  block[0]++;
  block[0]--;
  block[1] += 0;
  assert.ok(Object.is(block[0], 0) && Object.is(block[1], 0));
});

test('names are cleaned, those of internal scopes are not', () => {
  const { store, told } = storeWithLog();
  store.block(CLUSTER, 'cluster.a:b.');
  store.block(HOST, 'cluster.a.host.1.2.3.4:80.');
  store.announceNow();
  assert.deepEqual(
    told[0].blocks.map((block) => block.prefix),
    ['cluster.a_b.', 'cluster.a.host.1.2.3.4:80.'],
  );
  assert.equal(statNamePart('[::1]:80'), '[__1]_80');
  assert.equal(statNamePart('http://x:/y'), 'http_x_y');
});

test('codes make their counters with the first response', () => {
  const { store, told } = storeWithLog();
  const codes = codeCounters(store, 'cluster.a.upstream_rq_');
  store.announceNow();
  assert.equal(told.length, 0);
  for (const status of [200, 200, 204, 503, 0, 999]) codes.inc(status);
  store.announceNow();
  const values = Object.fromEntries(
    told[0].scalars.map(({ name, chunk, index }) => [name.slice(22), new Float64Array(told[0].chunks[chunk])[index]]),
  );
  assert.deepEqual(values, { 200: 2, 204: 1, 503: 1, '2xx': 3, '5xx': 1, unknown: 1, completed: 5 });
});

test('histograms are handed out with ascending values and then empty', () => {
  const { store } = storeWithLog();
  const histogram = store.histogram('h');
  store.histogram('never');
  assert.deepEqual(store.takeHistograms(), []);
  for (const value of [5, 0, 0.9, -3, 41.7, 5, Number.POSITIVE_INFINITY, 1e12]) histogram.record(value);
  const [[name, pairs], ...others] = store.takeHistograms();
  assert.equal(name, 'h');
  assert.equal(others.length, 0);
  assert.deepEqual([...pairs.slice(0, 6)], [0, 3, 5, 2, 41, 1]);
  assert.equal(pairs[7], 2);
  assert.ok(pairs[6] > 2 ** 31 * 0.99);
  assert.deepEqual(store.takeHistograms(), []);
  histogram.record(7);
  assert.deepEqual([...store.takeHistograms()[0][1]], [7, 1]);
});
