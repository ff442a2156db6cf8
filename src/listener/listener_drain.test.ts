import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrainType, ListenerDrain, type ProcessDrain } from './listener_drain.ts';

function processDrain(more: Partial<ProcessDrain> = {}): ProcessDrain {
  return { draining: false, healthFailed: false, drainTime: 600_000, immediate: false, ...more };
}

test('nothing drains by itself; the end of the process drains everything', () => {
  const process = processDrain();
  const drain = new ListenerDrain(process, DrainType.ModifyOnly);
  assert.equal(drain.draining, false);
  process.draining = true;
  assert.equal(drain.draining, true);
});

test('failed health checks drain listeners of the default type alone', () => {
  const process = processDrain({ healthFailed: true });
  assert.equal(new ListenerDrain(process, DrainType.Default).draining, true);
  assert.equal(new ListenerDrain(process, DrainType.ModifyOnly).draining, false);
});

test('a sequence closes all at once with the immediate strategy, few at the beginning with the gradual one', () => {
  const immediate = new ListenerDrain(processDrain({ immediate: true }), DrainType.ModifyOnly);
  immediate.start();
  assert.equal(immediate.draining, true);
  const gradual = new ListenerDrain(processDrain(), DrainType.ModifyOnly);
  gradual.start();
  assert.ok(Array.from({ length: 100 }, () => gradual.draining).filter(Boolean).length < 5);
});
