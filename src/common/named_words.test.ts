import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NamedWords, namedWordSize } from './named_words.ts';

function memory(words: Int32Array, places = 8) {
  return { words, ledger: new Int32Array(words.length), base: 2, places };
}

function shared(places = 8): Int32Array {
  return new Int32Array(new SharedArrayBuffer((2 + places * namedWordSize) * 4));
}

test('threads find the same count by its name', () => {
  const words = shared();
  const [a, b] = [memory(words), memory(words)];
  const [one, other] = [new NamedWords(a).count('x'), new NamedWords(b).count('x')];
  assert.deepEqual([one.add(1), other.add(1), one.add(-1)], [0, 1, 2]);
  assert.equal(new NamedWords(b).count('y').add(1), 0);
  assert.deepEqual([a.ledger.reduce((x, y) => x + y), b.ledger.reduce((x, y) => x + y)], [0, 2]);
});

test('every name has a place of its own, until there is none', () => {
  const names = new NamedWords(memory(shared(50), 50));
  for (let i = 0; i < 50; i++) assert.equal(names.count(`n${i}`).add(1), 0);
  for (let i = 0; i < 50; i++) assert.equal(names.count(`n${i}`).add(1), 1);
  assert.throws(() => names.count('one more'), RangeError);
});

test('a bucket fills all the time, up to its most', () => {
  const words = shared();
  const settings = { maxTokens: 3, tokensPerFill: 2, fillInterval: 100 };
  const bucket = new NamedWords(memory(words)).tokenBucket('b', settings);
  const other = new NamedWords(memory(words)).tokenBucket('b', settings);
  const at = (milliseconds: number) => 10n ** 15n + BigInt(milliseconds) * 1_000_000n;
  assert.deepEqual(
    [bucket, other, bucket, other].map((b) => b.consume(1, at(0))),
    [true, true, true, false],
  );
  assert.equal(bucket.consume(1, at(49)), false);
  assert.equal(other.consume(1, at(50)), true);
  assert.equal(bucket.consume(1, at(50)), false);
  assert.deepEqual(
    [1, 2, 3, 4].map(() => bucket.consume(1, at(100_000))),
    [true, true, true, false],
  );
  assert.equal(bucket.consume(4, at(900_000)), false);
  assert.equal(bucket.consume(3, at(900_000)), true);
});
