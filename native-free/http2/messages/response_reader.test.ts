/** Response heads and trailers out of field lists, each as Envoy takes or refuses it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FieldList, literals } from '../../../test/support/hpack_blocks.ts';
import type { HeaderMap, ResponseHead } from '../../headers/header_map.ts';
import type { Http2Error } from '../codec.ts';
import { HpackDecoder } from '../hpack/decoder.ts';
import { isHttp2Error, isMalformed } from './errors.ts';
import { ResponseReader } from './response_reader.ts';
import { breaksContentLength, type MessageRules } from './rules.ts';
import { TrailersReader } from './trailers_reader.ts';

const RULES: MessageRules = {
  maxHeaderBytes: 81920,
  maxHeaders: 100,
  headersWithUnderscores: 'ALLOW',
  allowConnect: false,
};
const OK = [':status', '200'] as const;
const FIELD = 'http2.invalid.header.field';
const MESSAGE = 'http2.violation.of.messaging.rule';

interface Asked {
  endStream?: boolean;
  method?: string;
  upgrade?: string;
}

function read(fields: FieldList, asked: Asked = {}): [ResponseHead | Http2Error, number] {
  const reader = new ResponseReader(RULES);
  const block = literals(fields);
  reader.begin();
  assert.ok(new HpackDecoder(4096).decode(block, 0, block.length, reader));
  const head = reader.finish(asked.endStream ?? true, asked.method ?? 'GET', asked.upgrade ?? '');
  return [head, reader.contentLength];
}

/** Status, fields as text, and the length the body must have. */
function accepted(fields: FieldList, asked: Asked = {}): [number, string, number] {
  const [head, length] = read(fields, asked);
  assert.ok(!isHttp2Error(head), JSON.stringify([fields, head]));
  return [head.status, listed(head.headers), length];
}

function listed(map: HeaderMap): string {
  return map.names.map((name, i) => `${name.text}: ${map.values[i]}`).join(', ');
}

function refused(fields: FieldList, details: string, asked: Asked = {}): void {
  const [head] = read(fields, asked);
  assert.ok(isHttp2Error(head), JSON.stringify(fields));
  assert.equal(head.details, details, JSON.stringify(fields));
}

test('statuses', () => {
  assert.deepEqual(accepted([OK]), [200, '', -1]);
  for (const status of ['204', '304', '404', '600', '999'])
    assert.equal(accepted([[':status', status]])[0], Number(status));
  for (const status of ['99', '099', '000', 'abc', '1000', '', '2 0', '+20', '101'])
    refused([[':status', status]], FIELD);
  refused([['x', '1']], MESSAGE);
  refused([], MESSAGE);
  refused([OK, OK], FIELD);
  refused([['x', '1'], OK], FIELD);
  refused([OK, [':path', '/']], FIELD);
  refused([OK, [':protocol', 'x']], FIELD);
});

test('fields', () => {
  for (const bad of [
    ['X', '1'],
    ['connection', 'close'],
    ['te', 'gzip'],
    ['x', 'a\x01'],
    ['upgrade', 'x'],
  ] as const) {
    refused([OK, bad], FIELD);
  }
  const fields = [OK, ['host', 'h'], ['te', 'trailers'], ['cookie', 'a'], ['x_y', '1'], ['cookie', 'b']] as const;
  assert.deepEqual(accepted(fields), [200, 'host: h, te: trailers, x_y: 1, cookie: a; b', -1]);
  refused([OK, ...Array.from({ length: 100 }, () => ['set-cookie', 'a'] as const)], 'http2.too_many_headers');
  const half = ['x', 'a'.repeat(40960)] as const;
  refused([OK, half, half], 'http2.header_list_size_too_large');
});

