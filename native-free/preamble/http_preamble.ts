/** Whether a connection begins like HTTP, and with which version: the request line of HTTP/1, or the preface of HTTP/2. */
import type { Bytes } from '../bytes/bytes.ts';

export const HttpPreamble = { More: 0, None: 1, Http10: 2, Http11: 3, Http2: 4 } as const;
export type HttpPreamble = (typeof HttpPreamble)[keyof typeof HttpPreamble];

/** RFC 9113 section 3.4. */
const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** In origin, absolute or asterisk form (RFC 9112 section 3.2). */
const target = /^[/*]|^[A-Za-z]+:\/\/./;
const space = 32;
const newLine = 10;

/** Reads the beginning of a connection; give all bytes there are each time. */
export class HttpPreambleReader {
  private searched = 0;
  private inMethod = true;

  read(bytes: Bytes, length: number): HttpPreamble {
    if (length === 0) return HttpPreamble.More;
    const count = Math.min(length, preface.length);
    if (bytes.latin1Slice(0, count) === preface.slice(0, count)) {
      return count === preface.length ? HttpPreamble.Http2 : HttpPreamble.More;
    }
    // Empty lines before a request are not for us to skip: Envoy takes them for something else.
    for (; this.searched < length; this.searched++) {
      const byte = bytes[this.searched];
      if (byte === newLine) return versionOf(bytes.latin1Slice(0, this.searched));
      if (!this.inMethod) continue;
      this.inMethod = this.searched === 0 || (byte !== space && byte !== 9 && byte !== 13);
      if (this.inMethod && !token.test(String.fromCharCode(byte))) return HttpPreamble.None;
    }
    return HttpPreamble.More;
  }
}

/** Of a request line without its line feed. One without a version is HTTP/0.9, which Envoy calls HTTP/1.0. */
function versionOf(line: string): HttpPreamble {
  const parts = line.replace(/\r$/, '').split(/[ \t]+/);
  if (parts.length < 2 || parts.length > 3 || !(parts[0] === 'CONNECT' || target.test(parts[1])))
    return HttpPreamble.None;
  if (parts.length === 3 && !/^HTTP\/\d\.\d$/.test(parts[2])) return HttpPreamble.None;
  return parts[2] === 'HTTP/1.1' ? HttpPreamble.Http11 : HttpPreamble.Http10;
}
