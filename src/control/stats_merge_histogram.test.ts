import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BinnedCounts, defaultQuantiles } from './stats_merge_histogram.ts';

function counts(values: readonly number[]): BinnedCounts {
  const binned = new BinnedCounts();
  for (const value of values) binned.add(value, 1);
  return binned;
}

test('bins have two digits', () => {
  const bins = counts([0, 1, 7, 41, 99, 100, 109, 110, 999, 1000, 3_600_000]).bins;
  assert.deepEqual(
    bins.map(({ lower, width, count }) => [lower, width, count]),
    [
      [0, 0, 1],
      [1, 0.1, 1],
      [7, 0.1, 1],
      [41, 1, 1],
      [99, 1, 1],
      [100, 10, 2],
      [110, 10, 1],
      [990, 10, 1],
      [1000, 100, 1],
      [3_600_000, 100_000, 1],
    ],
  );
});

test('every whole number from 1 to 9 begins a bin', () => {
  for (let value = 1; value < 10; value++) assert.equal(counts([value]).bins[0].lower, value);
});

test('quantiles as Envoy gave them for the same values', () => {
  // 11 connections accepted one a socket event.
  const ones = counts(Array.from({ length: 11 }, () => 1)).quantiles(defaultQuantiles);
  assert.deepEqual(
    ones.map((value) => Number(value.toFixed(12))),
    [1.008333333333, 1.025, 1.05, 1.075, 1.083333333333, ...Array(5).fill(1.091666666667)],
  );
  assert.deepEqual(
    counts([0, 0, 0, 0, 0, 0, 1, 40, 41, 42, 43, 43, 44, 47]).quantiles(defaultQuantiles),
    [0, 0, 1.05, 43.333333333333336, 44.5, 47.5, 47.5, 47.5, 47.5, 47.5],
  );
  assert.deepEqual(counts([14]).quantiles([0, 0.5, 1]), [14.5, 14.5, 14.5]);
});

test('buckets include their bound', () => {
  assert.deepEqual(counts([0, 1, 5, 50, 51]).cumulative([0.5, 1, 5, 10, 50, 100]), [1, 2, 3, 3, 4, 5]);
});

test('the sum takes the middle of a bin', () => {
  assert.equal(counts([14]).sum, 14.482758620689655);
});
