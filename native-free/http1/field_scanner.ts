/** Step 1b of reading a message: header lines to a HeaderMap in one pass over the bytes; framing and Host are noted aside. */
import type { Bytes } from '../bytes/bytes.ts';
import { HeaderMap } from '../headers/header_map.ts';
import type { HeaderName } from '../headers/header_name.ts';
import { PreservedCase, properCaseWords } from '../headers/header_spelling.ts';
import { HASH_PRIME, HASH_START, headerNameCache, TOKEN_LOWER } from '../headers/name_cache.ts';
import { CONNECTION, CONTENT_LENGTH, HOST, PROXY_CONNECTION, TRANSFER_ENCODING } from '../headers/well_known.ts';
import { AUTHORITY_BYTE, COLON, CR, HTAB, LF, SP, VALUE_BYTE } from './characters.ts';
import type { CodecError } from './codec.ts';
import { ERRORS } from './codec_errors.ts';
import { lineIsWhole, NEED_MORE, REFUSED } from './line_scan.ts';

export interface FieldRules {
  /** Number of fields; a huge one where only their bytes are bounded. */
  readonly maxFields: number;
  readonly underscores: 'ALLOW' | 'REJECT_REQUEST' | 'DROP_HEADER';
  /** Told of each field that DROP_HEADER leaves out. */
  readonly onHeaderDropped: (() => void) | undefined;
  /** Refuse lines that end without CR, as Envoy does not for heads. */
  readonly strictLineEnd: boolean;
  /** As in Http1Limits. */
  readonly preserveCase: 'lower_case' | 'proper_case' | undefined;
}

const NO_HEADERS = new HeaderMap();
const CHUNKED = 'chunked';

/**
 * Scans [pos, end) line by line; positions are kept relative to `base`, where the message starts, so that the bytes may
 * move between calls. Names are resolved at once, values stay ranges until `take` cuts them out of one string.
 */
export class FieldScanner {
  error: CodecError = ERRORS.fieldName;
  /** First line that is not scanned yet, relative to `base`. */
  resume = 0;

  /** Number of Content-Length fields, and the value of a single valid one; -1 otherwise. */
  lengths = 0;
  contentLength = -1;
  /** Number of Transfer-Encoding fields, and whether the last one is exactly `chunked`. */
  codings = 0;
  chunked = false;
  hosts = 0;
  hostStart = 0;
  hostEnd = 0;
  hostValid = true;
  /** Whether there is a Connection or Proxy-Connection field. */
  connection = false;

