import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type CheckOutcome, CheckState, nextInterval } from './check_state.ts';
import type { HealthCheckSettings } from './settings.ts';

const settings: HealthCheckSettings = {
  timeout: 1,
  interval: 100,
  initialJitter: 0,
  intervalJitter: 0,
  intervalJitterPercent: 0,
  noTrafficInterval: 60_000,
  noTrafficHealthyInterval: 30_000,
  unhealthyInterval: 200,
  unhealthyEdgeInterval: 10,
  healthyEdgeInterval: 20,
  unhealthyThreshold: 3,
  healthyThreshold: 2,
  reuseConnection: true,
};

function run(outcomes: readonly CheckOutcome[], healthy = false): string {
  const state = new CheckState(settings, healthy);
  return outcomes
    .map((outcome) => state.take(outcome))
    .map((result) => (result.healthy ? 'H' : 'U') + (result.changed ? '!' : '') + (result.pending ? '?' : ''))
    .join(' ');
}

describe('thresholds', () => {
  test('the first answer decides at once', () => {
    assert.equal(run(['healthy']), 'H!');
    assert.equal(run(['network failure']), 'U');
  });
  test('network failures and timeouts count to the threshold', () => {
    assert.equal(run(['healthy', 'network failure', 'timeout', 'network failure']), 'H! H? H? U!');
    assert.equal(run(['healthy', 'timeout', 'healthy', 'timeout', 'timeout']), 'H! H? H H? H?');
  });
  test('a wrong status is unhealthy at once, a retriable one counts', () => {
    assert.equal(run(['healthy', 'unhealthy']), 'H! U!');
    assert.equal(run(['healthy', 'retriable', 'retriable', 'retriable']), 'H! H? H? U!');
  });
  test('a host comes back after as many good answers as asked for', () => {
    assert.equal(run(['unhealthy', 'healthy', 'unhealthy', 'healthy', 'healthy']), 'U U? U U? H!');
  });
  test('degraded is healthy, and a change', () => {
    assert.equal(run(['degraded', 'degraded', 'healthy']), 'H! H H!');
  });
});

describe('intervals', () => {
  const wait = (healthy: boolean, pending: boolean, traffic: boolean) =>
    nextInterval(settings, { healthy, pending }, traffic, () => 0);
  test('by state and edge', () => {
    assert.deepEqual(
      [wait(true, false, true), wait(true, true, true), wait(false, false, true), wait(false, true, true)],
      [100, 10, 200, 20],
    );
  });
  test('seldom while there is no traffic', () => {
    assert.deepEqual([wait(true, false, false), wait(false, false, false)], [30_000, 60_000]);
  });
  test('jitter in milliseconds and percent', () => {
    const jittered = { ...settings, intervalJitter: 50, intervalJitterPercent: 20 };
    assert.equal(
      nextInterval(jittered, { healthy: true, pending: false }, true, () => 0.999),
      100 + 19 + 49,
    );
  });
});
