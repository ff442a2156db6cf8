/** Response decoding: each case gives the same events whole, byte by byte and in every two pieces. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allCuts, EventRecorder, RESPONSE_OPTIONS, recordResponse, toBytes } from '../../test/support/http1_events.ts';
import { Http1ResponseDecoder } from './response_decoder.ts';

type How = NonNullable<Parameters<typeof recordResponse>[2]>;
type Case = readonly [name: string, input: string, lines: readonly string[], how?: How];

const CODEC_ERROR = ['error 502 http1.codec_error'];

function answer(status: string | number, ...fields: string[]): string {
  return [`HTTP/1.1 ${status}`, ...fields, '', ''].join('\r\n');
}
function head(rest: string): string {
  return `HTTP/1.1 ${rest}`.trimEnd();
}
const EMPTY = answer('200 OK', 'Content-Length: 0');
const EMPTY_LINES = [head('200 none 0 keep content-length=0'), 'complete'];
const CHUNKED = answer(200, 'Transfer-Encoding: chunked');
const CHUNKED_HEAD = head('200 chunked -1 keep');

const CASES: readonly Case[] = [
  [
    'a length',
    `${answer('200 OK', 'Content-Length: 2', 'X: y')}hi`,
    [head('200 length 2 keep content-length=2|x=y'), 'body hi', 'complete'],
  ],
  ['an empty body', EMPTY, EMPTY_LINES],
  ['chunks', `${CHUNKED}2\r\nhi\r\n0\r\n\r\n`, [CHUNKED_HEAD, 'body hi', 'complete']],
  [
    'trailers',
    `${CHUNKED}0\r\nGrpc-Status: 0\r\n\r\n`,
    [CHUNKED_HEAD, 'trailers grpc-status=0', 'complete'],
    { options: { enableTrailers: true } },
  ],
  ['trailers dropped', `${CHUNKED}0\r\nGrpc-Status: 0\r\n\r\n`, [CHUNKED_HEAD, 'complete']],
  ['no reason, nor a space', answer(200, 'Content-Length: 0'), EMPTY_LINES],
  ['any reason', answer('200 \xe9 all:fine\t', 'Content-Length: 0'), EMPTY_LINES],
  [
    'connection: close',
    answer(200, 'Content-Length: 0', 'Connection: Close'),
    [head('200 none 0 close content-length=0|connection=Close'), 'complete'],
  ],
  [
    'HTTP/1.0',
    'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n',
    ['HTTP/1.0 200 none 0 close content-length=0', 'complete'],
  ],
  [
    'nominations are not judged',
    answer(200, 'Content-Length: 0', 'Connection: x-forwarded-for'),
    [head('200 none 0 keep content-length=0|connection=x-forwarded-for'), 'complete'],
  ],
  [
    'an underscore',
    answer(200, 'Content-Length: 0', 'a_b: c'),
    [head('200 none 0 keep content-length=0|a_b=c'), 'complete'],
  ],

  [
    '2b.40 length and coding',
    answer(200, 'Content-Length: 1', 'Transfer-Encoding: chunked'),
    ['error 502 http1.content_length_and_chunked_not_allowed'],
  ],
  ['2b.40 two equal lengths', answer(200, 'Content-Length: 1', 'Content-Length: 1'), CODEC_ERROR],
  ['2b.40 a bad length', answer(200, 'Content-Length: +1'), CODEC_ERROR],
  ['2b.40 a bad length to HEAD', answer(200, 'Content-Length: x'), CODEC_ERROR, { method: 'HEAD' }],
  [
    '2b.40 another coding',
    answer(200, 'Transfer-Encoding: gzip, chunked'),
    ['error 502 http1.invalid_transfer_encoding'],
  ],
  [
    'chunks in HTTP/1.0',
    'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n',
    ['HTTP/1.0 200 chunked -1 close', 'body a', 'complete'],
  ],
  ['2b.40 NUL', answer(200, 'A: \x00'), ['error 502 http1.invalid_characters']],
  ...['A b: c', 'A : b', 'A', ': b', ' A: b'].map(
    (line): Case => [`2b.40 field ${JSON.stringify(line)}`, answer(200, line), CODEC_ERROR],
  ),
  ...[
    'HELO\r\n\r\n',
    'HTTP/2.0 200 OK\r\n\r\n',
    'http/1.1 200 OK\r\n\r\n',
    '\r\nHTTP/1.1 200 OK\r\n\r\n',
    '\x15\x03\x01\x00\x02',
    'HTTP/1.1200 OK\r\n\r\n',
    'HTTP/1.x 200 OK\r\n\r\n',
    'HTTP/1.1\r\n\r\n',
    'HTTP/1.1 200 \x00\r\n\r\n',
    'HTTP/1.1 200\rOK\r\n\r\n',
  ].map((input): Case => [`2b.40 ${JSON.stringify(input)}`, input, CODEC_ERROR]),
  ...['99', '099', '20', '2000', '1000', '2x0', '-20', ''].map(
    (status): Case => [`2b.46 status ${status}`, answer(status), CODEC_ERROR],
  ),
  ...[200, 418, 600, 999].map(
    (status): Case => [
      `2b.46 status ${status}`,
      answer(status, 'Content-Length: 0'),
      [head(`${status} none 0 keep content-length=0`), 'complete'],
    ],
  ),
  ['2b.40 101 fields', answer(200, ...Array(101).fill('A:')), ['error 502 http1.too_many_headers']],
  ['2b.41 a forged second answer', EMPTY + EMPTY, [...EMPTY_LINES, 'surplus']],
  ['2b.41 a byte behind chunks', `${CHUNKED}0\r\n\r\nX`, [CHUNKED_HEAD, 'complete', 'surplus']],
  [
    '2b.43 HEAD',
    answer(200, 'Content-Length: 5'),
    [head('200 none 5 keep content-length=5'), 'complete'],
    { method: 'HEAD' },
  ],
  ['2b.43 HEAD with chunks', CHUNKED, [head('200 none -1 keep'), 'complete'], { method: 'HEAD' }],
  [
    '2b.43 HEAD with a body',
    `${answer(200, 'Content-Length: 5')}hello`,
    [head('200 none 5 keep content-length=5'), 'complete', 'surplus'],
    { method: 'HEAD' },
  ],
  [
    '2b.43 304 with a body',
    `${answer(304, 'Content-Length: 5')}hello`,
    [head('304 none 5 keep content-length=5'), 'complete', 'surplus'],
  ],
  ['2b.43 204', answer(204), [head('204 none -1 keep'), 'complete']],
  ['2b.43 204 with a length of none', answer(204, 'Content-Length: 0'), [head('204 none 0 keep'), 'complete']],
  ['2b.43 204 with a length', answer(204, 'Content-Length: 5'), ['error 502 http1.content_length_not_allowed']],
  [
    '2b.43 204 with chunks',
    answer(204, 'Transfer-Encoding: chunked'),
    ['error 502 http1.transfer_encoding_not_allowed'],
  ],
  [
    '2b.44 informational',
    answer(100) + answer(103, 'Link: x') + EMPTY,
    ['informational 100', 'informational 103 link=x', ...EMPTY_LINES],
  ],
  ['2b.44 100 of them', answer(102).repeat(100) + EMPTY, [...Array(100).fill('informational 102'), ...EMPTY_LINES]],
  ['2b.44 101 of them', answer(102).repeat(101) + EMPTY, [...Array(100).fill('informational 102'), ...CODEC_ERROR]],
  ['2b.44 with a body', answer(100, 'Content-Length: 5'), ['error 502 http1.content_length_not_allowed']],
  ['2b.45 101 nobody asked for', answer(101), CODEC_ERROR],
  [
    '2b.45 101',
    `${answer(101, 'Upgrade: x')}HTTP/1.1 hi`,
    [head('101 close -1 close upgrade=x'), 'body HTTP/1.1 hi'],
    { upgrade: true },
  ],
  [
    'CONNECT accepted',
    `${answer(200, 'Content-Length: 1')}hello`,
    [head('200 close 1 close'), 'body hello'],
    { method: 'CONNECT' },
  ],
  [
    'CONNECT refused',
    `${answer(403, 'Content-Length: 2')}no`,
    [head('403 length 2 keep content-length=2'), 'body no', 'complete'],
    { method: 'CONNECT' },
  ],
  [
    '2b.48 cut length',
    `${answer(200, 'Content-Length: 5')}hel`,
    [head('200 length 5 keep content-length=5'), 'body hel', ...CODEC_ERROR],
    { fin: true },
  ],
  ['2b.48 cut chunk', `${CHUNKED}5\r\nhel`, [CHUNKED_HEAD, 'body hel', ...CODEC_ERROR], { fin: true }],
  [
    '2b.48 cut before the last chunk',
    `${CHUNKED}3\r\nhel\r\n`,
    [CHUNKED_HEAD, 'body hel', ...CODEC_ERROR],
    { fin: true },
  ],
  ['2b.48 cut trailers', `${CHUNKED}0\r\n`, [CHUNKED_HEAD, ...CODEC_ERROR], { fin: true }],
  ['2b.49 cut head', 'HTTP/1.1 200 OK\r\n', CODEC_ERROR, { fin: true }],
  ['2b.49 gone behind an informational head', answer(100), ['informational 100'], { fin: true }],
  ['2b.51 until close', `${answer(200)}hello`, [head('200 close -1 close'), 'body hello', 'complete'], { fin: true }],
  ['2b.51 nothing until close', answer(200), [head('200 close -1 close'), 'complete'], { fin: true }],
  ['2b.51 kept open', `${answer(200)}hello`, [head('200 close -1 close'), 'body hello']],
  [
    '2b.52 a head of 70,000 bytes',
    answer(200, `A: ${'a'.repeat(70_000)}`, 'Content-Length: 0'),
    [head(`200 none 0 keep a=${'a'.repeat(70_000)}|content-length=0`), 'complete'],
  ],
  ['2b.52 a head of 90,000 bytes', answer(200, `A: ${'a'.repeat(90_000)}`), ['error 502 http1.headers_too_large']],
  ['2b.53 folded line', answer(200, 'A: b', ' c'), CODEC_ERROR],
  ['2b.53 bare CR', answer(200, 'A: b\rc'), CODEC_ERROR],
  ['2b.53 LF ends lines', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n', EMPTY_LINES],
  ['2b.53 LF inside chunk framing', `${CHUNKED}1\na\r\n`, [CHUNKED_HEAD, ...CODEC_ERROR]],
];

for (const [name, input, lines, how] of CASES) {
  test(name, () => {
    assert.deepEqual(recordResponse(input, [], how).lines, lines, 'whole');
    for (const cuts of allCuts(input.length)) {
      const split = recordResponse(input, cuts, how).lines;
      if (split.join('\n') !== lines.join('\n')) assert.deepEqual(split, lines, `cut at ${cuts.slice(0, 3)}`);
    }
  });
}

test('2b.42 bytes nobody waits for are surplus and not decoded', () => {
  const recorder = new EventRecorder();
  const decoder = new Http1ResponseDecoder(recorder, RESPONSE_OPTIONS);
  const bytes = toBytes(EMPTY);
  assert.equal(decoder.decode(bytes, 0, bytes.length), 0);
  assert.deepEqual([decoder.surplus, decoder.idle, recorder.lines], [true, true, []]);
});

test('2b.41 surplus is known when the answer completes, and a new request does not adopt the bytes', () => {
  const recorder = new EventRecorder();
  const decoder = new Http1ResponseDecoder(recorder, RESPONSE_OPTIONS);
  const seen: boolean[] = [];
  recorder.onMessageComplete = (): void => {
    seen.push(decoder.surplus);
    decoder.expect('GET');
  };
  decoder.expect('GET');
  const bytes = toBytes(EMPTY + EMPTY);
  assert.equal(decoder.decode(bytes, 0, bytes.length), EMPTY.length);
  assert.equal(decoder.decode(bytes, EMPTY.length, bytes.length), 0);
  assert.deepEqual([seen, recorder.responses.length], [[true], 1]);
});

test('answers one after the other on a connection', () => {
  const recorder = new EventRecorder();
  const decoder = new Http1ResponseDecoder(recorder, RESPONSE_OPTIONS);
  for (const method of ['GET', 'HEAD', 'GET']) {
    decoder.expect(method);
    const bytes = toBytes(answer(200, 'Content-Length: 1') + (method === 'HEAD' ? '' : 'x'));
    assert.equal(decoder.decode(bytes, 0, bytes.length), bytes.length);
  }
  assert.deepEqual([decoder.surplus, recorder.responses.map((r) => r.body)], [false, ['x', '', 'x']]);
});

test('the reason phrase is kept on request, however the bytes are cut', () => {
  const reasons: Record<string, string> = {
    'HTTP/1.1 200 Fine & Dandy': 'Fine & Dandy',
    'HTTP/1.1 404 ': '',
    'HTTP/1.1 503': '',
    'HTTP/1.0 299 Odd': 'Odd',
  };
  for (const [line, reason] of Object.entries(reasons)) {
    const text = `${line}\r\nContent-Length: 0\r\n\r\n`;
    for (const cuts of [[], ...Array.from({ length: text.length - 1 }, (_, i) => [i + 1])]) {
      const { responses } = recordResponse(text, cuts, {
        options: { preserveCase: 'lower_case', forwardReason: true },
      });
      assert.equal(responses[0].head.headers.spelling?.reason, reason, line);
    }
  }
});
