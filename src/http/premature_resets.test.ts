import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Runtime } from '../common/runtime.ts';
import { PrematureResets } from './premature_resets.ts';

function closedAfter(resets: PrematureResets, streams: (i: number) => [lived: number, answered: boolean]): number {
  for (let i = 1; i <= 5000; i++) if (resets.onStreamOver(...streams(i))) return i;
  return 0;
}

test('a client that resets all its streams is cut off at half of five hundred', () => {
  assert.equal(
    closedAfter(new PrematureResets(new Runtime()), () => [0, false]),
    250,
  );
});

test('one that resets every other stream is cut off at five hundred, a third never', () => {
  assert.equal(
    closedAfter(new PrematureResets(new Runtime()), (i) => [0, i % 2 === 0]),
    499,
  );
  assert.equal(
    closedAfter(new PrematureResets(new Runtime()), (i) => [0, i % 3 !== 0]),
    0,
  );
});

test('what lived for two seconds, or was answered, is no premature reset', () => {
  assert.equal(
    closedAfter(new PrematureResets(new Runtime()), () => [2000, false]),
    0,
  );
  assert.equal(
    closedAfter(new PrematureResets(new Runtime()), () => [0, true]),
    0,
  );
});

test('the runtime sets both figures', () => {
  const runtime = new Runtime();
  const number = (value: number) => ({ number: value, string: String(value), boolean: undefined, fraction: undefined });
  runtime.load(
    new Map([
      ['overload.premature_reset_total_stream_count', number(10)],
      ['overload.premature_reset_min_stream_lifetime_seconds', number(5)],
    ]) as never,
  );
  assert.equal(
    closedAfter(new PrematureResets(runtime), () => [4000, false]),
    5,
  );
});
