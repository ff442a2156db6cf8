import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seedOfRun } from '../../test/support/random.ts';
import { DeadlineHeap } from './deadline_heap.ts';

const seed = seedOfRun();
console.log(`deadline heap: FUZZ_SEED=${seed}`);

test('turns come in the order of deadlines, however often they are put off', () => {
  const deadline = fc.integer({ min: 0, max: 1000 });
  fc.assert(
    fc.property(fc.array(deadline, { minLength: 1, maxLength: 40 }), fc.array(deadline), (deadlines, delays) => {
      const heap = new DeadlineHeap(Float64Array.from(deadlines));
      const expected = [...deadlines];
      for (const delay of delays) {
        assert.equal(expected[heap.first], Math.min(...expected));
        expected[heap.first] += delay;
        heap.postpone(delay);
      }
    }),
    { seed },
  );
});

test('turns are in proportion to what they cost', () => {
  const weights = [1, 2, 5];
  const heap = new DeadlineHeap(Float64Array.from(weights, (weight) => 1 / weight));
  const turns = [0, 0, 0];
  for (let i = 0; i < 800; i++) {
    turns[heap.first]++;
    heap.postpone(1 / weights[heap.first]);
  }
  assert.deepEqual(turns, [100, 200, 500]);
});