test('lengths: what DATA must add up to', () => {
  const five = ['content-length', '5'] as const;
  assert.deepEqual(accepted([OK, five], { endStream: false }), [200, 'content-length: 5', 5]);
  refused([OK, five], MESSAGE);
  refused([OK, five, five], FIELD, { endStream: false });
  assert.deepEqual(accepted([OK, five], { method: 'HEAD' }), [200, 'content-length: 5', 0]);
  assert.deepEqual(accepted([[':status', '304'], five]), [304, 'content-length: 5', 0]);
  assert.deepEqual(accepted([[':status', '204']], { endStream: false }), [204, '', 0]);
  assert.deepEqual(
    accepted([
      [':status', '204'],
      ['content-length', '0'],
    ]),
    [204, '', 0],
  );
  refused([[':status', '204'], five], FIELD);
  assert.deepEqual(accepted([OK, five], { method: 'CONNECT', endStream: false }), [200, '', -1]);

  assert.equal(breaksContentLength(-1, 7, true), false);
  assert.equal(breaksContentLength(5, 5, true), false);
  assert.equal(breaksContentLength(5, 3, false), false);
  assert.equal(breaksContentLength(5, 3, true), true);
  assert.equal(breaksContentLength(5, 6, false), true);
  assert.equal(breaksContentLength(0, 0, true), false);
});

test('informational heads come as they are, never as the end and never with a length', () => {
  assert.deepEqual(
    accepted(
      [
        [':status', '103'],
        ['link', 'x'],
      ],
      { endStream: false },
    ),
    [103, 'link: x', -1],
  );
  refused([[':status', '100']], MESSAGE);
  refused(
    [
      [':status', '100'],
      ['content-length', '0'],
    ],
    FIELD,
    { endStream: false },
  );
});

test('the answer to an extended CONNECT becomes that to an upgrade', () => {
  const asked = { endStream: false, upgrade: 'websocket' };
  assert.deepEqual(accepted([OK, ['x-a', '1'], ['content-length', '0']], asked), [
    101,
    'x-a: 1, upgrade: websocket, connection: upgrade',
    -1,
  ]);
  assert.equal(accepted([[':status', '404']], { ...asked, endStream: true })[0], 404);
  assert.equal(accepted([[':status', '201']], asked)[0], 201);
});

test('trailers', () => {
  const trailers = (fields: FieldList, endStream = true, rules: Partial<MessageRules> = {}) => {
    const reader = new TrailersReader({ ...RULES, ...rules });
    const block = literals(fields);
    reader.begin();
    assert.ok(new HpackDecoder(4096).decode(block, 0, block.length, reader));
    const result = reader.finish(endStream);
    return isHttp2Error(result) ? result : listed(result);
  };
  const refusal = (fields: FieldList, endStream = true, rules: Partial<MessageRules> = {}) => {
    const result = trailers(fields, endStream, rules);
    assert.ok(typeof result === 'object', JSON.stringify(fields));
    return result;
  };
  assert.equal(
    trailers([
      ['grpc-status', '0'],
      ['grpc-message', ''],
    ]),
    'grpc-status: 0, grpc-message: ',
  );
  assert.equal(trailers([]), '');
  assert.equal(refusal([['x', '1']], false).details, MESSAGE);
  for (const bad of [[':path', '/'], OK, ['X-T', '1'], ['connection', 'x'], ['te', 'gzip'], [':x', '1']] as const) {
    assert.equal(refusal([bad]).details, FIELD);
    assert.ok(isMalformed(refusal([bad])));
  }
  // Fields of framing and routing must not reach a message that is written from these.
  assert.equal(
    trailers([
      ['content-length', '3'],
      ['host', 'h'],
      ['te', 'trailers'],
      ['cookie', 'a'],
      ['x', '1'],
    ]),
    'cookie: a, x: 1',
  );
  assert.equal(refusal(Array.from({ length: 101 }, () => ['x', '1'] as const)).details, 'http2.too_many_headers');
  assert.equal(
    refusal([['x_t', '1']], true, { headersWithUnderscores: 'REJECT_REQUEST' }).details,
    'http2.unexpected_underscore',
  );
  assert.equal(trailers([['x_t', '1']], true, { headersWithUnderscores: 'DROP_HEADER' }), '');
});
