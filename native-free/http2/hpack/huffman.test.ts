/** The Huffman code: control characters, whose codes no peer sends, and strings over the byte borders. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodedBound, decodeHuffman } from './huffman.ts';

function decode(bits: string): string | undefined {
  const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, '1');
  const bytes = Buffer.from(padded.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? []);
  const target = Buffer.alloc(decodedBound(bytes.length));
  const length = decodeHuffman(bytes, 0, bytes.length, target);
  return length < 0 ? undefined : target.latin1Slice(0, length);
}

function code(hex: string, length: number): string {
  return BigInt(`0x${hex}`).toString(2).padStart(length, '0');
}

test('codes of RFC 7541 appendix B, alone and behind each other', () => {
  const codes: [number, string][] = [
    [0x00, code('1ff8', 13)],
    [0x01, code('7fffd8', 23)],
    [0x02, code('fffffe2', 28)],
    [0x09, code('ffffea', 24)],
    [0x0a, code('3ffffffc', 30)],
    [0x0d, code('3ffffffd', 30)],
    [0x16, code('3ffffffe', 30)],
    [0x1f, code('ffffffb', 28)],
    [0x20, code('14', 6)],
    [0x30, code('0', 5)],
    [0x61, code('3', 5)],
    [0x7a, code('7b', 7)],
    [0x7f, code('ffffffc', 28)],
    [0x80, code('fffe6', 20)],
    [0xf9, code('ffffffe', 28)],
    [0xff, code('3ffffee', 26)],
  ];
  for (const [byte, bits] of codes) {
    assert.equal(decode(bits), String.fromCharCode(byte), byte.toString(16));
    for (const [next, more] of codes) assert.equal(decode(bits + more), String.fromCharCode(byte, next));
  }
  assert.equal(decode(''), '');
});

test('a string ends with less than a byte of ones, and never holds EOS', () => {
  const a = code('3', 5);
  assert.equal(decode(`${a}111`), 'a');
  assert.equal(decode(`${a}110`), undefined);
  assert.equal(decode(`${a}${'1'.repeat(11)}`), undefined);
  assert.equal(decode('1'.repeat(8)), undefined);
  assert.equal(decode('1'.repeat(30)), undefined);
  assert.equal(decode(`${a}${'1'.repeat(30)}${a}`), undefined);
});
