/** Request decoding: each case gives the same events whole, byte by byte and in every two pieces. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allCuts, recordRequests } from '../../test/support/http1_events.ts';
import type { RequestDecoderOptions } from './codec.ts';

type Case = readonly [
  name: string,
  input: string,
  lines: readonly string[],
  options?: Partial<RequestDecoderOptions>,
  fin?: boolean,
];

const CODEC_ERROR = ['error 400 http1.codec_error'];
const INVALID_CHARACTERS = ['error 400 http1.invalid_characters'];
const INVALID_CODING = ['error 501 http1.invalid_transfer_encoding'];
const INVALID_URL = ['error 400 http1.invalid_url'];
const INVALID_HOST = ['error 400 http.invalid_authority'];
const LOW_VERSION = ['error 426 low_version'];
const BOTH = ['error 400 http1.content_length_and_chunked_not_allowed'];
const REJECTED = ['error 400 http1.connection_header_rejected'];
const HTTP_10 = { acceptHttp10: true, defaultHostForHttp10: 'default.test' };
const TRAILERS = { enableTrailers: true };

function get(...fields: string[]): string {
  return ['GET / HTTP/1.1', 'Host: h', ...fields, '', ''].join('\r\n');
}
function target(text: string, method = 'GET'): string {
  return `${method} ${text} HTTP/1.1\r\nHost: h\r\n\r\n`;
}
function host(text: string): string {
  return `GET / HTTP/1.1\r\nHost:${text}\r\n\r\n`;
}
function chunked(body: string): string {
  return `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${body}`;
}
function ok(fields = '', keep = 'keep'): string[] {
  return [`GET / h HTTP/1.1 none -1 ${keep} ${fields}`.trimEnd(), 'complete'];
}
const CHUNKED_HEAD = 'POST / h HTTP/1.1 chunked -1 keep';
const BAD_CHUNK = [CHUNKED_HEAD, ...CODEC_ERROR];

const CASES: readonly Case[] = [
  ['a plain request', get('User-Agent:  curl/8 \t', 'X-Empty:', 'x-UP: Ab'), ok('user-agent=curl/8|x-empty=|x-up=Ab')],
  ['high bytes and tabs in a value', get('X: \xe9\t\x80'), ok('x=\xe9\t\x80')],
  ['a repeated field keeps its order', get('A: 1', 'B: 2', 'A: 3'), ok('a=1|b=2|a=3')],
  [
    'a body with a length',
    get('Content-Length: 5') + 'hello',
    ['GET / h HTTP/1.1 length 5 keep content-length=5', 'body hello', 'complete'],
  ],
  ['a length of none', get('Content-Length: 0'), ['GET / h HTTP/1.1 none 0 keep content-length=0', 'complete']],
  ['expect stays', get('Expect: 100-continue'), ok('expect=100-continue')],
  ['connection: close', get('Connection: close'), ok('connection=close', 'close')],
  [
    'connection: close among others',
    get('Connection: TE, Close', 'TE: trailers'),
    ok('connection=TE, Close|te=trailers', 'close'),
  ],
  ['proxy-connection: close', get('Proxy-Connection: close'), ok('proxy-connection=close', 'close')],
  [
    'upgrade is delivered',
    get('Connection: Upgrade', 'Upgrade: websocket'),
    ok('connection=Upgrade|upgrade=websocket'),
  ],

  ['2a.1 length, then coding', get('Content-Length: 5', 'Transfer-Encoding: chunked'), BOTH],
  ['2a.1 coding, then length', get('Transfer-Encoding: chunked', 'Content-Length: 5'), BOTH],
  ['2a.1 a bad length and a bad coding', get('Transfer-Encoding: gzip', 'Content-Length: x'), BOTH],
  ['2a.2 two equal lengths', get('Content-Length: 5', 'Content-Length: 5'), CODEC_ERROR],
  ['2a.2 two lengths', get('Content-Length: 5', 'Content-Length: 6'), CODEC_ERROR],
  ...['5, 5', '+5', '-5', '0x5', '5.0', '5 5', '', '5,', '\xb2', '18446744073709551616', '9007199254740992'].map(
    (value): Case => [`2a.2 length ${JSON.stringify(value)}`, get(`Content-Length: ${value}`), CODEC_ERROR],
  ),
  [
    '2a.2 length 0005',
    get('Content-Length: 0005') + 'hello',
    ['GET / h HTTP/1.1 length 5 keep content-length=0005', 'body hello', 'complete'],
  ],
  ...[
    'identity',
    'gzip',
    'gzip, chunked',
    'chunked, chunked',
    '"chunked"',
    'chunked;q=1',
    'chunked,',
    ',chunked',
    '',
    'xchunked',
    'chunke',
  ].map((value): Case => [`2a.3 coding ${value}`, get(`Transfer-Encoding: ${value}`), INVALID_CODING]),
  ['2a.3 two codings', get('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'), INVALID_CODING],
  [
    '2a.3 coding in any case with blanks',
    get('Transfer-Encoding: \t cHunKed ') + '0\r\n\r\n',
    ['GET / h HTTP/1.1 chunked -1 keep', 'complete'],
  ],
  ...['\x00', '\x01', '\x0b', '\x0c', '\x1f', '\x7f'].map(
    (char): Case => [`2a.4 ${JSON.stringify(char)} in a value`, get(`A: b${char}c`), INVALID_CHARACTERS],
  ),
  ['2a.4 CR behind chunked', get('Transfer-Encoding: chunked\r'), CODEC_ERROR],
  ['2a.5 coding on HTTP/1.0', 'GET / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n', LOW_VERSION],
  [
    '2a.5 coding on HTTP/1.0, accepted',
    'GET / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n',
    CODEC_ERROR,
    HTTP_10,
  ],
  ...['A : b', 'A\t: b', ': b', 'A', 'A b: c', '"A": b', 'A(): b', ':path: /', 'A\xe9: b', '\x01: b'].map(
    (line): Case => [`2a.6 field ${JSON.stringify(line)}`, get(line), CODEC_ERROR],
  ),
  ['2a.6 space before the first field', 'GET / HTTP/1.1\r\n Host: h\r\n\r\n', CODEC_ERROR],
  ['2a.7 folded line', get('A: b', ' c'), CODEC_ERROR],
  ['2a.7 folded length', get('Content-Length: 1', '\t0'), CODEC_ERROR],
  ['2a.8 bare LF ends a line', 'GET / HTTP/1.1\nHost: h\nX-A: a\nX-B: b\n\n', ok('x-a=a|x-b=b')],
  ['2a.9 bare CR in a value', get('X-A: a\rX-B: b'), CODEC_ERROR],
  ['2a.9 CR at the start of a line', get('\rX-B: b'), CODEC_ERROR],
  ['2a.10 NUL in a name', get('A\x00: b'), INVALID_CHARACTERS],
  ['2a.10 NUL in the target', target('/\x00'), INVALID_CHARACTERS],
  ['2a.11 no Host', 'GET / HTTP/1.1\r\n\r\n', ['GET /  HTTP/1.1 none -1 keep', 'complete']],
  ['2a.11 empty Host', host(''), ['GET /  HTTP/1.1 none -1 keep', 'complete']],
  ['2a.11 two Hosts', get('Host: h'), CODEC_ERROR],
  ...['a,b', 'a b', 'a/b', 'a?b', 'a#b', 'a<b', 'a\\b', 'a"b', 'a\x80'].map(
    (text): Case => [`2a.11 Host ${JSON.stringify(text)}`, host(text), INVALID_HOST],
  ),
  ...['u@h', 'h:99999', '[::1', '[::1]:80', 'a_b', 'h%20'].map(
    (text): Case => [`2a.11 Host ${text}`, host(` ${text} `), [`GET / ${text} HTTP/1.1 none -1 keep`, 'complete']],
  ),
  ...(
    [
      ['http://a', '/ http:a'],
      ['HTTP://A/b?c', '/b?c http:A'],
      ['https://a:65535/', '/ https:a:65535'],
      ['http://u:p@a:80/x?y#z', '/x?y#z http:a:80'],
      ['http://[::1]:80/', '/ http:[::1]:80'],
      ['http://a?q', '?q http:a'],
    ] as const
  ).map(([text, seen]): Case => [`2a.12 ${text}`, target(text), [`GET ${seen} HTTP/1.1 none -1 keep`, 'complete']]),
  [
    '2a.12 absolute form without Host',
    'GET http://a/ HTTP/1.1\r\n\r\n',
    ['GET / http:a HTTP/1.1 none -1 keep', 'complete'],
  ],
  [
    '2a.12 absolute form, not allowed',
    target('http://a/b'),
    ['GET http://a/b h HTTP/1.1 none -1 keep', 'complete'],
    { allowAbsoluteUrl: false },
  ],
  ['2a.12 another scheme', target('ftp://a/'), ['error 400 http1.invalid_scheme']],
  [
    '2a.12 an asterisk, absolute form not allowed',
    target('*'),
    ['GET * h HTTP/1.1 none -1 keep', 'complete'],
    { allowAbsoluteUrl: false },
  ],
  ...['HTTP/0.9', 'HTTP/1.2', 'HTTP/2.0'].map(
    (version): Case => [
      `2a.14 ${version} where HTTP/1.0 is taken`,
      `GET / ${version}\r\nHost: h\r\n\r\n`,
      ['GET / h HTTP/1.0 none -1 close', 'complete'],
      HTTP_10,
    ],
  ),
  ...[
    'http://',
    'http://a:65536/',
    'http://a:/',
    'http://a:x/',
    'http://[::1/',
    'http:///x',
    'http://a,b/',
    'http://a%41/',
    'http://u@v@a/',
    '*',
    '*a',
  ].map((text): Case => [`2a.12 ${text}`, target(text), INVALID_URL]),
  ...['foo', 'http:/a', '1http://a/', '?a'].map((text): Case => [`2a.12 ${text}`, target(text), CODEC_ERROR]),
  ['2a.13 OPTIONS *', target('*', 'OPTIONS'), ['OPTIONS * h HTTP/1.1 none -1 keep', 'complete']],
  ...['get', 'FOO', 'GETT', 'GE', 'G\x01T', 'M-SEARCH', 'PRI', ''].map(
    (method): Case => [`2a.13 method ${JSON.stringify(method)}`, target('/', method), CODEC_ERROR],
  ),
  ...['TRACE', 'PROPFIND', 'QUERY', 'MSEARCH', 'UNSUBSCRIBE'].map(
    (method): Case => [
      `2a.13 method ${method}`,
      target('/', method),
      [`${method} / h HTTP/1.1 none -1 keep`, 'complete'],
    ],
  ),
  ...['foo', 'M-SEARCH', 'GETT', 'x!'].map(
    (method): Case => [
      `2a.13 custom method ${method}`,
      target('/', method),
      [`${method} / h HTTP/1.1 none -1 keep`, 'complete'],
      { allowCustomMethods: true },
    ],
  ),
  ...['F@O', '', 'a\x01', '\x16\x03\x01'].map(
    (method): Case => [
      `2a.13 no custom method ${JSON.stringify(method)}`,
      target('/', method),
      CODEC_ERROR,
      { allowCustomMethods: true },
    ],
  ),
  ...['http://h.test#a', 'http://h>x/', 'http://h"/'].map(
    (text): Case => [`2a.12 ${text} is refused at once`, `GET ${text} HTTP/1.1\r\nHost: h\r\n`, CODEC_ERROR],
  ),
  ['2a.13 control character in the target', target('/\x01'), INVALID_CHARACTERS],
  ...['/\x80', '/a b', ' /', '/\t', '/\x7f', '/a\r'].map(
    (text): Case => [`2a.13 target ${JSON.stringify(text)}`, target(text), CODEC_ERROR],
  ),
  ['2a.13 space behind the version', 'GET / HTTP/1.1 \r\nHost: h\r\n\r\n', CODEC_ERROR],
  ['2a.13 a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', CODEC_ERROR],
  ['2a.13 a line that is no request', 'NOT-HTTP\r\n\r\n', CODEC_ERROR],
  ...['0.9', '1.0', '1.2', '2.0'].map(
    (v): Case => [`2a.14 HTTP/${v}`, `GET / HTTP/${v}\r\nHost: h\r\n\r\n`, LOW_VERSION],
  ),
  ['2a.14 no version', 'GET /\r\nHost: h\r\n\r\n', LOW_VERSION],
  // Without a version the line is the whole head: nothing behind it is waited for, or seen.
  ['2a.14 no version, at once', 'GET /\r\n', LOW_VERSION],
  ['2a.14 no version, absolute form', 'GET http://a/bTTP/1.1\r\nHost: o\r\n\r', LOW_VERSION],
  ['2a.14 no version before a bad field', 'POST /\r\n chunked\r\nTransfer-Encoding: x\r\n\r\n', LOW_VERSION],
  [
    '2a.14 a version that the path swallowed',
    'GET /aHTTP/1.1\r\n',
    ['GET /aHTTP/1.1  HTTP/1.1 none -1 keep', 'complete'],
  ],
  ['2a.14 a version that the URL swallowed', 'GET http://h/aHTTP/1.1\r\nHost: h\r\n\r\n', LOW_VERSION],
  ['2a.14 a version that an authority swallowed', 'CONNECT h:80HTTP/1.1\r\n', INVALID_URL],
  ...['OPTIONS .1', 'GET =http://h/a HTTP/1.1', 'GET ht:tp://h/a HTTP/1.1', 'POST TTP/1.1', 'GET P/1.1'].map(
    (line): Case => [`2a.13 ${line} is refused at once`, `${line}\r\nTransfer-Encoding: gzip\r\n`, CODEC_ERROR],
  ),
  ...['HTTP/1.10', 'HTTP/11', 'http/1.1', 'HTTP/1.', 'HTTP/a.b', 'XTTP/1.1', 'HTTP/1.1x', 'H'].map(
    (v): Case => [`2a.14 ${v}`, `GET / ${v}\r\nHost: h\r\n\r\n`, CODEC_ERROR],
  ),
  ['2a.14 a bad field comes before the version', 'GET / HTTP/1.0\r\nbad header\r\n\r\n', CODEC_ERROR],
  [
    '2a.14 HTTP/1.0 accepted',
    'GET / HTTP/1.0\r\nHost: h\r\n\r\n',
    ['GET / h HTTP/1.0 none -1 close', 'complete'],
    HTTP_10,
  ],
  [
    '2a.14 HTTP/1.0 without Host',
    'GET / HTTP/1.0\r\n\r\n',
    ['GET / default.test HTTP/1.0 none -1 close', 'complete'],
    HTTP_10,
  ],
  [
    '2a.14 HTTP/1.0 keep-alive',
    'GET / HTTP/1.0\r\nHost: h\r\nConnection: Keep-Alive\r\n\r\n',
    ['GET / h HTTP/1.0 none -1 keep connection=Keep-Alive', 'complete'],
    HTTP_10,
  ],
  [
    '2a.16 escapes in the target',
    target('/%00%2f%0d%0a//..|^'),
    ['GET /%00%2f%0d%0a//..|^ h HTTP/1.1 none -1 keep', 'complete'],
  ],
  ['2a.17 CONNECT', target('a:80', 'CONNECT'), ['CONNECT  a:80 HTTP/1.1 none -1 keep', 'complete']],
  [
    '2a.17 CONNECT with a length of none',
    'CONNECT a:80 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n',
    ['CONNECT  a:80 HTTP/1.1 none 0 keep', 'complete'],
  ],
  ...['a', '/', 'a:', ':80', 'u@a:80', 'a:80/', 'http://a:80/', '[::1]', 'a:65536'].map(
    (text): Case => [`2a.17 CONNECT ${text}`, target(text, 'CONNECT'), INVALID_URL],
  ),
  [
    '2a.17 CONNECT with a length',
    'CONNECT a:80 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n',
    ['error 400 http1.body_disallowed'],
  ],
  [
    '2a.17 CONNECT with a coding',
    'CONNECT a:80 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n',
    INVALID_CODING,
  ],
  [
    '2a.18 target over the limit',
    target(`/${'a'.repeat(300)}`),
    ['error 431 http1.headers_too_large'],
    { maxHeadBytes: 256 },
  ],
  [
    '2a.18 value over the limit',
    get(`A: ${'a'.repeat(300)}`),
    ['error 431 http1.headers_too_large'],
    { maxHeadBytes: 256 },
  ],
  [
    '2a.18 many fields over the limit',
    get(...Array(30).fill('A: aaaaaa')),
    ['error 431 http1.headers_too_large'],
    { maxHeadBytes: 256 },
  ],
  [
    '2a.18 without an end',
    `GET / HTTP/1.1\r\nA: ${'a'.repeat(300)}`,
    ['error 431 http1.headers_too_large'],
    { maxHeadBytes: 256 },
  ],
  [
    '2a.18 exactly the limit',
    get(`A: ${'a'.repeat(256 - 32)}`),
    ok(`a=${'a'.repeat(256 - 32)}`),
    { maxHeadBytes: 256 },
  ],
  [
    '2a.18 one byte over the limit',
    get(`A: ${'a'.repeat(257 - 32)}`),
    ['error 431 http1.headers_too_large'],
    { maxHeadBytes: 256 },
  ],
  ['2a.18 60 KiB', get(`A: ${'a'.repeat(61 * 1024)}`), ['error 431 http1.headers_too_large']],
  ['2a.19 100 fields', get(...Array(99).fill('A:')), ok(Array(99).fill('a=').join('|'))],
  ['2a.19 101 fields', get(...Array(100).fill('A:')), ['error 431 http1.too_many_headers']],
  [
    '2a.20 chunks',
    chunked('3\r\nabc\r\nA\r\n0123456789\r\n00\r\n\r\n'),
    [CHUNKED_HEAD, 'body abc0123456789', 'complete'],
  ],
  ...[
    'x\r\n',
    '+1\r\n',
    '-1\r\n',
    '0x1\r\n',
    '\r\n',
    ' 1\r\n',
    '1\n',
    '1\rX',
    '1 1\r\n',
    '10000000000000000\r\n',
    '20000000000000\r\n',
    'FFFFFFFFFFFFFFFF\r\n',
    '1;a\nb\r\n',
    '1;a\rb\r\n',
    '1;\x00\r\n',
  ].map((size): Case => [`2a.20 chunk line ${JSON.stringify(size)}`, chunked(`${size}a\r\n0\r\n\r\n`), BAD_CHUNK]),
  ['2a.20 a blank behind the size', chunked('1 \t\r\na\r\n0 ;x\r\n\r\n'), [CHUNKED_HEAD, 'body a', 'complete']],
  ['2a.21 extensions', chunked('1;a="b c"\r\nx\r\n0;z\r\n\r\n'), [CHUNKED_HEAD, 'body x', 'complete']],
  ['2a.21 extension over 4 KiB', chunked(`1;${'a'.repeat(4096)}\r\nx\r\n`), BAD_CHUNK],
  [
    '2a.21 extensions over 16 KiB',
    chunked(`1;${'a'.repeat(4000)}\r\nx\r\n`.repeat(5)),
    [CHUNKED_HEAD, 'body xxxx', ...CODEC_ERROR],
  ],
  [
    '2a.22 data longer than its size',
    chunked('5\r\nhelloXX\r\n0\r\n\r\n'),
    [CHUNKED_HEAD, 'body hello', ...CODEC_ERROR],
  ],
  ['2a.22 LF behind the data', chunked('1\r\na\n0\r\n\r\n'), [CHUNKED_HEAD, 'body a', ...CODEC_ERROR]],
  ['2a.23 trailers dropped', chunked('0\r\nA: b\r\nC: d\r\n\r\n'), [CHUNKED_HEAD, 'complete']],
  ['2a.23 trailers', chunked('0\r\nA: b\r\nC: d\r\n\r\n'), [CHUNKED_HEAD, 'trailers a=b|c=d', 'complete'], TRAILERS],
  [
    '2a.23 framing among the trailers',
    chunked('0\r\nContent-Length: 5\r\nTransfer-Encoding: gzip\r\nHost: z\r\nConnection: x\r\nA: b\r\n\r\n'),
    [CHUNKED_HEAD, 'trailers a=b', 'complete'],
    TRAILERS,
  ],
  [
    '2a.23 only framing among the trailers',
    chunked('0\r\nContent-Length: 5\r\n\r\n'),
    [CHUNKED_HEAD, 'complete'],
    TRAILERS,
  ],
  ['2a.23 a bad trailer name', chunked('0\r\nA b: c\r\n\r\n'), BAD_CHUNK],
  ['2a.23 a folded trailer', chunked('0\r\nA: c\r\n d\r\n\r\n'), BAD_CHUNK],
  ['2a.23 NUL in a trailer', chunked('0\r\nA: \x00\r\n\r\n'), [CHUNKED_HEAD, ...INVALID_CHARACTERS]],
  ['2a.23 LF among the trailers', chunked('0\r\nA: b\n\r\n'), BAD_CHUNK],
  ['2a.23 LF ends the trailers', chunked('0\r\n\n'), BAD_CHUNK],
  [
    '2a.23 trailers over the limit',
    chunked(`0\r\nA: ${'a'.repeat(300)}\r\n\r\n`),
    [CHUNKED_HEAD, 'error 431 http1.headers_too_large'],
    { maxHeadBytes: 256 },
  ],
  ['2a.23 200 trailers dropped', chunked(`0\r\n${'A:\r\n'.repeat(200)}\r\n`), [CHUNKED_HEAD, 'complete']],
  [
    '2a.23 101 trailers',
    chunked(`0\r\n${'A:\r\n'.repeat(101)}\r\n`),
    [CHUNKED_HEAD, 'error 431 http1.too_many_headers'],
    TRAILERS,
  ],
  [
    '2a.24 FIN inside a body',
    get('Content-Length: 5') + 'he',
    ['GET / h HTTP/1.1 length 5 keep content-length=5', 'body he', ...CODEC_ERROR],
    {},
    true,
  ],
  ['2a.24 FIN inside a chunk', chunked('5\r\nhe'), [CHUNKED_HEAD, 'body he', ...CODEC_ERROR], {}, true],
  ['2a.24 FIN inside a head', 'GET / HT', CODEC_ERROR, {}, true],
  ['2a.24 FIN between requests', `${get()}\r\n`, ok(), {}, true],
  [
    '2a.26 pipelined',
    get() + get('Content-Length: 1') + 'x\r\n\r\n' + chunked('1\r\ny\r\n0\r\n\r\n') + get(),
    [
      ...ok(),
      'GET / h HTTP/1.1 length 1 keep content-length=1',
      'body x',
      'complete',
      CHUNKED_HEAD,
      'body y',
      'complete',
      ...ok(),
    ],
  ],
  [
    '2a.26 junk behind a body',
    get('Content-Length: 1') + 'xjunk',
    ['GET / h HTTP/1.1 length 1 keep content-length=1', 'body x', 'complete', ...CODEC_ERROR],
  ],
  ['2a.26 CR and LF before a request', `\r\n\n\r${get()}`, ok()],
  ['2a.27 a request behind close', get('Connection: close') + get(), ok('connection=close', 'close')],
  ...['X-Forwarded-For', 'close, x-forwarded-proto', 'x-forwarded-host,', ':path'].map(
    (value): Case => [`2a.28 Connection: ${value}`, get(`Connection: ${value}`), REJECTED],
  ),
  ['2a.28 Connection names a long TE', get('Connection: te', `TE: ${'a'.repeat(256)}`), REJECTED],
  [
    '2a.28 Connection names Host',
    get('Connection: host'),
    ['GET /  HTTP/1.1 none -1 keep connection=host', 'complete'],
  ],
  [
    '2a.28 Connection names others',
    get('Connection: x-a, x-forwarded-port', 'X-A: 1'),
    ok('connection=x-a, x-forwarded-port|x-a=1'),
  ],
  ['2a.34 underscore allowed', get('a_b: c'), ok('a_b=c')],
  [
    '2a.34 underscore rejected',
    get('a_b: c'),
    ['error 400 http1.unexpected_underscore'],
    { headersWithUnderscores: 'REJECT_REQUEST' },
  ],
  ['2a.34 underscore dropped', get('a_b: c', 'd: e'), ok('d=e'), { headersWithUnderscores: 'DROP_HEADER' }],
];

for (const [name, input, lines, options, fin] of CASES) {
  test(name, () => {
    assert.deepEqual(recordRequests(input, [], options, fin).lines, lines, 'whole');
    for (const cuts of allCuts(input.length)) {
      const split = recordRequests(input, cuts, options, fin).lines;
      if (split.join('\n') !== lines.join('\n')) assert.deepEqual(split, lines, `cut at ${cuts.slice(0, 3)}`);
    }
  });
}
