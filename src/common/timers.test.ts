/** Timers fire once, in order, never early; stopped ones not at all. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { tick } from './clock.ts';
import { Timer } from './timers.ts';

class Recorder {
  readonly fired: { kind: number; at: number }[] = [];
  onTimer(kind: number): void {
    this.fired.push({ kind, at: performance.now() });
  }
}

test('fires in the order of deadlines whatever the order of starting, none early', async () => {
  const owner = new Recorder();
  const durations = [40, 10, 30, 10, 20];
  const started = tick();
  for (const [kind, duration] of durations.entries()) new Timer(owner, kind).start(duration);
  await sleep(150);
  assert.deepEqual(
    owner.fired.map(({ kind }) => kind),
    [1, 3, 4, 2, 0],
  );
  for (const { kind, at } of owner.fired)
    assert.ok(at - started >= durations[kind], `${kind} after ${at - started} ms`);
});

test('a restarted timer counts from its last start, a stopped one never fires', async () => {
  const owner = new Recorder();
  tick();
  const [again, stopped] = [new Timer(owner, 1), new Timer(owner, 2)];
  again.start(20);
  stopped.start(20);
  await sleep(10);
  const restarted = tick();
  again.start(40);
  stopped.stop();
  assert.equal(stopped.running, false);
  await sleep(120);
  assert.deepEqual(
    owner.fired.map(({ kind }) => kind),
    [1],
  );
  assert.ok(owner.fired[0].at - restarted >= 40);
});

test('a timer may start itself and others when it fires', async () => {
  const fired: number[] = [];
  const other = new Timer({ onTimer: (kind) => fired.push(kind) }, 9);
  const self: Timer = new Timer(
    {
      onTimer: (kind) => {
        fired.push(kind);
        if (fired.length < 3) self.start(5);
        else other.start(5);
      },
    },
    1,
  );
  tick();
  self.start(5);
  await sleep(120);
  assert.deepEqual(fired, [1, 1, 1, 9]);
});
