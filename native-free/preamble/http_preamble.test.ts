import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpPreamble, HttpPreambleReader } from './http_preamble.ts';

/** What Envoy 1.40 makes of these beginnings. */
const cases: readonly [string, HttpPreamble][] = [
  ['GET / HTTP/1.1\r\n', HttpPreamble.Http11],
  ['GET / HTTP/1.1\n', HttpPreamble.Http11],
  ['GET  / HTTP/1.1\r\n', HttpPreamble.Http11],
  ['FOO / HTTP/1.1\r\n', HttpPreamble.Http11],
  ['GET /\x01 HTTP/1.1\r\n', HttpPreamble.Http11],
  ['GET / HTTP/1.0\r\n', HttpPreamble.Http10],
  ['GET / HTTP/1.2\r\n', HttpPreamble.Http10],
  ['GET / HTTP/2.0\r\n', HttpPreamble.Http10],
  ['GET /\r\n', HttpPreamble.Http10],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', HttpPreamble.Http2],
  ['PRI * HTTP/2.0\r\n\r\nXX\r\n', HttpPreamble.Http10],
  ['GET / FOO\r\n', HttpPreamble.None],
  ['GET\r\n', HttpPreamble.None],
  ['GET / x HTTP/1.1\r\n', HttpPreamble.None],
  ['G@T', HttpPreamble.None],
  [' GET / HTTP/1.1\r\n', HttpPreamble.None],
  ['\r\nGET / HTTP/1.1\r\n', HttpPreamble.None],
  ['\x16\x03\x01\x02\x00\x01', HttpPreamble.None],
  ['\x80abc', HttpPreamble.None],
  ['hello\n', HttpPreamble.None],
  ['hello world\r\n', HttpPreamble.None],
  ['hello', HttpPreamble.More],
  ['GET /\x01', HttpPreamble.More],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r', HttpPreamble.More],
];

test('beginnings, at once and byte by byte', () => {
  for (const [text, expected] of cases) {
    const bytes = Buffer.from(text, 'latin1');
    assert.equal(new HttpPreambleReader().read(bytes, bytes.length), expected, JSON.stringify(text));
    const reader = new HttpPreambleReader();
    let status: HttpPreamble = HttpPreamble.More;
    for (let length = 1; length <= bytes.length && status === HttpPreamble.More; length++)
      status = reader.read(bytes, length);
    assert.equal(status, expected, `${JSON.stringify(text)} byte by byte`);
  }
});
