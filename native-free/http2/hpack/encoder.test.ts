/** The HPACK encoder: what it writes byte for byte, what it keeps out of the table, and changes of the table's size. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeBlock, FieldRecorder, headerMap, hex } from '../../../test/support/hpack_blocks.ts';
import { headerName } from '../../headers/header_name.ts';
import { encodeRequestHead, encodeTrailers, trailersBound } from '../messages/encode_head.ts';
import { HpackDecoder } from './decoder.ts';
import { fieldBound, HpackEncoder } from './encoder.ts';
import { FieldFlag } from './field_kind.ts';

const room = Buffer.alloc(1 << 17);

function encode(encoder: HpackEncoder, name: string, value: string, never = false): string {
  const end = encoder.encodeField(room, encoder.beginBlock(room, 0), headerName(name), value, never);
  return room.toString('hex', 0, end);
}

test('RFC 7541 C.3.1 and C.3.2, byte for byte', () => {
  const encoder = new HpackEncoder(4096);
  const head = (fields: [string, string][]) => ({
    method: 'GET',
    scheme: 'http',
    path: '/',
    authority: 'www.example.com',
    protocol: 'HTTP/2' as const,
    headers: headerMap(fields),
  });
  let end = encodeRequestHead(encoder, room, 0, head([]));
  assert.equal(room.toString('hex', 0, end), '828684410f7777772e6578616d706c652e636f6d');
  end = encodeRequestHead(encoder, room, 0, head([['cache-control', 'no-cache']]));
  assert.equal(room.toString('hex', 0, end), '828684be58086e6f2d6361636865');
});

test('C.2: a new name and value enter the table, then one byte is enough', () => {
  const encoder = new HpackEncoder(4096);
  assert.equal(encode(encoder, 'custom-key', 'custom-header'), `400a${hexOf('custom-key')}0d${hexOf('custom-header')}`);
  assert.equal(encode(encoder, 'custom-key', 'custom-header'), 'be');
  assert.equal(encode(encoder, 'x', 'y'), '4001780179');
  assert.equal(encode(encoder, 'custom-key', 'custom-header'), 'bf');
  // Another value with the name's index, which enters the table too.
  assert.equal(encode(encoder, 'x', 'z'), '7e017a');
  assert.equal(encode(encoder, 'x', 'z'), 'be');
});

test('what does not enter the table: secrets never-indexed, values that come once, large ones, ones asked for', () => {
  const encoder = new HpackEncoder(4096);
  for (let i = 0; i < 2; i++) {
    assert.equal(encode(encoder, 'authorization', 'a'), '1f080161');
    assert.equal(encode(encoder, 'cookie', 'a=b'), '1f1103613d62');
    assert.equal(encode(encoder, ':path', '/a'), '04022f61');
    assert.equal(encode(encoder, 'content-length', '1'), '0f0d0131');
    assert.equal(encode(encoder, 'x-s', 'k', true), '1003782d73016b');
    assert.equal(encode(encoder, 'x-large', 'v'.repeat(3100)).slice(0, 4), '0007');
  }
  assert.equal(encode(encoder, 'cookie', 'a'.repeat(20)).slice(0, 4), '6014');
  assert.equal(encode(encoder, 'cookie', 'a'.repeat(20)), 'be');
  // A short one is secret also where a longer one is in the table.
  assert.equal(encode(encoder, 'cookie', 'a=b'), '1f1103613d62');
});

test('what HTTP/2 does not have is not written', () => {
  const encoder = new HpackEncoder(4096);
  for (const name of ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'host']) {
    assert.equal(encode(encoder, name, 'x'), '', name);
  }
  assert.equal(encode(encoder, 'te', 'gzip'), '');
  assert.notEqual(encode(encoder, 'te', 'trailers'), '');
  assert.equal(encode(encoder, 'te', 'gzip'), '');
});

test('a name whose value changes all the time stops filling the table, and gets another chance', () => {
  const encoder = new HpackEncoder(4096);
  let indexed = 0;
  for (let i = 0; i < 100; i++) {
    const first = Number.parseInt(encode(encoder, 'x-time', String(i)).slice(0, 2), 16);
    if (first >= 0x40) indexed++;
  }
  assert.ok(indexed >= 5 && indexed <= 9, String(indexed));
  // Once it stays the same it is one byte soon.
  let writes = 0;
  while (encode(encoder, 'x-time', 'same').length > 2) assert.ok(++writes < 40);
});

test('changes of the table size: the smallest and the last are told at the next block', () => {
  const encoder = new HpackEncoder(4096);
  encode(encoder, 'x', 'y');
  encoder.setMaxTableSize(4096);
  assert.equal(encode(encoder, 'x', 'y'), 'be');
  encoder.setMaxTableSize(65536);
  assert.equal(encode(encoder, 'x', 'y'), 'be');
  encoder.setMaxTableSize(0);
  encoder.setMaxTableSize(100);
  assert.equal(encode(encoder, 'x', 'y'), '203f454001780179');
  assert.equal(encode(encoder, 'x', 'y'), 'be');
  encoder.setMaxTableSize(0);
  assert.equal(encode(encoder, 'x', 'y'), '200001780179');
  encoder.setMaxTableSize(4096);
  assert.equal(encode(encoder, 'x', 'y'), '3fe11f4001780179');
  assert.equal(encode(new HpackEncoder(0), 'x', 'y'), '200001780179');
});

test('a larger table is used as far as we want', () => {
  const encoder = new HpackEncoder(65536);
  assert.equal(encode(encoder, 'x', 'y'), '4001780179');
  encoder.setMaxTableSize(1 << 30);
  assert.equal(encode(encoder, 'x', 'y'), '3fe1ff03be');
});

test('never-indexed fields of a map stay so, and come out of the decoder marked', () => {
  const encoder = new HpackEncoder(4096);
  const map = headerMap([
    ['x-secret', 'k'],
    ['x-open', 'v'],
  ]);
  map.neverIndexed = [headerName('x-secret')];
  const decoder = new HpackDecoder(4096);
  for (let i = 0; i < 2; i++) {
    const end = encodeTrailers(encoder, room, 0, map);
    const recorder = new FieldRecorder();
    assert.ok(decoder.decode(room, 0, end, recorder));
    assert.deepEqual(recorder.kinds, [FieldFlag.NeverIndexed, 0]);
  }
});

test('bounds hold for the longest of everything', () => {
  const encoder = new HpackEncoder(4096);
  for (const length of [0, 1, 126, 127, 128, 254, 255, 256, 16510, 65000]) {
    const [name, value] = [headerName(`n${'a'.repeat(length)}`), 'v'.repeat(length)];
    assert.ok(encoder.encodeField(room, 0, name, value) <= fieldBound(name, value));
    const map = headerMap([[name.text, value]]);
    assert.ok(encodeTrailers(encoder, room, 0, map) <= trailersBound(map));
  }
});

test('the table keeps no text that a value was cut from', () => {
  const encoder = new HpackEncoder(4096);
  const decoder = new HpackDecoder(4096);
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < 40; i++) {
    const large = Buffer.alloc(1 << 20, 97).latin1Slice() + i;
    const value = large.substring(large.length - 20);
    const end = encoder.encodeField(room, 0, headerName(`x-cut-${i}`), value);
    assert.deepEqual(decodeBlock(decoder, room.subarray(0, end)), [[`x-cut-${i}`, value]]);
  }
  globalThis.gc?.();
  if (globalThis.gc !== undefined) assert.ok(process.memoryUsage().heapUsed - before < 4e6);
});

test('nothing is written beside the target, whatever the offset', () => {
  const target = Buffer.alloc(64);
  const end = new HpackEncoder(4096).encodeField(target, 10, headerName('x'), 'y');
  assert.equal(target.toString('hex', 10, end), '4001780179');
  assert.ok(hex('00'.repeat(10)).equals(target.subarray(0, 10)));
});

function hexOf(text: string): string {
  return Buffer.from(text).toString('hex');
}
