/** From the bytes of a peer's header name to its `HeaderName`: a bounded table between the HTTP/1 scanner and the interned names. */
import type { Bytes } from '../bytes/bytes.ts';
import { findHeaderName, generation, type HeaderName, makeHeaderName } from './header_name.ts';

const SLOTS = 4096;
/** Longer names are made anew each time, so that a peer cannot make the table hold more than SLOTS short texts. */
const MAX_CACHED_LENGTH = 64;

/** Start value and prime of 32-bit FNV-1a: `hash = Math.imul(hash ^ TOKEN_LOWER[byte], HASH_PRIME)` over the name's bytes. */
export const HASH_START = 0x811c9dc5 | 0;
export const HASH_PRIME = 0x01000193;

/** RFC 9110 section 5.6.2: the lower-case form of a token byte, 0 for every byte that a token cannot hold. */
export const TOKEN_LOWER: Uint8Array = makeTokenTable();

function makeTokenTable(): Uint8Array {
  const table = new Uint8Array(256);
  const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  for (const char of token) table[char.charCodeAt(0)] = char.toLowerCase().charCodeAt(0);
  return table;
}

/** More than `generation` ever reaches, and a small integer. */
const INTERNED = 0x3fffffff;

interface Entry {
  readonly hash: number;
  /** The name's bytes as a peer spelt them first: comparing them is twice as fast as comparing with the text. */
  readonly spelling: Uint8Array;
  name: HeaderName;
  /** `generation` at which the interned table was last asked for this name; INTERNED for a name that is in it. */
  checked: number;
}

/** Direct-mapped by hash; every hit is compared byte for byte, since a peer may choose names that collide. */
export class HeaderNameCache {
  private readonly entries: (Entry | undefined)[] = new Array<Entry | undefined>(SLOTS).fill(undefined);

  /** The name in bytes [start, end), all of them token bytes; `hash` is their FNV-1a over the lower-case forms. */
  find(bytes: Bytes, start: number, end: number, hash: number): HeaderName {
    const slot = (hash ^ (hash >>> 12)) & (SLOTS - 1);
    const entry = this.entries[slot];
    if (entry !== undefined && entry.hash === hash && sameName(entry.spelling, bytes, start, end)) {
      return entry.checked >= generation ? entry.name : recheck(entry);
    }
    return this.miss(bytes, start, end, hash, slot);
  }

  /** As `find` for a caller that has not hashed the bytes on its way. */
  lookup(bytes: Bytes, start: number, end: number): HeaderName {
    let hash = HASH_START;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ TOKEN_LOWER[bytes[i]], HASH_PRIME);
    return this.find(bytes, start, end, hash);
  }

  /** Names the code knows keep their slot: a peer's random names cannot push them out. */
  private miss(bytes: Bytes, start: number, end: number, hash: number, slot: number): HeaderName {
    const text = bytes.latin1Slice(start, end).toLowerCase();
    const known = findHeaderName(text);
    const name = known ?? makeHeaderName(text);
    const held = this.entries[slot];
    const mayReplace = known !== undefined || held === undefined || held.checked !== INTERNED;
    if (mayReplace && text.length <= MAX_CACHED_LENGTH) {
      const spelling = Uint8Array.from(bytes.subarray(start, end));
      this.entries[slot] = { hash, spelling, name, checked: known === undefined ? generation : INTERNED };
    }
    return name;
  }
}

/** The one cache of this thread; decoders share it. */
export const headerNameCache = new HeaderNameCache();

function sameName(spelling: Uint8Array, bytes: Bytes, start: number, end: number): boolean {
  const length = end - start;
  if (spelling.length !== length) return false;
  for (let i = 0; i < length; i++) {
    if (spelling[i] !== bytes[start + i]) return sameToken(spelling, bytes, start, i);
  }
  return true;
}

/** As `sameName` from index `from` on, in any case. */
function sameToken(spelling: Uint8Array, bytes: Bytes, start: number, from: number): boolean {
  for (let i = from; i < spelling.length; i++) {
    if (TOKEN_LOWER[spelling[i]] !== TOKEN_LOWER[bytes[start + i]]) return false;
  }
  return true;
}

/** Names were interned since this entry was made: it may have gained an interned twin. */
function recheck(entry: Entry): HeaderName {
  const known = findHeaderName(entry.name.text);
  if (known === undefined) {
    entry.checked = generation;
  } else {
    entry.name = known;
    entry.checked = INTERNED;
  }
  return entry.name;
}
