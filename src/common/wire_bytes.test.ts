import assert from 'node:assert/strict';
import test from 'node:test';
import { HeaderMap, type RequestHead, type ResponseHead } from '../../native-free/headers/header_map.ts';
import { headerName } from '../../native-free/headers/header_name.ts';
import { WireBytes } from './wire_bytes.ts';

function headers(fields: Record<string, string>): HeaderMap {
  const map = new HeaderMap();
  for (const [name, value] of Object.entries(fields)) map.add(headerName(name), value);
  return map;
}

const request = (fields: Record<string, string>): RequestHead => ({
  method: 'POST',
  path: '/r',
  authority: 'a',
  scheme: 'http',
  protocol: 'HTTP/1.1',
  headers: headers(fields),
});

test('a request counts as it is written', () => {
  const bytes = new WireBytes();
  bytes.requestReceived(request({ 'content-length': '3' }), false);
  bytes.bodyReceived(3, true);
  const wire = 'POST /r HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc';
  // Envoy takes three bytes for `: ` and the line end of a field it received.
  assert.deepEqual([bytes.wireReceived, bytes.headerReceived], [wire.length, 'host:a\r\ncontent-length:3\r\n'.length]);
});

test('chunks count with their framing', () => {
  const bytes = new WireBytes();
  bytes.requestSent(request({}), false);
  bytes.bodySent(20, false);
  bytes.bodySent(0, true);
  const head = 'POST /r HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n';
  assert.equal(bytes.wireSent, head.length + '14\r\n'.length + 20 + '\r\n0\r\n\r\n'.length);
});

test('an answer without a body counts with the length that says so', () => {
  const answer = (status: number): ResponseHead => ({ status, protocol: 'HTTP/1.1', headers: headers({ a: 'b' }) });
  const empty = new WireBytes();
  empty.responseSent(answer(404), true, false);
  assert.equal(empty.wireSent, 'HTTP/1.1 404 Not Found\r\na: b\r\ncontent-length: 0\r\n\r\n'.length);
  const none = new WireBytes();
  none.responseSent(answer(204), true, false);
  assert.equal(none.wireSent, 'HTTP/1.1 204 No Content\r\na: b\r\n\r\n'.length);
  assert.equal(none.headerSent, 'a: b\r\n'.length);
});
