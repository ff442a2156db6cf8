/** Writes header blocks (RFC 7541) with a table of its own; without Huffman, which costs more time than it saves on the wire. */
import type { Bytes } from '../../bytes/bytes.ts';
import type { HeaderName } from '../../headers/header_name.ts';
import { type EncoderEntry, EncoderTable } from './encoder_table.ts';
import { ENTRY_OVERHEAD } from './header_field.ts';
import { GUESSABLE_LENGTH, Indexing, policyOf } from './indexing.ts';
import { STATIC_COUNT } from './static_table.ts';

/** RFC 9113 section 6.5.2: what the peer's decoder has before its SETTINGS say otherwise. */
const INITIAL_TABLE_SIZE = 4096;
/** After so many changes in a row a name's values are taken for ones that do not come again. */
const FICKLE = 4;
/** How often a fickle name is given another chance; a power of two. */
const RETRY = 32;
/** V8 makes texts shorter than this of their own; longer parts hold the text they were cut from. */
const OWN_TEXT = 13;

/** First byte and prefix of a literal (RFC 7541 section 6.2). */
const INDEXED_LITERAL = 0x40;
const PLAIN_LITERAL = 0x00;
const NEVER_LITERAL = 0x10;

/** Bytes that `beginBlock` writes at most. */
export const BLOCK_START_BOUND = 12;

/** Bytes that `encodeField` writes at most: a length of five bytes before either string, and the type. */
export function fieldBound(name: HeaderName, value: string): number {
  return 12 + name.text.length + value.length;
}

export class HpackEncoder {
  private readonly ownLimit: number;
  private readonly table = new EncoderTable(INITIAL_TABLE_SIZE);
  /** The size the peer's decoder goes by, and the smallest since the last block; they differ from the table's until it is told. */
  private announced = INITIAL_TABLE_SIZE;
  private smallest = INITIAL_TABLE_SIZE;

  /** `ownLimit`: bytes, the most of the table that the peer offers that we use. */
  constructor(ownLimit: number) {
    this.ownLimit = ownLimit;
    this.setMaxTableSize(INITIAL_TABLE_SIZE);
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE; the next block begins by saying what is used of it. */
  setMaxTableSize(size: number): void {
    const used = Math.min(size, this.ownLimit);
    this.table.resize(used);
    this.smallest = Math.min(this.smallest, used);
  }

  /** Begins a block; BLOCK_START_BOUND. Returns the offset behind what was written, as all of these do. */
  beginBlock(target: Bytes, offset: number): number {
    const { maxSize } = this.table;
    const { smallest, announced } = this;
    if (smallest === announced && maxSize === announced) return offset;
    // RFC 7541 section 4.2: the smallest size since the last block is told too, for what it evicted.
    const shrunk = smallest < announced && smallest < maxSize;
    const at = shrunk ? writeInteger(target, offset, 0x20, 0x1f, smallest) : offset;
    this.announced = maxSize;
    this.smallest = maxSize;
    return writeInteger(target, at, 0x20, 0x1f, maxSize);
  }

  /** One of the static fields, by its index: one byte. */
  encodeStatic(target: Bytes, offset: number, index: number): number {
    target[offset] = 0x80 | index;
    return offset + 1;
  }

  /**
   * `fieldBound`. A field that HTTP/2 does not have writes nothing. Values hold one byte a character and neither CR, LF
   * nor NUL. `never`: no proxy on the way may index it (RFC 7541 section 6.2.3).
   */
  encodeField(target: Bytes, offset: number, name: HeaderName, value: string, never = false): number {
    const newest = this.table.find(name);
    if (newest === undefined || newest.value !== value || never) {
      return this.encodeLiteral(target, offset, name, value, never, newest);
    }
    newest.misses = 0;
    return writeInteger(target, offset, 0x80, 0x7f, this.indexOf(newest));
  }

  /** What becomes of a field that is not in the table is the policy of its name. */
  private encodeLiteral(
    target: Bytes,
    offset: number,
    name: HeaderName,
    value: string,
    never: boolean,
    newest: EncoderEntry | undefined,
  ): number {
    const { indexing, staticIndex } = policyOf(name);
    if (indexing === Indexing.Drop || (indexing === Indexing.Trailers && value !== 'trailers')) return offset;
    const index = staticIndex > 0 ? staticIndex : newest === undefined ? 0 : this.indexOf(newest);
    const secret = indexing === Indexing.NeverWhenShort && value.length < GUESSABLE_LENGTH;
    if (never || secret || indexing === Indexing.Never) {
      return writeLiteral(target, offset, NEVER_LITERAL, index, name, value);
    }
    if (indexing === Indexing.Literal) return writeLiteral(target, offset, PLAIN_LITERAL, index, name, value);
    const misses = newest === undefined ? 0 : ++newest.misses;
    if (misses > FICKLE && misses % RETRY !== 0) {
      return writeLiteral(target, offset, PLAIN_LITERAL, index, name, value);
    }
    return this.addField(target, offset, name, value, index, misses);
  }

  private indexOf(entry: EncoderEntry): number {
    return STATIC_COUNT + 1 + this.table.added - entry.number;
  }

  /** A literal that enters the table, unless it would fill most of it. */
  private addField(
    target: Bytes,
    offset: number,
    name: HeaderName,
    value: string,
    index: number,
    misses: number,
  ): number {
    const { table } = this;
    if ((name.text.length + value.length + ENTRY_OVERHEAD) * 4 > table.maxSize * 3) {
      return writeLiteral(target, offset, PLAIN_LITERAL, index, name, value);
    }
    const end = writeLiteral(target, offset, INDEXED_LITERAL, index, name, value);
    table.add(name, value.length < OWN_TEXT ? value : target.latin1Slice(end - value.length, end), misses);
    return end;
  }
}

function writeLiteral(
  target: Bytes,
  offset: number,
  type: number,
  index: number,
  name: HeaderName,
  value: string,
): number {
  let at = writeInteger(target, offset, type, type === INDEXED_LITERAL ? 0x3f : 0x0f, index);
  if (index === 0) at = writeString(target, at, name.text);
  return writeString(target, at, value);
}

/** RFC 7541 section 5.1. */
function writeInteger(target: Bytes, offset: number, type: number, mask: number, value: number): number {
  if (value < mask) {
    target[offset] = type | value;
    return offset + 1;
  }
  target[offset] = type | mask;
  let at = offset + 1;
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) target[at++] = 0x80 | (rest & 0x7f);
  target[at] = rest;
  return at + 1;
}

/** RFC 7541 section 5.2, plain. */
function writeString(target: Bytes, offset: number, text: string): number {
  const { length } = text;
  const start = writeInteger(target, offset, 0x00, 0x7f, length);
  for (let i = 0; i < length; i++) target[start + i] = text.charCodeAt(i);
  return start + length;
}
