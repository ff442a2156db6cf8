/** Request heads out of field lists: what Envoy takes and how it comes out, and every way it is refused, with Envoy's details. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FieldList, literal, literals } from '../../../test/support/hpack_blocks.ts';
import type { RequestHead } from '../../headers/header_map.ts';
import { headerName } from '../../headers/header_name.ts';
import type { Http2Error } from '../codec.ts';
import { HpackDecoder } from '../hpack/decoder.ts';
import { isHttp2Error, isMalformed } from './errors.ts';
import { RequestReader } from './request_reader.ts';
import type { MessageRules } from './rules.ts';

const RULES: MessageRules = {
  maxHeaderBytes: 61440,
  maxHeaders: 100,
  headersWithUnderscores: 'ALLOW',
  allowConnect: true,
};
const GET: FieldList = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'h'],
  [':path', '/'],
];
const FIELD = 'http2.invalid.header.field';
const MESSAGE = 'http2.violation.of.messaging.rule';

interface Outcome {
  readonly head: RequestHead | Http2Error;
  readonly reader: RequestReader;
}

function read(fields: FieldList | Buffer, endStream = true, rules: Partial<MessageRules> = {}): Outcome {
  const reader = new RequestReader({ ...RULES, ...rules });
  const block = Buffer.isBuffer(fields) ? fields : literals(fields);
  reader.begin();
  assert.ok(new HpackDecoder(4096).decode(block, 0, block.length, reader));
  return { head: reader.finish(endStream), reader };
}

function accepted(fields: FieldList | Buffer, endStream = true, rules: Partial<MessageRules> = {}): RequestHead {
  const { head } = read(fields, endStream, rules);
  assert.ok(!isHttp2Error(head), JSON.stringify([fields, head]));
  return head;
}

function refused(fields: FieldList, details: string, endStream = true, rules: Partial<MessageRules> = {}): Http2Error {
  const { head } = read(fields, endStream, rules);
  assert.ok(isHttp2Error(head), JSON.stringify(fields));
  assert.equal(head.details, details, JSON.stringify(fields));
  return head;
}

function listed(head: RequestHead): [string, string][] {
  return head.headers.names.map((name, i) => [name.text, head.headers.values[i]]);
}

function withValue(name: string, value: string): FieldList {
  return GET.map(([field, old]) => [field, field === name ? value : old]);
}

function without(name: string): FieldList {
  return GET.filter(([field]) => field !== name);
}

test('a request as browsers send it', () => {
  const name = headerName('x-a');
  const { head, reader } = read([...GET, ['x-a', '1'], ['content-length', '0'], ['x-a', ''], ['te', 'trailers']]);
  assert.ok(!isHttp2Error(head));
  const { headers, ...rest } = head;
  assert.deepEqual(rest, { method: 'GET', path: '/', authority: 'h', scheme: 'http', protocol: 'HTTP/2' });
  assert.deepEqual(listed(head), [
    ['x-a', '1'],
    ['content-length', '0'],
    ['x-a', ''],
    ['te', 'trailers'],
  ]);
  assert.equal(headers.get(name), '1');
  assert.equal(reader.contentLength, 0);
  assert.equal(reader.upgrade, '');
  assert.equal(headers.neverIndexed, undefined);
});

test('names and values that no field has', () => {
  for (const name of ['X-A', 'x a', '', 'x:a', 'x\xe9', 'x\0a']) refused([...GET, [name, '1']], FIELD);
  for (const value of ['a\rb', 'a\nb', 'a\0b', 'a\x01b', 'a\x7fb']) refused([...GET, ['x-a', value]], FIELD);
  for (const value of ['a\tb', 'a\xe9b', 'a  b']) assert.equal(listed(accepted([...GET, ['x-a', value]]))[0][1], value);
  for (const value of [' a', 'a ', '\ta \t']) assert.equal(listed(accepted([...GET, ['x-a', value]]))[0][1], 'a');
  assert.equal(listed(accepted([...GET, ['x-a', ' ']]))[0][1], '');
});

test('fields that HTTP/2 does not have', () => {
  for (const name of ['connection', 'keep-alive', 'proxy-connection', 'upgrade', 'transfer-encoding']) {
    assert.ok(isMalformed(refused([...GET, [name, 'x']], FIELD)));
  }
  for (const te of ['gzip', '', 'gzip, trailers', 'trailers;q=0.5']) refused([...GET, ['te', te]], FIELD);
  assert.equal(accepted([...GET, ['te', 'Trailers']]).headers.size, 1);
});

test('pseudo-header fields: missing, twice, unknown, empty, behind regular ones', () => {
  for (const [name] of GET) {
    refused(without(name), MESSAGE);
    refused([...GET, [name, 'GET']], FIELD);
    refused(withValue(name, ''), FIELD);
    refused([...without(name), ['x-a', '1'], ...GET.filter(([field]) => field === name)], FIELD);
  }
  for (const name of [':foo', ':status', ':x_a', ':PATH', ':']) refused([...GET, [name, '200']], FIELD);
  for (const value of [' /', '/ ', '/\t']) refused(withValue(':path', value), FIELD);
});

test('authority and host', () => {
  assert.equal(accepted([...without(':authority'), ['host', 'hh']]).authority, 'hh');
  assert.deepEqual(listed(accepted([...GET, ['host', 'other']])), []);
  assert.equal(accepted([...GET, ['host', 'other']]).authority, 'h');
  refused([...without(':authority'), ['host', 'a'], ['host', 'b']], FIELD);
  refused([...GET, ['host', '']], FIELD);
  refused([...GET, ['host', 'a b']], FIELD);
  for (const bad of ['u@h', 'a b', 'a/b', 'a\xe9', 'a#b', 'a?b', 'a\\b', 'a,b', 'a\x01']) {
    refused(withValue(':authority', bad), FIELD);
  }
  for (const good of ['h:', 'h:80', '[::1]:80', 'a%20b', 'A.b-c_d~']) {
    assert.equal(accepted(withValue(':authority', good)).authority, good);
  }
});

test('path, scheme and method', () => {
  for (const path of ['foo', '*', 'http://h/', '?a']) refused(withValue(':path', path), MESSAGE);
  for (const path of ['/a b', '/a\tb', '/a\x01', '/a\x7f']) refused(withValue(':path', path), FIELD);
  for (const path of ['/a\xe9', '/a#b', '/a\\b', '//', '/*'])
    assert.equal(accepted(withValue(':path', path)).path, path);
  const star: FieldList = [
    [':method', 'OPTIONS'],
    ...without(':method').filter(([name]) => name !== ':path'),
    [':path', '*'],
  ];
  assert.equal(accepted(star).path, '*');
  for (const scheme of ['ht tp', '1http', 'http:']) refused(withValue(':scheme', scheme), FIELD);
  for (const scheme of ['https', 'foo', 'HTTP']) {
    assert.equal(accepted(withValue(':scheme', scheme)).scheme, scheme.toLowerCase());
  }
  for (const method of ['G T', 'GET\t', 'G\u0000', 'G(', 'G\u00e9']) refused(withValue(':method', method), FIELD);
  for (const method of ['TRACE', 'QUERY', 'PURGE', 'get', 'FOO', 'M-SEARCH', 'PRI'])
    assert.equal(accepted(withValue(':method', method)).method, method);
});

test('cookie crumbs become one field at the end', () => {
  const head = accepted([...GET, ['cookie', 'a=1'], ['x-a', '1'], ['cookie', ''], ['cookie', 'b=2'], ['cookie', 'c']]);
  assert.deepEqual(listed(head), [
    ['x-a', '1'],
    ['cookie', 'a=1; b=2; c'],
  ]);
});

test('content-length', () => {
  for (const length of ['', '+0', '-1', '0, 0', '99999999999999999999', '9007199254740992', '0x1', '1 2']) {
    refused([...GET, ['content-length', length]], FIELD, false);
  }
  refused([...GET, ['content-length', '0'], ['content-length', '0']], FIELD);
  refused([...GET, ['content-length', '5']], MESSAGE);
  assert.equal(read([...GET, ['content-length', '5']], false).reader.contentLength, 5);
  assert.equal(read([...GET, ['content-length', '00']]).reader.contentLength, 0);
  assert.equal(read(GET).reader.contentLength, -1);
});

test('limits: 100 fields and 60 KiB of names and values, crumbs and dropped ones included', () => {
  const many = (count: number, name: (i: number) => string): FieldList =>
    Array.from({ length: count }, (_, i) => [name(i), '1']);
  assert.equal(accepted([...GET, ...many(96, (i) => `x-${i}`)]).headers.size, 96);
  const error = refused([...GET, ...many(97, (i) => `x-${i}`)], 'http2.too_many_headers');
  assert.deepEqual([error.code, error.counter, isMalformed(error)], [2, 'header_overflow', false]);
  refused([...GET, ...many(97, () => 'cookie')], 'http2.too_many_headers');
  const drop = { headersWithUnderscores: 'DROP_HEADER' } as const;
  refused([...GET, ...many(97, (i) => `x_${i}`)], 'http2.too_many_headers', true, drop);

  // The four pseudo-header fields have 38 bytes.
  accepted([...GET, ['x-a', 'a'.repeat(61440 - 38 - 3)]]);
  const large = refused([...GET, ['x-a', 'a'.repeat(61440 - 38 - 2)]], 'http2.header_list_size_too_large');
  assert.deepEqual([large.code, large.counter], [2, 'header_list_size_too_large']);
  for (const name of ['cookie', 'x_y', 'host']) {
    refused([...GET, [name, 'a'.repeat(61440)]], 'http2.header_list_size_too_large', true, drop);
  }
});

test('a bomb is not stored: 4,000 references to 4,000 bytes', () => {
  for (const name of ['x', 'cookie', 'x_y', 'host']) {
    const bomb = [...literals(GET), ...literal(0x40, 0, name, 'b'.repeat(4000)), ...new Array<number>(4000).fill(0xbe)];
    const { head } = read(Buffer.from(bomb), true, { maxHeaders: 10_000, headersWithUnderscores: 'DROP_HEADER' });
    assert.ok(isHttp2Error(head));
  }
});

test('a refused request leaves the table in step', () => {
  const reader = new RequestReader(RULES);
  const decoder = new HpackDecoder(4096);
  const run = (bytes: number[]): RequestHead | Http2Error => {
    const block = Buffer.from(bytes);
    reader.begin();
    assert.ok(decoder.decode(block, 0, block.length, reader));
    return reader.finish(true);
  };
  assert.ok(isHttp2Error(run([...literals([...GET, ['X-Bad', 'v']]), ...literal(0x40, 0, 'x-good', 'v')])));
  const head = run([...literals(GET), 0xbe]);
  assert.ok(!isHttp2Error(head));
  assert.deepEqual(listed(head), [['x-good', 'v']]);
});

test('underscores: allowed, refused, dropped', () => {
  const fields: FieldList = [...GET, ['x_a', '1']];
  assert.equal(accepted(fields).headers.size, 1);
  const error = refused(fields, 'http2.unexpected_underscore', true, { headersWithUnderscores: 'REJECT_REQUEST' });
  assert.deepEqual([error.code, error.counter], [2, 'requests_rejected_with_underscores_in_headers']);
  const { head, reader } = read(fields, true, { headersWithUnderscores: 'DROP_HEADER' });
  assert.ok(!isHttp2Error(head));
  assert.equal(head.headers.size, 0);
  assert.equal(reader.dropped, 1);
});

test('CONNECT has an authority and nothing else, and no length', () => {
  const connect: FieldList = [
    [':method', 'CONNECT'],
    [':authority', 'h:1'],
  ];
  const { head, reader } = read([...connect, ['content-length', '5']], false);
  assert.ok(!isHttp2Error(head));
  assert.deepEqual([head.method, head.path, head.authority, head.scheme], ['CONNECT', '', 'h:1', '']);
  assert.deepEqual([reader.upgrade, reader.contentLength, head.headers.size], ['CONNECT', -1, 0]);
  for (const more of [
    [':path', '/'],
    [':scheme', 'http'],
  ] as const)
    refused([...connect, more], MESSAGE, false);
  refused([[':method', 'CONNECT']], MESSAGE, false);
  refused(
    [
      [':method', 'CONNECT'],
      ['host', 'h:1'],
    ],
    MESSAGE,
    false,
  );
});

test('extended CONNECT becomes the upgrade that HTTP/1 knows', () => {
  const base: FieldList = [[':method', 'CONNECT'], ...without(':method')];
  const { head, reader } = read([...base, [':protocol', 'websocket'], ['x-a', '1']], false);
  assert.ok(!isHttp2Error(head));
  assert.deepEqual([head.method, head.path, head.scheme, reader.upgrade], ['GET', '/', 'http', 'websocket']);
  assert.deepEqual(listed(head), [
    ['x-a', '1'],
    ['upgrade', 'websocket'],
    ['connection', 'upgrade'],
  ]);

  const bytes = read([...base, [':protocol', 'bytestream']], false);
  assert.ok(!isHttp2Error(bytes.head));
  assert.deepEqual([bytes.head.method, bytes.head.path, bytes.reader.upgrade], ['CONNECT', '/', 'CONNECT']);

  refused([...base, [':protocol', '']], FIELD, false);
  refused([...GET, [':protocol', 'websocket']], MESSAGE, false);
  refused([...base, [':protocol', 'websocket']], FIELD, false, { allowConnect: false });
  for (const name of [':path', ':scheme', ':authority']) {
    const missing = base.filter(([field]) => field !== name);
    refused([...missing, [':protocol', 'websocket'], ['host', 'h']], MESSAGE, false);
  }
  refused(
    [...base.map(([n, v]): [string, string] => [n, n === ':path' ? 'ws' : v]), [':protocol', 'x']],
    MESSAGE,
    false,
  );
});

test('never-indexed fields are remembered by name', () => {
  const block = [...literals(GET.slice(0, 3)), ...literal(0x10, 0, ':path', '/s'), ...literal(0x10, 0, 'x-s', 'k')];
  const head = accepted(Buffer.from([...block, ...literal(0x10, 0, 'x-s', 'l'), ...literal(0, 0, 'x-o', 'v')]));
  assert.deepEqual(head.headers.neverIndexed, [headerName(':path'), headerName('x-s')]);
  assert.deepEqual(head.headers.clone().neverIndexed, head.headers.neverIndexed);
  assert.equal(head.headers.size, 3);
});
