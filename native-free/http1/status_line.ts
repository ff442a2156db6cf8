/** Step 1a of reading a response: version and status of the status line (RFC 9112 section 4); the reason phrase is dropped. */
import type { Bytes } from '../bytes/bytes.ts';
import { CR, LF, SP, VALUE_BYTE } from './characters.ts';
import type { CodecError } from './codec.ts';
import { ERRORS } from './codec_errors.ts';
import { lineIsWhole, NEED_MORE, REFUSED } from './line_scan.ts';

const PREFIX = 'HTTP/1.';
/** `HTTP/1.1 200`, the shortest status line without its end. */
const SHORTEST = 12;

export class StatusLine {
  readonly error: CodecError = ERRORS.statusLine;
  readonly endsHead = false;
  /** 100 to 999. */
  status = 0;
  http10 = false;
  /** Of the reason phrase, relative to the start of the line. */
  reasonStart = 0;
  reasonEnd = 0;

  /** The position behind the line, NEED_MORE, or REFUSED. */
  scan(bytes: Bytes, base: number, end: number): number {
    if (!this.possible(bytes, base, end)) return REFUSED;
    if (base + SHORTEST >= end) return this.refuse(bytes, base, end);
    const minor = bytes[base + 7] - 48;
    const hundreds = bytes[base + 9] - 48;
    const tens = bytes[base + 10] - 48;
    const ones = bytes[base + 11] - 48;
    if (bytes[base + 8] !== SP || !isDigit(minor) || !isDigit(tens) || !isDigit(ones) || hundreds < 1 || hundreds > 9) {
      return this.refuse(bytes, base, end);
    }
    this.http10 = minor === 0;
    this.status = hundreds * 100 + tens * 10 + ones;

    let pos = base + SHORTEST;
    this.reasonStart = pos - base;
    if (bytes[pos] === SP) this.reasonStart++;
    if (bytes[pos] === SP) while (pos < end && VALUE_BYTE[bytes[pos]] === 1) pos++;
    this.reasonEnd = pos - base;
    if (pos < end && bytes[pos] === CR) pos++;
    if (pos < end && bytes[pos] === LF) return pos + 1;
    return this.refuse(bytes, base, end);
  }

  /** Whether the bytes so far can still become a status line. */
  possible(bytes: Bytes, base: number, end: number): boolean {
    const stop = Math.min(PREFIX.length, end - base);
    for (let i = 0; i < stop; i++) if (bytes[base + i] !== PREFIX.charCodeAt(i)) return false;
    return true;
  }

  private refuse(bytes: Bytes, base: number, end: number): number {
    return lineIsWhole(bytes, base, end) ? REFUSED : NEED_MORE;
  }
}

function isDigit(value: number): boolean {
  return value >= 0 && value <= 9;
}
