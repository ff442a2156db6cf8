import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shareOfWeight, slowStartSettings } from './slow_start.ts';

const duration = (seconds: number) => ({ seconds: BigInt(seconds), nanos: 0 }) as never;

test('a host begins with the least share and has all of its weight at the end of the window', () => {
  const settings = slowStartSettings({ slowStartWindow: duration(10) } as never)!;
  assert.deepEqual(settings, { window: 10_000, aggression: 1, least: 0.1 });
  assert.deepEqual(
    [0, 1000, 2500, 5000, 9999, 10_000, 60_000].map((age) => Number(shareOfWeight(settings, age).toFixed(2))),
    [0.1, 0.1, 0.25, 0.5, 1, 1, 1],
  );
});

test('aggression above 1 gives more in the beginning', () => {
  const settings = slowStartSettings({
    slowStartWindow: duration(10),
    aggression: { defaultValue: 2, runtimeKey: '' },
    minWeightPercent: { value: 5 },
  } as never)!;
  assert.equal(shareOfWeight(settings, 0), 0.05);
  assert.equal(shareOfWeight(settings, 2500), 0.5);
});

test('without a window there is no slow start', () => {
  assert.equal(slowStartSettings(undefined), undefined);
  assert.equal(slowStartSettings({} as never), undefined);
});