  private headers = NO_HEADERS;
  private fields = 0;
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];

  /** Forgets the last message; `resume` is where the first field will be. */
  begin(): void {
    this.resume = 0;
    this.lengths = 0;
    this.contentLength = -1;
    this.codings = 0;
    this.chunked = false;
    this.hosts = 0;
    this.hostValid = true;
    this.connection = false;
    this.headers = new HeaderMap();
    this.fields = 0;
  }

  /** The position behind the empty line, NEED_MORE (go on at `resume`), or REFUSED. */
  scan(bytes: Bytes, base: number, from: number, end: number, rules: FieldRules): number {
    let pos = from;
    for (;;) {
      const line = pos;
      let hash = HASH_START;
      let lower = 0;
      // biome-ignore lint/suspicious/noAssignInExpressions: the loop that every byte of a name goes through
      while (pos < end && (lower = TOKEN_LOWER[bytes[pos]]) !== 0) {
        hash = Math.imul(hash ^ lower, HASH_PRIME);
        pos++;
      }
      if (pos === line || pos >= end || bytes[pos] !== COLON) return this.notAField(bytes, base, line, pos, end, rules);
      const nameEnd = pos++;

      while (pos < end && (bytes[pos] === SP || bytes[pos] === HTAB)) pos++;
      const valueStart = pos;
      while (pos < end && VALUE_BYTE[bytes[pos]] === 1) pos++;
      let valueEnd = pos;
      if (pos < end && bytes[pos] === CR) pos++;
      if (pos >= end || bytes[pos] !== LF) return this.badValue(bytes, base, line, valueEnd, end);
      if (rules.strictLineEnd && pos === valueEnd) return this.refuse(ERRORS.bareLineFeed);
      pos++;
      while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === HTAB)) valueEnd--;

      if (++this.fields > rules.maxFields) return this.refuse(ERRORS.tooManyHeaders);
      const name = headerNameCache.find(bytes, line, nameEnd, hash);
      if (rules.underscores !== 'ALLOW' && name.text.includes('_')) {
        if (rules.underscores === 'REJECT_REQUEST') return this.refuse(ERRORS.underscore);
        rules.onHeaderDropped?.();
        continue;
      }
      if (rules.preserveCase !== undefined) this.noteSpelling(name, bytes.latin1Slice(line, nameEnd), rules);
      if (this.noteSpecial(name, bytes, base, valueStart, valueEnd)) continue;
      const index = this.headers.names.push(name) - 1;
      this.starts[index] = valueStart - base;
      this.ends[index] = valueEnd - base;
    }
  }

  /** Cuts the values out of the message's text, which begins at `base`, and hands the map over. */
  take(text: string): HeaderMap {
    const { headers, starts, ends } = this;
    const { names, values } = headers;
    for (let i = 0; i < names.length; i++) values.push(text.substring(starts[i], ends[i]));
    this.headers = NO_HEADERS;
    return headers;
  }

  private noteSpelling(name: HeaderName, text: string, rules: FieldRules): void {
    const { headers } = this;
    headers.spelling ??= new PreservedCase(rules.preserveCase === 'proper_case' ? properCaseWords : undefined);
    (headers.spelling as PreservedCase).note(name, text);
  }

  /** What framing needs is read off the bytes; Host and Transfer-Encoding do not enter the map (answers true). */
  private noteSpecial(name: HeaderName, bytes: Bytes, base: number, start: number, end: number): boolean {
    if (name === HOST) {
      this.hosts++;
      this.hostStart = start - base;
      this.hostEnd = end - base;
      for (let i = start; i < end; i++) if (AUTHORITY_BYTE[bytes[i]] === 0) this.hostValid = false;
      return true;
    }
    if (name === TRANSFER_ENCODING) {
      this.codings++;
      this.chunked = isChunked(bytes, start, end);
      return true;
    }
    if (name === CONTENT_LENGTH) this.contentLength = ++this.lengths === 1 ? decimal(bytes, start, end) : -1;
    else if (name === CONNECTION || name === PROXY_CONNECTION) this.connection = true;
    return false;
  }

  /** The line has no colon behind a token: the empty line that ends the head, a partial line, or a wrong one. */
  private notAField(bytes: Bytes, base: number, line: number, pos: number, end: number, rules: FieldRules): number {
    const first = line < end ? bytes[line] : -1;
    if (first === LF && !rules.strictLineEnd) return line + 1;
    if (first === CR && line + 1 < end && bytes[line + 1] === LF) return line + 2;
    if (!lineIsWhole(bytes, line, end)) return this.needMore(base, line);
    if (first === SP || first === HTAB) return this.refuse(ERRORS.obsoleteFold);
    if (first === CR) return this.refuse(ERRORS.bareCarriageReturn);
    if (first === LF) return this.refuse(ERRORS.bareLineFeed);
    return this.refuse(bytes[pos] === 0 ? ERRORS.nulInName : ERRORS.fieldName);
  }

  private badValue(bytes: Bytes, base: number, line: number, valueEnd: number, end: number): number {
    if (!lineIsWhole(bytes, valueEnd, end)) return this.needMore(base, line);
    return this.refuse(bytes[valueEnd] === CR ? ERRORS.bareCarriageReturn : ERRORS.fieldValue);
  }

  private needMore(base: number, line: number): number {
    this.resume = line - base;
    return NEED_MORE;
  }

  private refuse(error: CodecError): number {
    this.error = error;
    return REFUSED;
  }
}

/** RFC 9112 section 6.1 allows lists; like Envoy only the one coding `chunked` is understood, in any case. */
function isChunked(bytes: Bytes, start: number, end: number): boolean {
  if (end - start !== CHUNKED.length) return false;
  for (let i = 0; i < CHUNKED.length; i++) {
    if (TOKEN_LOWER[bytes[start + i]] !== CHUNKED.charCodeAt(i)) return false;
  }
  return true;
}

/** 1*DIGIT below 2^53, else -1. */
function decimal(bytes: Bytes, start: number, end: number): number {
  if (start === end) return -1;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = bytes[i] - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
    if (value > Number.MAX_SAFE_INTEGER) return -1;
  }
  return value;
}
