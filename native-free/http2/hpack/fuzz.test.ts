/** Fuzzers of HPACK: random bytes, damaged blocks, stories through both of our ends, and an encoder that takes every liberty. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestStory, storyFields } from '../../../test/support/header_stories.ts';
import { decodeBlock, integer, literal } from '../../../test/support/hpack_blocks.ts';
import { Random, seedOfRun } from '../../../test/support/random.ts';
import { headerName } from '../../headers/header_name.ts';
import { HpackDecoder } from './decoder.ts';
import { fieldBound, HpackEncoder } from './encoder.ts';
import { STATIC_COUNT, STATIC_TABLE } from './static_table.ts';

const seed = seedOfRun();
const scale = Number(process.env['FUZZ_SCALE'] ?? 1);
console.log(`hpack fuzz: FUZZ_SEED=${seed} FUZZ_SCALE=${scale}`);

const room = Buffer.alloc(1 << 17);
const nowhere = { field: () => {} };

/** What the table says of itself, which is private to everyone else. */
interface Inside {
  table: { size: number; count: number; maxSize: number; slots: ({ size: number } | undefined)[] };
}

function assertBounded(decoder: HpackDecoder): void {
  const { table } = decoder as unknown as Inside;
  const held = table.slots.filter((slot) => slot !== undefined);
  assert.equal(held.length, table.count);
  assert.equal(
    held.reduce((sum, slot) => sum + slot.size, 0),
    table.size,
  );
  assert.ok(table.size <= table.maxSize && table.maxSize <= 4096 && table.slots.length <= 128);
}

test('random bytes: 150,000 blocks, on connections that live on after an error as if nothing had been', () => {
  const random = new Random(seed);
  const bytes = Buffer.alloc(64);
  let decoder = new HpackDecoder(4096);
  let good = 0;
  for (let i = 0; i < 150_000 * scale; i++) {
    const length = random.int(64);
    for (let at = 0; at < length; at++) bytes[at] = random.chance(0.3) ? random.int(16) : random.int(256);
    if (decoder.decode(bytes, 0, length, nowhere)) good++;
    if (i % 100 === 99) {
      assertBounded(decoder);
      decoder = new HpackDecoder(4096);
    }
  }
  assert.ok(good > 0);
});

test('damaged blocks: one byte changed, cut out or put in', () => {
  const random = new Random(seed);
  for (let i = 0; i < 5_000 * scale; i++) {
    const encoder = new HpackEncoder(4096);
    const decoder = new HpackDecoder(4096);
    for (let message = 0; message < 3; message++) {
      const block = encodeAll(encoder, storyFields(random), random);
      const at = random.int(block.length + 1);
      const cut = random.int(3);
      const put = Buffer.from(random.chance(0.7) ? [random.int(256)] : []);
      decodeBlock(decoder, Buffer.concat([block.subarray(0, at), put, block.subarray(at + cut)]));
    }
    assertBounded(decoder);
  }
});

test('stories: what our encoder writes our decoder reads, through changes of the table size', () => {
  const random = new Random(seed);
  for (let connection = 0; connection < 100 * scale; connection++) {
    const limit = random.pick([0, 100, 1000, 4096, 16384]);
    const encoder = new HpackEncoder(limit);
    const decoder = new HpackDecoder(65536);
    let bytes = 0;
    let plain = 0;
    for (let message = 0; message < 40; message++) {
      while (random.chance(0.05)) encoder.setMaxTableSize(random.pick([0, 50, 500, 4096, 65536]));
      const { method, path, fields } = requestStory(random);
      const list: [string, string][] = [[':method', method], [':path', path], ...fields];
      const block = encodeAll(encoder, list, random);
      bytes += block.length;
      plain += list.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
      assert.deepEqual(decodeBlock(decoder, block), list);
    }
    assert.ok(bytes < plain * 1.1);
  }
});

/** With some fields asked for as never to be indexed. */
function encodeAll(encoder: HpackEncoder, fields: readonly (readonly [string, string])[], random: Random): Buffer {
  let at = encoder.beginBlock(room, 0);
  for (const [text, value] of fields) {
    const name = headerName(text);
    const next = encoder.encodeField(room, at, name, value, random.chance(0.05));
    assert.ok(next - at <= fieldBound(name, value));
    at = next;
  }
  return Buffer.from(room.subarray(0, at));
}

/** RFC 7541 in its plainest form: a list of entries, newest first, and any legal representation of a field. */
class LibertineEncoder {
  private entries: [string, string][] = [];
  private maxSize = 4096;
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  block(fields: readonly [string, string][]): Buffer {
    const { random } = this;
    const bytes: number[] = [];
    for (let updates = random.chance(0.1) ? 1 + random.int(2) : 0; updates > 0; updates--) {
      this.maxSize = random.pick([0, 64, 300, 4096]);
      this.evict();
      bytes.push(...integer(0x20, 0x1f, this.maxSize));
    }
    for (const [name, value] of fields) bytes.push(...this.field(name, value));
    return Buffer.from(bytes);
  }

  private field(name: string, value: string): number[] {
    const { random } = this;
    const table = [...staticEntries, ...this.entries];
    const whole = indexes(table, (entry) => entry[0] === name && entry[1] === value);
    if (whole.length > 0 && random.chance(0.8)) return integer(0x80, 0x7f, random.pick(whole));
    const named = indexes(table, (entry) => entry[0] === name);
    const index = named.length > 0 && random.chance(0.8) ? random.pick(named) : 0;
    const type = random.pick([0x40, 0x40, 0x00, 0x10]);
    if (type === 0x40) {
      this.entries.unshift([name, value]);
      this.evict();
    }
    return literal(type, index, name, value);
  }

  private evict(): void {
    const size = () => this.entries.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
    while (size() > this.maxSize) this.entries.pop();
  }
}

const staticEntries = Array.from({ length: STATIC_COUNT }, (_, i): [string, string] => {
  const { name, value } = STATIC_TABLE[i + 1]!;
  return [name.text, value];
});

function indexes(table: [string, string][], fits: (entry: [string, string]) => boolean): number[] {
  return table.flatMap((entry, i) => (fits(entry) ? [i + 1] : []));
}

test('an encoder that takes every liberty is understood, also where fields are dropped by their reader', () => {
  const random = new Random(seed);
  for (let connection = 0; connection < 60 * scale; connection++) {
    const encoder = new LibertineEncoder(random);
    const decoder = new HpackDecoder(4096);
    for (let message = 0; message < 30; message++) {
      const fields = storyFields(random);
      if (random.chance(0.2)) fields.push(['X-Bad', 'a\nb'], ['', 'v']);
      const block = encoder.block(fields);
      if (random.chance(0.3)) assert.ok(decoder.decode(block, 0, block.length, nowhere));
      else assert.deepEqual(decodeBlock(decoder, block), fields);
      assertBounded(decoder);
    }
  }
});
