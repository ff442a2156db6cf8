/** The Huffman code of HPACK strings (RFC 7541 section 5.2), decoded four bits at a time. */
import type { Bytes } from '../../bytes/bytes.ts';

/** Bits of the code of each byte and, last, of EOS (appendix B). The code is canonical: its lengths are all there is to know. */
const LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6,
  5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23,
  22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22,
  23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26,
  20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27,
  27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27,
  27, 27, 27, 26, 30,
];
const EOS = 256;

/** A step of the decoder: the next state in bits 0-7, the byte found in bits 8-15, and these. */
const FOUND = 0x10000;
const FAILED = 0x20000;

/** By `state << 4 | nibble`; state 0 stands before a code. */
const STEPS = new Int32Array(256 * 16);
/** 1 for the states in which a string may end: behind at most seven bits, all of them ones (the beginning of EOS). */
const MAY_END = new Uint8Array(256);
buildTables();

/** An inner node of the code tree; a number is a symbol. */
interface Node {
  readonly state: number;
  zero: Node | number | undefined;
  one: Node | number | undefined;
}

function buildTables(): void {
  const nodes: Node[] = [];
  const newNode = (): Node => {
    const node: Node = { state: nodes.length, zero: undefined, one: undefined };
    nodes.push(node);
    return node;
  };
  const root = newNode();
  let code = 0;
  for (let length = 1; length <= 30; length++) {
    code <<= 1;
    for (let symbol = 0; symbol <= EOS; symbol++)
      if (LENGTHS[symbol] === length) plant(root, symbol, code++, length, newNode);
  }
  for (const node of nodes) {
    for (let nibble = 0; nibble < 16; nibble++) STEPS[(node.state << 4) | nibble] = step(root, node, nibble);
  }
  let ones: Node | number | undefined = root;
  for (let bits = 0; bits < 8 && typeof ones === 'object'; bits++, ones = ones.one) MAY_END[ones.state] = 1;
}

function plant(root: Node, symbol: number, code: number, length: number, newNode: () => Node): void {
  let node = root;
  for (let bit = length - 1; bit > 0; bit--) {
    const side: 'zero' | 'one' = ((code >>> bit) & 1) === 0 ? 'zero' : 'one';
    node[side] ??= newNode();
    node = node[side] as Node;
  }
  node[(code & 1) === 0 ? 'zero' : 'one'] = symbol;
}

/** No code is shorter than five bits, so four never find more than one symbol. */
function step(root: Node, from: Node, nibble: number): number {
  let node = from;
  let found = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const next = ((nibble >>> bit) & 1) === 0 ? node.zero : node.one;
    if (typeof next === 'object') {
      node = next;
    } else {
      if (next === undefined || next === EOS) return FAILED;
      found = FOUND | (next << 8);
      node = root;
    }
  }
  return found | node.state;
}

/** Bytes that a coded string of `length` bytes decodes to at most. */
export function decodedBound(length: number): number {
  return Math.ceil((length * 8) / 5);
}

/** Decodes [start, end) into `target`, which has room; returns how many bytes came out, -1 for a string that is none. */
export function decodeHuffman(bytes: Bytes, start: number, end: number, target: Uint8Array): number {
  let state = 0;
  let length = 0;
  for (let i = start; i < end; i++) {
    const byte = bytes[i];
    const high = STEPS[(state << 4) | (byte >>> 4)];
    if (high >= FOUND) {
      if (high >= FAILED) return -1;
      target[length++] = high >>> 8;
    }
    const low = STEPS[((high & 0xff) << 4) | (byte & 15)];
    if (low >= FOUND) {
      if (low >= FAILED) return -1;
      target[length++] = low >>> 8;
    }
    state = low & 0xff;
  }
  return MAY_END[state] === 1 ? length : -1;
}
