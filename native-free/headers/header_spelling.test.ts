/** Spellings of header names: proper case by Envoy's rule, preserved case by the first occurrence. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordRequests } from '../../test/support/http1_events.ts';
import { encodeRequestHead, encodeResponseHead } from '../http1/encoder.ts';
import { HeaderMap } from './header_map.ts';
import { headerName } from './header_name.ts';
import { PreservedCase, properCaseWords } from './header_spelling.ts';

test('proper case makes a capital of each letter behind what is no letter or digit', () => {
  for (const [name, wire] of [
    ['host', 'Host'],
    ['x-foo_bar', 'X-Foo_Bar'],
    ['x-3d-a', 'X-3d-A'],
    ['te', 'Te'],
  ]) {
    assert.equal(properCaseWords.wire(headerName(name)), `\r\n${wire}: `);
  }
});

test('a spelling goes to the start line, the fields and the framing; that of the message goes first', () => {
  const headers = new HeaderMap();
  headers.add(headerName('x-one'), '1');
  assert.equal(
    encodeRequestHead('GET', '/', 'h', headers, 'chunked', properCaseWords),
    'GET / HTTP/1.1\r\nHost: h\r\nX-One: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
  );
  const preserved = new PreservedCase(undefined);
  preserved.note(headerName('x-one'), 'X-oNE');
  preserved.note(headerName('x-one'), 'x-ONE');
  headers.spelling = preserved;
  headers.add(headerName('x-two'), '2');
  const head = 'HTTP/1.1 200 OK\r\nX-oNE: 1\r\nx-two: 2\r\n\r\n';
  assert.equal(encodeResponseHead(200, headers, 'none', 'HTTP/1.1', properCaseWords), head);
  assert.equal(encodeResponseHead(200, headers.clone(), 'none'), head);
});

test('the decoder keeps spellings only when it is told to, whole or byte by byte', () => {
  const text = 'GET / HTTP/1.1\r\nHOST: h\r\nX-oNE: 1\r\n\r\n';
  const everyByte = Array.from({ length: text.length - 1 }, (_, i) => i + 1);
  for (const cuts of [[], everyByte]) {
    assert.equal(recordRequests(text, cuts).requests[0].head.headers.spelling, undefined);
    const { headers } = recordRequests(text, cuts, { preserveCase: 'proper_case' }).requests[0].head;
    const names = ['host', 'x-one', 'x-added'].map((name) => headers.spelling!.wire(headerName(name)));
    assert.deepEqual(names, ['\r\nHOST: ', '\r\nX-oNE: ', '\r\nX-Added: ']);
  }
});
