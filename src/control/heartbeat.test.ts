/** A worker is told of after seven missed beats in a row, whatever the clock says, and only while it serves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeartbeatWatch } from './heartbeat.ts';

function setUp(count: number) {
  const members = Array.from({ length: count }, () => ({ pulse: new Int32Array(2), serving: true }));
  const hung: number[] = [];
  const watch = new HeartbeatWatch(members, (member) => hung.push(members.indexOf(member)));
  const checks = (turns: number, beating: number[]): void => {
    for (let i = 0; i < turns; i++) {
      for (const index of beating) members[index].pulse[0]++;
      watch.check();
    }
  };
  return { members, hung, checks };
}

test('a pulse that stands still is told of once in seven turns', () => {
  const { hung, checks } = setUp(2);
  checks(3, [0, 1]);
  checks(6, [0]);
  assert.deepEqual(hung, []);
  checks(1, [0]);
  assert.deepEqual(hung, [1]);
  checks(6, [0]);
  assert.deepEqual(hung, [1]);
});

test('a beat in between begins anew', () => {
  const { hung, checks } = setUp(1);
  checks(1, [0]);
  checks(6, []);
  checks(1, [0]);
  checks(6, []);
  assert.deepEqual(hung, []);
});

test('a worker that still starts is left alone', () => {
  const { members, hung, checks } = setUp(1);
  members[0].serving = false;
  checks(50, []);
  members[0].serving = true;
  checks(6, []);
  assert.deepEqual(hung, []);
  checks(1, []);
  assert.deepEqual(hung, [0]);
});
