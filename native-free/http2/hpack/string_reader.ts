/** Reads the integers and strings of a header block (RFC 7541 section 5) and judges strings as names and values. */
import type { Bytes } from '../../bytes/bytes.ts';
import { allocateBytes } from '../../bytes/own_bytes.ts';
import { type HeaderName, makeHeaderName } from '../../headers/header_name.ts';
import { HASH_PRIME, HASH_START, headerNameCache, TOKEN_LOWER } from '../../headers/name_cache.ts';
import { HTAB, SP, VALUE_BYTE } from '../../http1/characters.ts';
import { AUTHORITY, FieldFlag, FieldRole, kindOfName, METHOD, PATH, PROTOCOL, SCHEME, STATUS } from './field_kind.ts';
import { decodedBound, decodeHuffman } from './huffman.ts';

const COLON = 0x3a;
const MAX_INTEGER = 0x0fffffff;
/** A string shorter than this is put together without a native call. */
const SHORT = 8;

const PSEUDO = new Map([METHOD, SCHEME, AUTHORITY, PATH, STATUS, PROTOCOL].map((name) => [name.text, name]));

/** Where decoded strings stand until they are text: one for the thread. */
let scratch = allocateBytes(4096);

/** Reads one thing at a time from [pos, end) and stands behind it afterwards; a false answer is a compression error. */
export class StringReader {
  pos = 0;
  /** What `integer` read. */
  value = 0;
  name: HeaderName = METHOD;
  nameLength = 0;
  nameKind = 0;
  text = '';
  /** FieldFlags of the value. */
  textKind = 0;

  private bytes: Bytes | undefined;
  private most = 0;
  private end = 0;
  /** The string that `string` found: a range of the block, or of `scratch`. */
  private source: Bytes | undefined;
  private from = 0;
  private to = 0;

  /** `most`: bytes of a decoded name or value. */
  begin(bytes: Bytes, start: number, end: number, most: number): void {
    this.bytes = bytes;
    this.most = most;
    this.pos = start;
    this.end = end;
  }

  /** Forgets the block, which was lent. */
  finish(): void {
    this.bytes = undefined;
    this.source = undefined;
  }

  /** Section 5.1, from the byte at `pos`, of which the bits of `mask` belong to it. */
  integer(mask: number): boolean {
    const bytes = this.bytes!;
    let value = bytes[this.pos++] & mask;
    if (value === mask) {
      let shift = 0;
      for (;;) {
        if (this.pos >= this.end || shift > 28) return false;
        const byte = bytes[this.pos++];
        value += (byte & 0x7f) * 2 ** shift;
        if (byte < 0x80) break;
        shift += 7;
      }
      if (value > MAX_INTEGER) return false;
    }
    this.value = value;
    return true;
  }

  readName(): boolean {
    if (!this.string()) return false;
    const { from, to } = this;
    const source = this.source!;
    let hash = HASH_START;
    let pos = from;
    while (pos < to && source[pos] !== 0 && TOKEN_LOWER[source[pos]] === source[pos]) {
      hash = Math.imul(hash ^ source[pos], HASH_PRIME);
      pos++;
    }
    this.nameLength = to - from;
    if (pos < to || from === to) {
      this.otherName(source.latin1Slice(from, to));
    } else {
      this.name = headerNameCache.find(source, from, to, hash);
      this.nameKind = kindOfName(this.name);
    }
    return true;
  }

  readValue(): boolean {
    if (!this.string()) return false;
    const { from, to } = this;
    const source = this.source!;
    let pos = from;
    while (pos < to && VALUE_BYTE[source[pos]] === 1) pos++;
    this.textKind = pos < to ? FieldFlag.BadValue : 0;
    if (to > from && (isBlank(source[from]) || isBlank(source[to - 1]))) this.textKind |= FieldFlag.PaddedValue;
    this.text = to - from < SHORT ? shortText(source, from, to) : source.latin1Slice(from, to);
    return true;
  }

  /** Names with a colon in front, and those that no field can have: they get an object of their own each time. */
  private otherName(text: string): void {
    const pseudo = PSEUDO.get(text);
    this.name = pseudo ?? makeHeaderName(text);
    if (pseudo !== undefined) this.nameKind = kindOfName(pseudo);
    else this.nameKind = text.charCodeAt(0) === COLON ? FieldRole.UnknownPseudo : FieldFlag.BadName;
  }

  /** Section 5.2. */
  private string(): boolean {
    const bytes = this.bytes!;
    if (this.pos >= this.end) return false;
    const coded = bytes[this.pos] >= 0x80;
    if (!this.integer(0x7f)) return false;
    const start = this.pos;
    const stop = start + this.value;
    if (stop > this.end) return false;
    this.pos = stop;
    if (!coded) {
      this.source = bytes;
      this.from = start;
      this.to = stop;
      return stop - start <= this.most;
    }
    const target = scratchFor(decodedBound(stop - start), this.most);
    if (target === undefined) return false;
    const length = decodeHuffman(bytes, start, stop, target);
    this.source = target;
    this.from = 0;
    this.to = length;
    return length >= 0 && length <= this.most;
  }
}

/** Undefined for a string that can only be too long: no byte takes more than 30 bits. */
function scratchFor(length: number, most: number): Bytes | undefined {
  if (length > decodedBound(most * 4)) return undefined;
  if (length > scratch.length) scratch = allocateBytes(length);
  return scratch;
}

function isBlank(byte: number): boolean {
  return byte === SP || byte === HTAB;
}

function shortText(bytes: Bytes, start: number, end: number): string {
  const b = bytes;
  const s = start;
  switch (end - start) {
    case 0:
      return '';
    case 1:
      return String.fromCharCode(b[s]);
    case 2:
      return String.fromCharCode(b[s], b[s + 1]);
    case 3:
      return String.fromCharCode(b[s], b[s + 1], b[s + 2]);
    case 4:
      return String.fromCharCode(b[s], b[s + 1], b[s + 2], b[s + 3]);
    case 5:
      return String.fromCharCode(b[s], b[s + 1], b[s + 2], b[s + 3], b[s + 4]);
    case 6:
      return String.fromCharCode(b[s], b[s + 1], b[s + 2], b[s + 3], b[s + 4], b[s + 5]);
    default:
      return String.fromCharCode(b[s], b[s + 1], b[s + 2], b[s + 3], b[s + 4], b[s + 5], b[s + 6]);
  }
}
