/** The buffer of body bytes: whatever sizes its pieces come in, all of them stay, in order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BodyBuffer } from './body_buffer.ts';

test('pieces of any size stay whole and in order', () => {
  for (const sizes of [
    [65_000, 65_536, 65_536],
    [100, 4096],
    [1, 4095, 1, 8192, 3],
    [0, 5],
  ]) {
    const buffer = new BodyBuffer();
    const pieces = sizes.map((size, i) => Buffer.alloc(size, 97 + i));
    for (const piece of pieces) buffer.add(piece, 0, piece.length);
    const all = Buffer.concat(pieces);
    assert.equal(buffer.size, all.length);
    assert.deepEqual(buffer.peek(), all);
    assert.deepEqual(buffer.take(), all);
    assert.equal(buffer.size, 0);
  }
});
