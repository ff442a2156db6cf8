/** The name cache: identity with interned names, also with ones interned later, and its bounds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { headerName } from './header_name.ts';
import { HASH_START, HeaderNameCache } from './name_cache.ts';
import { CONTENT_LENGTH } from './well_known.ts';

function lookup(cache: HeaderNameCache, text: string): ReturnType<HeaderNameCache['lookup']> {
  const bytes = Buffer.from(`: ${text} `);
  return cache.lookup(bytes, 2, 2 + text.length);
}

test('names are found in any case', () => {
  const cache = new HeaderNameCache();
  for (const text of ['content-length', 'Content-Length', 'CONTENT-LENGTH', 'content-length']) {
    assert.equal(lookup(cache, text), CONTENT_LENGTH);
  }
});

test('an unknown name is the same object while it is cached, and lower-case', () => {
  const cache = new HeaderNameCache();
  const name = lookup(cache, 'X-Cache-Test-1');
  assert.deepEqual([name.text, name.wire], ['x-cache-test-1', '\r\nx-cache-test-1: ']);
  assert.equal(lookup(cache, 'x-cache-TEST-1'), name);
});

test('a name interned later replaces the cached one', () => {
  const cache = new HeaderNameCache();
  const before = lookup(cache, 'x-cache-test-2');
  headerName('x-cache-test-other');
  assert.equal(lookup(cache, 'x-cache-test-2'), before);
  const interned = headerName('x-cache-test-2');
  assert.notEqual(interned, before);
  assert.equal(lookup(cache, 'X-Cache-Test-2'), interned);
});

test('equal hashes do not make equal names', () => {
  const cache = new HeaderNameCache();
  const one = Buffer.from('x-one');
  const two = Buffer.from('x-two');
  assert.equal(cache.find(one, 0, 5, HASH_START).text, 'x-one');
  assert.equal(cache.find(two, 0, 5, HASH_START).text, 'x-two');
  assert.equal(cache.find(one, 0, 5, HASH_START).text, 'x-one');
});

test('a peer cannot push out the names the code knows', () => {
  const cache = new HeaderNameCache();
  const text = Buffer.from('content-length');
  cache.find(text, 0, text.length, 1);
  const other = Buffer.from('x-other');
  cache.find(other, 0, other.length, 1);
  const entries = (cache as unknown as { entries: ({ name: unknown } | undefined)[] }).entries;
  assert.deepEqual(
    entries.filter((entry) => entry !== undefined).map((entry) => entry.name),
    [CONTENT_LENGTH],
  );
});

test('long names are not kept', () => {
  const cache = new HeaderNameCache();
  const long = `x-${'a'.repeat(63)}`;
  assert.notEqual(lookup(cache, long), lookup(cache, long));
  const interned = headerName(long);
  assert.equal(lookup(cache, long), interned);
});
