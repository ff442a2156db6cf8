/**
 * Requests a proxy must not let through, as raw bytes: what it answers, what it logs, and that nothing of them reaches the
 * upstream. Where Envoy is lenient (`lenient`), it forwards or repairs; nuncio refuses, as RFC 9112 lets a server do.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { bootstrap, cluster, fileAccessLog, httpListener, route } from '../support/bootstrap.ts';
import { isEnvoy, type RunningProxy, startProxy } from '../support/proxy.ts';
import { RawClient, request } from '../support/raw_client.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';
import { waitFor } from '../support/wait_for.ts';

let proxy: RunningProxy;
let upstream: Upstream;
let port: number;

before(async () => {
  upstream = await startUpstream();
  proxy = await startProxy((dir) => {
    const log = fileAccessLog(
      path.join(dir, 'access.log'),
      '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n',
    );
    const routes = [route('/', 'a')];
    return bootstrap([httpListener('main', routes, { access_log: [log] })], [cluster('a', [upstream.port])]);
  });
  port = proxy.port('main');
});
after(async () => {
  await proxy?.stop();
  await upstream?.close();
});

const codecError = '400 DPE http1.codec_error';
const invalidCharacters = '400 DPE http1.invalid_characters';
const transferEncoding = '501 DPE http1.invalid_transfer_encoding';

interface Refusal {
  /** Row of the threat list and what it is about. */
  name: string;
  bytes: string;
  /** The access log line, which starts with the status; `undefined` means the status 400 with whatever details. */
  log?: string;
  body?: string;
  /** The real Envoy does not refuse this. */
  lenient?: boolean;
}

const get = (fields: string): string => `GET / HTTP/1.1\r\nHost: test\r\n${fields}\r\n\r\n`;
const post = (fields: string, body = ''): string => `POST / HTTP/1.1\r\nHost: test\r\n${fields}\r\n\r\n${body}`;
const line = (text: string): string => `${text}\r\nHost: test\r\n\r\n`;

const bothFramings = '400 DPE http1.content_length_and_chunked_not_allowed';
const badRequest = 'Bad Request';

