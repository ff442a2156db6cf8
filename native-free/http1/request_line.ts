/** Step 1a of reading a request: method, target and version of the request line (RFC 9112 section 3). */
import type { Bytes } from '../bytes/bytes.ts';
import { TOKEN_LOWER } from '../headers/name_cache.ts';
import { CR, HTAB, LF, SP, TARGET_BYTE } from './characters.ts';
import type { CodecError } from './codec.ts';
import { ERRORS } from './codec_errors.ts';
import { lineIsWhole, NEED_MORE, REFUSED } from './line_scan.ts';

/** The methods Envoy's parser takes; every other one is refused, whatever its case, unless custom ones are allowed. */
const METHODS = (
  'GET POST HEAD PUT DELETE OPTIONS PATCH CONNECT TRACE QUERY ACL BIND CHECKOUT COPY LINK LOCK MERGE MKACTIVITY MKCALENDAR ' +
  'MKCOL MOVE MSEARCH NOTIFY PROPFIND PROPPATCH PURGE REBIND REPORT SEARCH SOURCE SUBSCRIBE UNBIND UNLINK UNLOCK UNSUBSCRIBE'
).split(' ');

/** `major * 10 + minor`; a line without a version is HTTP/0.9. */
const HTTP_09 = 9;
const HTTP_11 = 11;
const PROTOCOL = 'HTTP/1.1';
const SLASH = 0x2f;
/** With the bytes Envoy lets an authority hold at this place; what of it is a host and port is checked behind the head. */
const ABSOLUTE_START = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/[A-Za-z0-9!$%&'()*+,\-.:;=@[\]_~]*(?:[/?]|$)/;

/** Positions are relative to the start of the line. */
export class RequestLine {
  error: CodecError = ERRORS.requestLine;
  method = '';
  targetStart = 0;
  targetEnd = 0;
  /** 11 for HTTP/1.1. */
  version = 0;
  /** The line has no version: no fields follow it. */
  endsHead = false;
  private readonly customMethods: boolean;

  constructor(customMethods: boolean) {
    this.customMethods = customMethods;
  }

  /** The position behind the line, NEED_MORE, or REFUSED. */
  scan(bytes: Bytes, base: number, end: number): number {
    const method = this.methodAt(bytes, base, end);
    if (method === undefined) return this.refuseNow(ERRORS.method);
    if (method === '') return NEED_MORE;
    let pos = base + method.length + 1;
    const targetStart = pos;
    while (pos < end && TARGET_BYTE[bytes[pos]] === 1) pos++;
    if (pos >= end) return NEED_MORE;
    if (pos === targetStart) return this.refuse(bytes, pos, end, ERRORS.requestLine);

    this.method = method;
    this.targetStart = targetStart - base;
    this.targetEnd = pos - base;
    this.endsHead = false;
    const after =
      bytes[pos] === SP ? this.scanVersion(bytes, pos + 1, end) : this.scanEnd(bytes, targetStart, pos, end);
    // Any other target is refused as soon as its line is there, whatever the fields will say.
    return after < 0 || bytes[targetStart] === SLASH ? after : this.checkTarget(bytes, targetStart, pos, after);
  }

  /** A line without a version. Envoy takes one for HTTP/1.1 when its path ends so, and misses Host then. */
  private scanEnd(bytes: Bytes, targetStart: number, pos: number, end: number): number {
    const lineEnd = bytes[pos] === LF ? pos + 1 : bytes[pos] === CR && bytes[pos + 1] === LF ? pos + 2 : -1;
    if (lineEnd > 0 && lineEnd <= end) {
      const start = Math.max(targetStart, pos - PROTOCOL.length);
      const named = bytes[targetStart] === SLASH && bytes.latin1Slice(start, pos) === PROTOCOL;
      this.version = named ? HTTP_11 : HTTP_09;
      this.endsHead = true;
      return lineEnd;
    }
    const byte = bytes[pos];
    const control = byte < SP && byte !== CR && byte !== HTAB;
    return this.refuse(bytes, pos, end, control ? ERRORS.controlInTarget : ERRORS.target);
  }

  /** Whether the bytes so far can still become a request line: a TLS hello, say, is refused at its first byte. */
  possible(bytes: Bytes, base: number, end: number): boolean {
    if (this.methodAt(bytes, base, end) !== undefined) return true;
    this.error = ERRORS.method;
    return false;
  }

  private methodAt(bytes: Bytes, start: number, end: number): string | undefined {
    const method = methodAt(bytes, start, end);
    return method === undefined && this.customMethods ? tokenAt(bytes, start, end) : method;
  }

  private checkTarget(bytes: Bytes, start: number, stop: number, after: number): number {
    if (this.method === 'CONNECT') return after;
    const target = bytes.latin1Slice(start, stop);
    return target[0] === '*' || ABSOLUTE_START.test(target) ? after : this.refuseNow(ERRORS.relativeTarget);
  }

  private scanVersion(bytes: Bytes, start: number, end: number): number {
    const major = bytes[start + 5] - 48;
    const minor = bytes[start + 7] - 48;
    const wellFormed =
      start + 8 < end &&
      bytes[start] === 0x48 &&
      bytes[start + 1] === 0x54 &&
      bytes[start + 2] === 0x54 &&
      bytes[start + 3] === 0x50 &&
      bytes[start + 4] === 0x2f &&
      bytes[start + 6] === 0x2e &&
      major >= 0 &&
      major <= 9 &&
      minor >= 0 &&
      minor <= 9;
    if (!wellFormed) return this.refuse(bytes, start, end, ERRORS.version);
    this.version = major * 10 + minor;
    if (bytes[start + 8] === LF) return start + 9;
    if (bytes[start + 8] === CR && start + 9 < end && bytes[start + 9] === LF) return start + 10;
    return this.refuse(bytes, start, end, ERRORS.version);
  }

  private refuse(bytes: Bytes, from: number, end: number, error: CodecError): number {
    return lineIsWhole(bytes, from, end) ? this.refuseNow(error) : NEED_MORE;
  }

  private refuseNow(error: CodecError): number {
    this.error = error;
    return REFUSED;
  }
}

/** Any token as a method, in the same way. */
function tokenAt(bytes: Bytes, start: number, end: number): string | undefined {
  let pos = start;
  while (pos < end && TOKEN_LOWER[bytes[pos]] !== 0) pos++;
  if (pos >= end) return '';
  return pos > start && bytes[pos] === SP ? bytes.latin1Slice(start, pos) : undefined;
}

/** The method that stands here with its space; '' when more bytes could make one; undefined when none can. */
function methodAt(bytes: Bytes, start: number, end: number): string | undefined {
  let possible: string | undefined;
  for (let m = 0; m < METHODS.length; m++) {
    const method = METHODS[m];
    let i = 0;
    while (i < method.length && start + i < end && bytes[start + i] === method.charCodeAt(i)) i++;
    if (start + i >= end) possible = '';
    else if (i === method.length && bytes[start + i] === SP) return method;
  }
  return possible;
}
