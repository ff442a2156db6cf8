import assert from 'node:assert/strict';
import { test } from 'node:test';
import { xxhash64 } from './xxhash64.ts';

// Values of the reference implementation.
const known: [string, bigint][] = [
  ['', 0xef46db3751d8e999n],
  ['a', 0xd24ec4f1a98c6e5bn],
  ['abc', 0x44bc2cf5ad770999n],
  ['foobar', 0xa2aa05ed9085aaf9n],
  ['Call me Ishmael. Some years ago--never mind how long precisely-', 0x02a2e85470d6fd96n],
];

for (const [text, hash] of known) {
  test(`xxhash64 of '${text.slice(0, 10)}'`, () => assert.equal(xxhash64(text).toString(16), hash.toString(16)));
}