const refusals: Refusal[] = [
  { name: '1 content-length before transfer-encoding', bytes: post('Content-Length: 5\r\nTransfer-Encoding: chunked', '0\r\n\r\n'), log: bothFramings },
  { name: '1 transfer-encoding before content-length', bytes: post('Transfer-Encoding: chunked\r\nContent-Length: 5', '0\r\n\r\n'), log: bothFramings },
  ...['5\r\nContent-Length: 6', '5\r\nContent-Length: 5', '5, 5', '+5', '-5', '0x5', '5.0', '5 5', '', '18446744073709551616', '5a'].map((value) => ({
    name: `2 content-length "${value.replaceAll('\r\n', ' and ')}"`, bytes: post(`Content-Length: ${value}`, 'hello'), log: codecError,
  })),
  { name: '2 content-length beyond 2^53', bytes: post('Content-Length: 9007199254740993', 'hello'), lenient: true },
  ...['identity', 'gzip', 'gzip, chunked', 'chunked, gzip', 'chunked, chunked', '"chunked"', 'chunked;q=1', 'chunked,', 'xchunked', 'chunked x'].map((value) => ({
    name: `3 transfer-encoding ${value}`, bytes: post(`Transfer-Encoding: ${value}`, '0\r\n\r\n'), log: transferEncoding, body: 'Not Implemented',
  })),
  { name: '3 transfer-encoding on two lines', bytes: post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked', '0\r\n\r\n'), log: transferEncoding, body: 'Not Implemented' },
  ...(['\v', '\f', '\0', '\x01', '\x7f'] as const).map((char) => ({
    name: `4 byte ${char.charCodeAt(0)} in a value`, bytes: get(`X-A: a${char}b`), log: invalidCharacters,
  })),
  { name: '6 space before the colon', bytes: get('X-A : 1'), log: codecError },
  { name: '6 tab before the colon', bytes: get('X-A\t: 1'), log: codecError },
  { name: '6 empty name', bytes: get(': 1'), log: codecError },
  { name: '6 no colon', bytes: get('X-A'), log: codecError },
  { name: '6 a name that is no token', bytes: get('X(A: 1'), log: codecError },
  { name: '6 leading space on the first field', bytes: 'GET / HTTP/1.1\r\n Host: test\r\n\r\n', log: codecError },
  { name: '6 a pseudo header', bytes: get(':method: POST'), log: codecError },
  { name: '6 transfer-encoding with a space before the colon', bytes: post('Transfer-Encoding : chunked', '0\r\n\r\n'), log: codecError },
  { name: '7 obs-fold', bytes: get('X-A: 1\r\n 2'), lenient: true },
  { name: '7 obs-fold in transfer-encoding', bytes: post('Transfer-Encoding:\r\n chunked', '0\r\n\r\n'), lenient: true },
  { name: '9 bare CR in a value', bytes: get('X-A: a\rX-B: b'), lenient: true },
  { name: '10 NUL in a name', bytes: get('X\0A: 1'), log: invalidCharacters },
  { name: '10 NUL in the target', bytes: line('GET /\0 HTTP/1.1'), log: invalidCharacters },
  { name: '11 no host', bytes: 'GET / HTTP/1.1\r\n\r\n', log: '400 - missing_host_header', body: '' },
  { name: '11 two hosts', bytes: get('Host: other'), lenient: true },
  ...['a b', 'a/b', 'a?b', 'a#b', 'a<b', 'a\\b', 'a\x80b'].map((host) => ({
    name: `11 host ${JSON.stringify(host)}`, bytes: `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
  })),
  { name: '12 another scheme', bytes: line('GET ftp://test/ HTTP/1.1') },
  { name: '12 port beyond 65535', bytes: line('GET http://test:65536/ HTTP/1.1'), log: '400 DPE http1.invalid_url' },
  { name: '12 empty authority', bytes: line('GET http:/// HTTP/1.1'), log: '400 DPE http1.invalid_url' },
  { name: '13 unknown method', bytes: line('FOO / HTTP/1.1'), log: codecError },
  { name: '13 lower-case method', bytes: line('get / HTTP/1.1'), log: codecError },
  { name: '13 control byte in the target', bytes: line('GET /\x01 HTTP/1.1'), log: invalidCharacters },
  { name: '13 high byte in the target', bytes: line('GET /\xe9 HTTP/1.1'), log: codecError },
  { name: '13 space in the target', bytes: line('GET /a b HTTP/1.1'), log: codecError },
  { name: '13 no target', bytes: line('GET HTTP/1.1'), log: codecError },
  ...['HTTP/0.9', 'HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0'].map((version) => ({
    name: `14 version ${version}`, bytes: line(`GET / ${version}`), log: '426 DPE low_version', body: 'Upgrade Required',
  })),
  ...['HTTP/1.', 'HTTP/1', 'HTTP/11', 'http/1.1', 'HTTPS/1.1', 'HTTP/1.1x', 'HTTP/1,1'].map((version) => ({
    name: `14 version ${version}`, bytes: line(`GET / ${version}`), log: codecError,
  })),
  { name: '15 a fragment', bytes: line('GET /a#b HTTP/1.1'), log: '400 - path_normalization_failed', body: '' },
  { name: '17 CONNECT without a route', bytes: 'CONNECT test:443 HTTP/1.1\r\nHost: test:443\r\n\r\n', log: '404 NR route_not_found', body: '' },
  { name: '17 CONNECT without a port', bytes: 'CONNECT test HTTP/1.1\r\nHost: test\r\n\r\n', log: '400 DPE http1.invalid_url' },
  { name: '17 CONNECT with content-length', bytes: 'CONNECT test:443 HTTP/1.1\r\nHost: test:443\r\nContent-Length: 5\r\n\r\nhello', log: '400 DPE http1.body_disallowed' },
  { name: '17 CONNECT with transfer-encoding', bytes: 'CONNECT test:443 HTTP/1.1\r\nHost: test:443\r\nTransfer-Encoding: chunked\r\n\r\n', log: '501 DPE http1.invalid_transfer_encoding', body: 'Not Implemented' },
  ...[
    ['a long target', line(`GET /${'a'.repeat(62_000)} HTTP/1.1`)],
    ['a long value', get(`X-A: ${'a'.repeat(62_000)}`)],
    ['many fields of 1 KiB', get(Array.from({ length: 62 }, (_, i) => `X-${i}: ${'a'.repeat(1024)}`).join('\r\n'))],
    ['a head without an end', `GET / HTTP/1.1\r\nX-A: ${'a'.repeat(70_000)}`],
  ].map(([name, bytes]) => ({ name: `18 ${name}`, bytes, log: '431 DPE http1.headers_too_large', body: 'Request Header Fields Too Large' })),
  { name: '19 101 fields', bytes: get(Array.from({ length: 100 }, (_, i) => `X-${i}: 1`).join('\r\n')), log: '431 DPE http1.too_many_headers', body: 'Request Header Fields Too Large' },
  ...['xyz', '-1', '0x5', '', ' 5', '+5', 'fffffffffffffffff'].map((size) => ({
    name: `20 chunk size "${size}"`, bytes: post('Transfer-Encoding: chunked', `${size}\r\nhello\r\n0\r\n\r\n`), log: codecError,
  })),
  { name: '21 bare CR in a chunk extension', bytes: post('Transfer-Encoding: chunked', '5;a\rb\r\nhello\r\n0\r\n\r\n'), log: codecError },
  { name: '21 bare LF in a chunk extension', bytes: post('Transfer-Encoding: chunked', '5;a\nb\r\nhello\r\n0\r\n\r\n'), log: codecError },
  { name: '21 a chunk extension of 200,000 bytes', bytes: post('Transfer-Encoding: chunked', `5;${'a'.repeat(200_000)}\r\nhello\r\n0\r\n\r\n`), lenient: true },
  { name: '22 chunk data longer than its size', bytes: post('Transfer-Encoding: chunked', '5\r\nhelloXX\r\n0\r\n\r\n'), lenient: true },
  { name: '23 a bad trailer name', bytes: post('Transfer-Encoding: chunked', '0\r\nX A: 1\r\n\r\n'), log: codecError },
  { name: '23 NUL in a trailer', bytes: post('Transfer-Encoding: chunked', '0\r\nX-A: a\0b\r\n\r\n') },
  { name: '23 trailers of 70,000 bytes', bytes: post('Transfer-Encoding: chunked', `0\r\nX-A: ${'a'.repeat(70_000)}\r\n\r\n`), log: '431 DPE http1.headers_too_large', body: 'Request Header Fields Too Large' },
  { name: '28 host named by Connection', bytes: get('Connection: host') },
  { name: '28 x-forwarded-for named by Connection', bytes: get('Connection: x-forwarded-for\r\nX-Forwarded-For: 1.1.1.1') },
  { name: '30 an upgrade that is not enabled', bytes: get('Connection: upgrade\r\nUpgrade: websocket'), log: '403 - upgrade_failed', body: '' },
  { name: '30 an upgrade behind one to h2c', bytes: get('Upgrade: h2c\r\nConnection: Upgrade\r\nUpgrade: websocket'), log: '403 - upgrade_failed', body: '' },
  { name: '30 an upgrade to nothing', bytes: get('Connection: Upgrade\r\nUpgrade:'), log: '403 - upgrade_failed', body: '' },
]; // biome-ignore format: a table

for (const { name, bytes, log, body, lenient } of refusals) {
  test(`refuses ${name}`, { skip: lenient && isEnvoy && 'Envoy is lenient here' }, async () => {
    const before = upstream.requests.length;
    const logged = logLines().length;
    const client = await RawClient.connect(port);
    client.send(bytes);
    const response = await client.response(bytes.slice(0, bytes.indexOf(' ')));
    assert.equal(response.status, Number(log?.slice(0, 3) ?? 400));
    assert.equal(response.get('connection'), 'close');
    assert.equal(response.get('server'), 'envoy');
    if (body !== undefined || log === codecError) assert.equal(response.text, body ?? badRequest);
    if (response.text !== '') assert.equal(response.get('content-type'), 'text/plain');
    client.end();
    assert.equal((await client.untilClosed()).length, 0, 'nothing follows the refusal');
    const [entry] = await waitFor('log line', () => logLines().length > logged && logLines().slice(logged));
    if (log !== undefined) assert.equal(entry, log);
    assert.deepEqual(
      upstream.requests.slice(before).filter((r) => r.complete),
      [],
      'nothing whole reaches the upstream',
    );
  });
}

/** Requests that look odd and are none of a proxy's business: they go through, normalised. */
const passed: [name: string, bytes: string, path: string, check?: (seen: ReturnType<typeof lastSeen>) => void][] = [
  ['8 bare LF as line end', 'GET /lf HTTP/1.1\nHost: test\n\n', '/lf'],
  ['13 CRLF before the request line', '\r\n\r\nGET /crlf HTTP/1.1\r\nHost: test\r\n\r\n', '/crlf'],
  ['16 escapes and dots', line('GET /a/%2e%2E/%2f//b/../%00 HTTP/1.1'), '/a/%2e%2E/%2f//b/../%00'],
  ['16 a query with anything', line('GET /?a=b?c=/../ HTTP/1.1'), '/?a=b?c=/../'],
  ['18 a head just below the limit', get(`X-A: ${'a'.repeat(59_000)}`), '/'],
  ['19 99 fields and Host', get(Array.from({ length: 99 }, (_, i) => `X-${i}: 1`).join('\r\n')), '/'],
  ['30 h2c is served as plain HTTP/1.1', get('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAA'), '/',
    (seen) => assert.equal(seen.get('http2-settings') ?? seen.get('upgrade'), undefined)],
  ['30 an Upgrade that Connection does not name', get('Connection: Upgraded, x-upgrade\r\nUpgrade: websocket'), '/',
    (seen) => assert.equal(seen.get('upgrade'), undefined)],
  ['31 an expectation given twice is none of ours', get('Expect: 100-continue\r\nExpect: 100-continue'), '/',
    (seen) => assert.equal(seen.get('expect'), '100-continue,100-continue')],
  ['29 te on two lines', get('TE: gzip\r\nTE: trailers'), '/', (seen) => assert.equal(seen.get('te'), 'trailers')],
  ['32 internal headers of a client', get('X-Envoy-Retry-On: 5xx\r\nX-Envoy-Internal: true\r\nX-Envoy-Upstream-Rq-Timeout-Ms: 1\r\nX-Envoy-Original-Path: /kept'), '/', (seen) => {
    for (const name of ['x-envoy-retry-on', 'x-envoy-internal', 'x-envoy-upstream-rq-timeout-ms']) assert.equal(seen.get(name), undefined, name);
    assert.equal(seen.get('x-envoy-original-path'), '/kept');
  }],
  ['32 a client\'s x-forwarded-for and x-request-id', get('X-Forwarded-For: 1.2.3.4\r\nX-Request-Id: mine'), '/', (seen) => {
    assert.equal(seen.get('x-forwarded-for'), '1.2.3.4');
    assert.equal(seen.get('x-request-id'), 'mine');
  }],
  ['34 underscores in names', get('x_a: 1'), '/', (seen) => assert.equal(seen.get('x_a'), '1')],
  ['4 high bytes in a value', get('X-A: \xe9\xff'), '/', (seen) => assert.equal(seen.get('x-a'), '\xe9\xff')],
  ['2 content-length with leading zeros', post('Content-Length: 0005', 'hello'), '/', (seen) => assert.equal(seen.body.toString(), 'hello')],
  ['3 transfer-encoding in capitals', post('Transfer-Encoding: CHUNKED', '5\r\nhello\r\n0\r\n\r\n'), '/', (seen) => assert.equal(seen.body.toString(), 'hello')],
]; // biome-ignore format: a table

function lastSeen() {
  return upstream.requests[upstream.requests.length - 1];
}

for (const [name, bytes, target, check] of passed) {
  test(`passes ${name}`, async () => {
    const client = await RawClient.connect(port);
    client.send(bytes);
    assert.equal((await client.response(bytes.trim().slice(0, 4).trim())).status, 200);
    assert.equal(lastSeen().path, target);
    check?.(lastSeen());
    client.destroy();
  });
}

test('26 junk behind a body is refused after the answer', async () => {
  const client = await RawClient.connect(port);
  client.send(post('Content-Length: 5', 'helloJUNK\r\n\r\n'));
  assert.equal((await client.response('POST')).status, 200);
  assert.equal((await client.response()).status, 400);
  client.destroy();
});

test('a request hidden in a refused body is never seen', async () => {
  const before = upstream.requests.length;
  const client = await RawClient.connect(port);
  client.send(post('Content-Length: 40\r\nTransfer-Encoding: chunked', `0\r\n\r\n${get('X-Hidden: 1')}`));
  assert.equal((await client.response('POST')).status, 400);
  client.end();
  await client.untilClosed();
  assert.equal((await request(port, '/visible')).status, 200);
  assert.deepEqual(
    upstream.requests.slice(before).map((r) => r.path),
    ['/visible'],
  );
});

test('a refused request leaves other connections alone', async () => {
  const good = await RawClient.connect(port);
  const bad = await RawClient.connect(port);
  good.send('GET /good HTTP/1.1\r\nHo');
  bad.send('BROKEN\r\n\r\n');
  assert.equal((await bad.response()).status, 400);
  good.send('st: test\r\n\r\n');
  assert.equal((await good.response()).text, 'GET /good\n');
  good.destroy();
  bad.destroy();
});

function logLines(): string[] {
  return readFileSync(path.join(proxy.dir, 'access.log'), 'utf8').split('\n').slice(0, -1);
}
