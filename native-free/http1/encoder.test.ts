/** What the encoder writes, byte for byte, and the framing that is chosen for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeaderMap } from '../headers/header_map.ts';
import { headerName } from '../headers/header_name.ts';
import { PreservedCase } from '../headers/header_spelling.ts';
import { sanitizeValue } from '../headers/sanitize_value.ts';
import { chunkEnd, chunkHeader, encodeRequestHead, encodeResponseHead, encodeTrailers, lastChunk } from './encoder.ts';
import { requestFramingToSend, responseFramingToSend } from './framing.ts';

function mapOf(fields: Record<string, string>): HeaderMap {
  const map = new HeaderMap();
  for (const [name, value] of Object.entries(fields)) map.add(headerName(name), value);
  return map;
}

test('a request head: host first, the map in order', () => {
  assert.equal(
    encodeRequestHead('POST', '/a?b', 'h:80', mapOf({ 'X-A': '1', 'content-length': '5' }), 'length'),
    'POST /a?b HTTP/1.1\r\nhost: h:80\r\nx-a: 1\r\ncontent-length: 5\r\n\r\n',
  );
});

test('the target of CONNECT is its authority', () => {
  assert.equal(
    encodeRequestHead('CONNECT', '', 'h:80', mapOf({}), 'none'),
    'CONNECT h:80 HTTP/1.1\r\nhost: h:80\r\n\r\n',
  );
});

test('chunked is written last and drops a length', () => {
  assert.equal(
    encodeRequestHead('POST', '/', 'h', mapOf({ 'content-length': '5', 'x-a': '1' }), 'chunked'),
    'POST / HTTP/1.1\r\nhost: h\r\nx-a: 1\r\ntransfer-encoding: chunked\r\n\r\n',
  );
});

test('transfer-encoding never comes from the map', () => {
  for (const framing of ['none', 'length', 'close'] as const) {
    assert.equal(encodeResponseHead(200, mapOf({ 'transfer-encoding': 'gzip' }), framing), 'HTTP/1.1 200 OK\r\n\r\n');
  }
});

test('status lines', () => {
  const line = (status: number): string => encodeResponseHead(status, mapOf({}), 'none').trimEnd();
  assert.deepEqual([100, 404, 418, 431, 556, 999].map(line), [
    'HTTP/1.1 100 Continue',
    'HTTP/1.1 404 Not Found',
    'HTTP/1.1 418 Unknown',
    'HTTP/1.1 431 Request Header Fields Too Large',
    'HTTP/1.1 556 Unknown',
    'HTTP/1.1 999 Unknown',
  ]);
  assert.equal(
    encodeResponseHead(200, mapOf({ 'content-length': '0' }), 'none', 'HTTP/1.0'),
    'HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n',
  );
});

test('chunks and trailers', () => {
  assert.equal(`${chunkHeader(26)}${'x'.repeat(26)}${chunkEnd}${lastChunk}`, `1a\r\n${'x'.repeat(26)}\r\n0\r\n\r\n`);
  assert.equal(encodeTrailers(mapOf({ a: '1', b: '2' })), '0\r\na: 1\r\nb: 2\r\n\r\n');
  assert.equal(encodeTrailers(mapOf({})), lastChunk);
});

test('the framing of a request to send', () => {
  const choose = (method: string, fields: Record<string, string>, endStream: boolean): string => {
    const headers = mapOf(fields);
    const framing = requestFramingToSend(method, headers, endStream);
    return `${framing} ${headers.get(headerName('content-length')) ?? '-'}`;
  };
  assert.equal(choose('GET', {}, true), 'none -');
  assert.equal(choose('POST', {}, true), 'none 0');
  assert.equal(choose('POST', { 'content-length': '3' }, false), 'length 3');
  assert.equal(choose('POST', {}, false), 'chunked -');
  assert.equal(choose('CONNECT', {}, false), 'none -');
});

test('the framing of a response to send', () => {
  const choose = (
    method: string,
    status: number,
    fields: Record<string, string>,
    endStream: boolean,
    http10 = false,
  ): string => {
    const headers = mapOf(fields);
    const framing = responseFramingToSend(method, status, headers, endStream, http10);
    return `${framing} ${headers.get(headerName('content-length')) ?? '-'}`;
  };
  assert.equal(choose('GET', 200, {}, true), 'empty -');
  assert.equal(choose('GET', 200, { 'content-length': '3' }, false), 'length 3');
  assert.equal(choose('GET', 200, {}, false), 'chunked -');
  assert.equal(choose('GET', 200, {}, false, true), 'close -');
  assert.equal(choose('HEAD', 200, { 'content-length': '3' }, true), 'none 3');
  assert.equal(choose('HEAD', 404, {}, true), 'chunked -');
  assert.equal(choose('HEAD', 404, {}, true, true), 'none -');
  assert.equal(choose('HEAD', 304, {}, true), 'none -');
  assert.equal(choose('GET', 304, { 'content-length': '3' }, true), 'none 3');
  assert.equal(choose('GET', 204, { 'content-length': '0' }, true), 'none -');
});

test('sanitizeValue drops what would end a line', () => {
  assert.equal(sanitizeValue('a\r\nb\0c\td'), 'abc\td');
});

test('a reason phrase that was kept goes on; without one the usual phrase does', () => {
  const line = (reason: string | undefined) => {
    const headers = mapOf({ a: '1' });
    if (reason !== undefined) {
      const spelling = new PreservedCase(undefined);
      spelling.reason = reason;
      headers.spelling = spelling;
    }
    return encodeResponseHead(404, headers, 'none').split('\r\n')[0];
  };
  assert.equal(line('Gone Fishing'), 'HTTP/1.1 404 Gone Fishing');
  assert.equal(line(''), 'HTTP/1.1 404 Not Found');
  assert.equal(line(undefined), 'HTTP/1.1 404 Not Found');
});
