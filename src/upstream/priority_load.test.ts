/** How load spills over priority levels: figures from Envoy's documentation of priority levels, degraded hosts and panic. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LevelHealth, type LoadOptions, priorityLoad } from './priority_load.ts';

const options: LoadOptions = { overprovisioningFactor: 140, panicThreshold: 50, weightedPriorityHealth: false };

/** Percent healthy and degraded of 100 hosts of equal weight. */
function level(healthy: number, degraded = 0, excluded = 0, total = 100): LevelHealth {
  return { total, excluded, healthy, degraded, weights: { total: total - excluded, healthy, degraded } };
}

const rows: [levels: LevelHealth[], healthy: number[], degraded: number[], panic: boolean[]][] = [
  [
    [level(100), level(100)],
    [100, 0],
    [0, 0],
    [false, false],
  ],
  [
    [level(72), level(72)],
    [100, 0],
    [0, 0],
    [false, false],
  ],
  [
    [level(71), level(71)],
    [99, 1],
    [0, 0],
    [false, false],
  ],
  [
    [level(50), level(50)],
    [70, 30],
    [0, 0],
    [false, false],
  ],
  [
    [level(25), level(100)],
    [35, 65],
    [0, 0],
    [false, false],
  ],
  [
    [level(0), level(100)],
    [0, 100],
    [0, 0],
    [false, false],
  ],
  [
    [level(20), level(20)],
    [50, 50],
    [0, 0],
    [true, true],
  ],
  [
    [level(25), level(25), level(20)],
    [34, 33, 33],
    [0, 0, 0],
    [true, true, true],
  ],
  [
    [level(0), level(0)],
    [50, 50],
    [0, 0],
    [true, true],
  ],
  [[level(50, 50)], [70], [30], [false]],
  [
    [level(0, 100), level(0)],
    [0, 0],
    [100, 0],
    [false, false],
  ],
  [
    [level(30, 0, 50), level(100)],
    [84, 16],
    [0, 0],
    [false, false],
  ],
  [[level(0, 0, 0, 0)], [100], [0], [true]],
];

for (const [i, [levels, healthy, degraded, panic]] of rows.entries()) {
  test(`load of row ${i}`, () => assert.deepEqual(priorityLoad(levels, options), { healthy, degraded, panic }));
}

test('panic can be switched off: the first level then answers for what nobody can take', () => {
  const off = { ...options, panicThreshold: 0 };
  assert.deepEqual(priorityLoad([level(0), level(0)], off), {
    healthy: [100, 0],
    degraded: [0, 0],
    panic: [false, false],
  });
});

test('the factor of overprovisioning and weights instead of hosts', () => {
  assert.deepEqual(
    priorityLoad([level(50), level(100)], { ...options, overprovisioningFactor: 100 }).healthy,
    [50, 50],
  );
  const heavy = { ...level(50), weights: { total: 100, healthy: 10, degraded: 0 } };
  const weighted = { ...options, weightedPriorityHealth: true };
  assert.deepEqual(priorityLoad([heavy, level(100)], weighted).healthy, [14, 86]);
});

test('a level to avoid gets nothing while another one is healthy', () => {
  assert.deepEqual(priorityLoad([level(100), level(100)], options, 1).healthy, [0, 100]);
  assert.deepEqual(priorityLoad([level(100), level(100)], options, 3).healthy, [100, 0]);
});
