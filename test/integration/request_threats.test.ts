/**
 * Rows of the threat list that are no plain refusals (those are in request_refusals.test.ts): hidden requests, cut bodies, fields
 * that must not pass, path confusion, slow clients. The number of a test is its row.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { bootstrap, cluster, fileAccessLog, httpListener, type Json, route } from '../support/bootstrap.ts';
import { isEnvoy, type RunningProxy, startProxy } from '../support/proxy.ts';
import { type ClientResponse, RawClient } from '../support/raw_client.ts';
import { startUpstream, type Upstream, type UpstreamRequest } from '../support/upstream.ts';
import { delay, waitFor } from '../support/wait_for.ts';

let proxy: RunningProxy;
let upstream: Upstream;

const lenient = { skip: isEnvoy && 'Envoy is lenient here' };

const managers: Record<string, Json> = {
  main: {},
  http10: { http_protocol_options: { accept_http_10: true, default_host_for_http_10: 'old.test' } },
  trailers: { http_protocol_options: { enable_trailers: true } },
  edge: {
    use_remote_address: true,
    normalize_path: true,
    merge_slashes: true,
    path_with_escaped_slashes_action: 'REJECT_REQUEST',
  },
  reject: { common_http_protocol_options: { headers_with_underscores_action: 'REJECT_REQUEST' } },
  drop: { common_http_protocol_options: { headers_with_underscores_action: 'DROP_HEADER' } },
  two: { common_http_protocol_options: { max_requests_per_connection: 2 } },
  headsInTime: { request_headers_timeout: '0.5s' },
  idle: { common_http_protocol_options: { idle_timeout: '0.4s' } },
  bodiesInTime: { stream_idle_timeout: '0.4s', request_timeout: '1s' },
};

before(async () => {
  upstream = await startUpstream();
  proxy = await startProxy((dir) => {
    const format = '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n';
    const admin = { match: { prefix: '/admin' }, direct_response: { status: 403 } };
    const listeners = Object.entries(managers).map(([name, manager]) =>
      httpListener(name, name === 'edge' ? [admin, route('/', 'a')] : [route('/', 'a')], {
        access_log: [fileAccessLog(path.join(dir, `${name}.log`), format)],
        ...manager,
      }),
    );
    return bootstrap(listeners, [cluster('a', [upstream.port])]);
  });
});
after(async () => {
  await proxy?.stop();
  await upstream?.close();
});

function connect(listener = 'main'): Promise<RawClient> {
  return RawClient.connect(proxy.port(listener));
}

/** Sends bytes on a connection of their own and reads one answer. */
async function exchange(listener: string, bytes: string, method = 'GET'): Promise<ClientResponse> {
  const client = await connect(listener);
  try {
    client.send(bytes);
    return await client.response(method);
  } finally {
    client.destroy();
  }
}

/** Waits for the newest log line of a listener. */
async function logged(listener: string, line: string | RegExp): Promise<void> {
  const file = path.join(proxy.dir, `${listener}.log`);
  const last = (): string => readFileSync(file, 'utf8').trimEnd().split('\n').at(-1) ?? '';
  await waitFor(`log line ${line} of ${listener}`, () =>
    typeof line === 'string' ? last() === line : line.test(last()),
  ).catch(() => assert.fail(`${last()} instead of ${line}`));
}

function lastSeen(): UpstreamRequest {
  return upstream.requests[upstream.requests.length - 1];
}

const head = (first: string, fields = ''): string => `${first}\r\nHost: test\r\n${fields}\r\n`;
const chunked = (body: string, fields = ''): string =>
  head('POST /chunked HTTP/1.1', `Transfer-Encoding: chunked\r\n${fields}`) + body;

test('4 a CR behind the value of transfer-encoding is refused', lenient, async () => {
  const before = upstream.requests.length;
  const response = await exchange('main', head('POST / HTTP/1.1', 'Transfer-Encoding: chunked\r\r\n') + '0\r\n\r\n');
  assert.equal(response.status, 400);
  assert.equal(upstream.requests.length, before);
});

test('5 HTTP/1.0: 426 when it is off, served when on, never with transfer-encoding', async () => {
  const bytes = head('POST / HTTP/1.0', 'Transfer-Encoding: chunked\r\n') + '0\r\n\r\n';
  assert.equal((await exchange('main', bytes)).status, 426);
  assert.equal((await exchange('http10', 'GET /old HTTP/1.0\r\n\r\n')).status, 200);
  assert.equal(lastSeen().get('host'), 'old.test');
});

test('5 transfer-encoding in HTTP/1.0 is refused', lenient, async () => {
  const bytes = head('POST / HTTP/1.0', 'Transfer-Encoding: chunked\r\n') + '0\r\n\r\n';
  assert.equal((await exchange('http10', bytes)).status, 400);
});

test('12 the absolute form: its authority counts, not Host; user information is not passed on', async () => {
  assert.equal((await exchange('main', head('GET http://user:pw@real.test:81/x?y HTTP/1.1'))).status, 200);
  assert.equal(lastSeen().path, '/x?y');
  assert.equal(lastSeen().get('host'), 'real.test:81');
  assert.equal((await exchange('main', head('GET http://real.test?q HTTP/1.1'))).status, 404);
  await logged('main', '404 - absolute_path_rejected');
});

test('22 LF alone behind a chunk size is refused', async () => {
  const before = upstream.requests.filter((request) => request.complete).length;
  assert.equal((await exchange('main', chunked('5\nhello\r\n0\r\n\r\n'))).status, 400);
  assert.equal(upstream.requests.filter((request) => request.complete).length, before);
});

for (const listener of ['main', 'trailers']) {
  test(`23 trailers never become fields of the head (${listener})`, async () => {
    const trailers = Array.from({ length: 90 }, (_, i) => `X-T${i}: v\r\n`).join('');
    const body = `2\r\nok\r\n0\r\nHost: evil\r\nContent-Length: 3\r\nTransfer-Encoding: gzip\r\n${trailers}\r\n`;
    const response = await exchange(listener, chunked(body), 'POST');
    if (response.status !== 200) return;
    const seen = lastSeen();
    assert.equal(seen.get('host'), 'test');
    assert.equal(seen.get('content-length'), undefined);
    assert.equal(seen.headers.filter(([name]) => name.toLowerCase() === 'transfer-encoding').length, 1);
    assert.equal(seen.body.toString(), 'ok');
    assert.deepEqual(seen.trailers, []);
  });
}

test('24 a body cut by FIN is never a whole request', async () => {
  for (const bytes of [head('POST /cut HTTP/1.1', 'Content-Length: 10\r\n') + 'half', chunked('5\r\nhello\r\n')]) {
    const before = upstream.requests.length;
    const client = await connect();
    client.send(bytes);
    await waitFor('head upstream', () => upstream.requests.length > before);
    client.end();
    await waitFor('abort upstream', () => lastSeen().aborted);
    assert.equal(lastSeen().complete, false);
    await logged('main', '0 DC downstream_remote_disconnect');
    client.destroy();
  }
});

test('25 a FIN while the answer is pending is a disconnect', async () => {
  upstream.script = { onHead: () => true };
  const before = upstream.requests.length;
  const client = await connect();
  client.send(head('GET /pending HTTP/1.1'));
  await waitFor('request upstream', () => upstream.requests.length > before);
  client.end();
  assert.equal((await client.untilClosed()).length, 0);
  await logged('main', '0 DC downstream_remote_disconnect');
  upstream.script = {};
});

test('26 pipelined requests with empty lines between go on one at a time, in order', async () => {
  const before = upstream.requests.length;
  const client = await connect();
  const count = 10;
  client.send(Array.from({ length: count }, (_, i) => head(`GET /p/${i} HTTP/1.1`)).join('\r\n'));
  for (let i = 0; i < count; i++) assert.equal((await client.response()).text, `GET /p/${i}\n`);
  const seen = upstream.requests.slice(before);
  assert.equal(new Set(seen.map(({ connection }) => connection)).size, 1);
  client.destroy();
});

test('27 a request behind Connection: close is not read', async () => {
  const before = upstream.requests.length;
  const client = await connect();
  client.send(head('GET /last HTTP/1.1', 'Connection: close\r\n') + head('GET /hidden HTTP/1.1'));
  const all = (await client.untilClosed()).toString('latin1');
  assert.equal(all.split('HTTP/1.1 ').length - 1, 1);
  client.destroy();
  assert.deepEqual(
    upstream.requests.slice(before).map((request) => request.path),
    ['/last'],
  );
});

const refusedHeads: Record<string, string> = {
  'without a host': 'GET /refused HTTP/1.1\r\n\r\n',
  'whose host is named by Connection': head('GET /refused HTTP/1.1', 'Connection: te, host\r\n'),
  'with a fragment': head('GET /refused#x HTTP/1.1'),
  'for an upgrade': head('GET /refused HTTP/1.1', 'Connection: upgrade\r\nUpgrade: websocket\r\n'),
};
for (const [name, refused] of Object.entries(refusedHeads)) {
  test(`27 nothing behind a refused request ${name} is a request`, async () => {
    const before = upstream.requests.length;
    const client = await connect();
    client.send(refused + head('GET /hidden HTTP/1.1'));
    const all = (await client.untilClosed()).toString('latin1');
    assert.equal(all.split('HTTP/1.1 ').length - 1, 1, all);
    client.destroy();
    await exchange('main', head('GET /next HTTP/1.1'));
    assert.deepEqual(
      upstream.requests.slice(before).map((request) => request.path),
      ['/next'],
    );
  });
}

test('28 fields named by Connection are not passed on', async () => {
  const fields = 'Connection: x-secret, X-Other\r\nX-Secret: 1\r\nX-Other: 2\r\nX-Kept: 3\r\n';
  assert.equal((await exchange('main', head('GET / HTTP/1.1', fields))).status, 200);
  const seen = lastSeen();
  for (const name of ['connection', 'x-secret', 'x-other']) assert.equal(seen.get(name), undefined, name);
  assert.equal(seen.get('x-kept'), '3');
});

for (const name of ['content-length', 'transfer-encoding']) {
  test(`28 ${name} named by Connection does not let a hidden request out of the body`, async () => {
    const before = upstream.requests.length;
    const hidden = head('GET /hidden HTTP/1.1');
    const body = name === 'content-length' ? hidden : `${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`;
    const framing = name === 'content-length' ? `Content-Length: ${hidden.length}` : 'Transfer-Encoding: chunked';
    const client = await connect();
    client.send(head('POST /outer HTTP/1.1', `Connection: ${name}\r\n${framing}\r\n`) + body);
    const { status } = await client.response('POST');
    client.destroy();
    const seen = upstream.requests.slice(before);
    assert.ok(seen.every((request) => request.path === '/outer'));
    if (status !== 200) return;
    assert.equal(seen[0].body.toString('latin1'), hidden);
    assert.equal(seen[0].get('transfer-encoding'), 'chunked');
  });
}

test('29 fields of one connection are not passed on; te keeps only trailers', async () => {
  const fields =
    'Connection: keep-alive\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\nUpgrade: x\r\nTE: gzip, trailers\r\n';
  assert.equal((await exchange('main', head('GET / HTTP/1.1', fields))).status, 200);
  const seen = lastSeen();
  for (const name of ['connection', 'keep-alive', 'proxy-connection', 'upgrade'])
    assert.equal(seen.get(name), undefined, name);
  assert.equal(seen.get('te'), 'trailers');
});

test('31 100-continue is answered at once and not passed on; other expectations are', async () => {
  const client = await connect();
  client.send(head('POST / HTTP/1.1', 'Expect: 100-continue\r\nContent-Length: 2\r\n'));
  assert.equal((await client.response('POST')).status, 100);
  client.send('ok');
  assert.equal((await client.response('POST')).status, 200);
  assert.equal(lastSeen().get('expect'), undefined);
  client.send(head('GET / HTTP/1.1', 'Expect: something\r\n'));
  assert.equal((await client.response()).status, 200);
  assert.equal(lastSeen().get('expect'), 'something');
  client.destroy();
});

test('32 at the edge nothing a client says of itself is believed', async () => {
  const fields = [
    'X-Forwarded-For: 8.8.8.8',
    'X-Forwarded-Proto: https',
    'X-Request-Id: mine',
    'X-Envoy-Internal: true',
    'X-Envoy-External-Address: 1.1.1.1',
    'X-Envoy-Original-Path: /x',
    'X-Envoy-Retry-On: 5xx',
    'X-Envoy-Upstream-Rq-Timeout-Ms: 1',
    'X-Envoy-Decorator-Operation: x',
    'X-Envoy-Max-Retries: 9',
  ];
  assert.equal((await exchange('edge', head('GET / HTTP/1.1', `${fields.join('\r\n')}\r\n`))).status, 200);
  const seen = lastSeen();
  assert.match(seen.get('x-forwarded-for') ?? '', /^8\.8\.8\.8,[\d.]+$/);
  assert.equal(seen.get('x-forwarded-proto'), 'http');
  assert.equal(seen.get('x-envoy-retry-on'), undefined);
  assert.equal(seen.get('x-envoy-max-retries'), undefined);
  assert.equal(seen.get('x-envoy-upstream-rq-timeout-ms'), undefined);
});

const confusion: Record<string, number> = {
  '/admin': 403, '/admin/': 403, '/admin/x': 403, '//admin': 403, '///admin': 403, '/./admin': 403, '/x/../admin': 403,
  '/x/./../admin': 403, '/../admin': 403, '/../../admin': 403, '/%61dmin': 403, '/%2e/admin': 403, '/x/%2e%2e/admin': 403,
  '/x/.%2E/admin': 403, '/%2e%2e/admin': 403, '\\admin': 400, '/\\admin': 403, '/x\\..\\admin': 403, '/x/..\\admin': 403,
  '/admin%2f': 400, '/%2fadmin': 400, '/x%5cadmin': 400, '/x%2F..%2Fadmin': 400, '/admin%00': 400, '/admin#x': 400,
  '/admin?x=../..': 403, '/ADMIN': 200, '/%2561dmin': 200, '/x//..//admin': 200, '/x/admin': 200, '/x?/../admin': 200,
}; // biome-ignore format: a table

test('33 path confusion against a route of /admin with every edge option', async () => {
  const seen: Record<string, number> = {};
  for (const target of Object.keys(confusion)) {
    seen[target] = (await exchange('edge', head(`GET ${target} HTTP/1.1`))).status;
    if (seen[target] === 200) assert.doesNotMatch(lastSeen().path, /^\/admin/, target);
  }
  assert.deepEqual(seen, confusion);
});

test('34 underscores: passed, refused or dropped', async () => {
  const bytes = head('GET / HTTP/1.1', 'x_a: 1\r\n');
  assert.equal((await exchange('reject', bytes)).status, 400);
  await logged('reject', /^400 DPE http1\.unexpected_underscore$/);
  assert.equal((await exchange('drop', bytes)).status, 200);
  assert.equal(lastSeen().get('x_a'), undefined);
});

test('36 a head that drips is refused with 408 in its time, counted from the first byte', async () => {
  const client = await connect('headsInTime');
  const started = performance.now();
  const dripping = setInterval(() => client.send('a'), 50);
  client.send('GET / HTTP/1.1\r\nX-A: ');
  const response = await client.response();
  clearInterval(dripping);
  const took = performance.now() - started;
  assert.equal(response.status, 408);
  assert.equal(response.text, 'request header timeout');
  assert.ok(took >= 450 && took < 1500, `after ${Math.round(took)} ms`);
  client.destroy();
  await logged('headsInTime', '408 - request_header_timeout');
});

test('36 five hundred dripping clients are all gone in time, and others are served meanwhile', async () => {
  const clients = await Promise.all(Array.from({ length: 500 }, () => connect('headsInTime')));
  for (const client of clients) client.send('GET / HTTP/1.1\r\nX-A: ');
  const dripping = setInterval(() => {
    for (const client of clients) if (!client.closed) client.send('a');
  }, 100);
  for (let i = 0; i < 20; i++) {
    const started = performance.now();
    assert.equal((await exchange('main', head('GET / HTTP/1.1'))).status, 200);
    assert.ok(performance.now() - started < 1000);
  }
  const closed = await Promise.all(clients.map((client) => client.closes(3000)));
  clearInterval(dripping);
  assert.ok(closed.every(Boolean));
  for (const client of clients) client.destroy();
});

test('36 a connection without a byte is closed silently', async () => {
  const client = await connect('idle');
  assert.equal((await client.untilClosed(2000)).length, 0);
  client.destroy();
});

test('37 a body that stops gives 408 by silence, one that drips by its whole time', async () => {
  const silent = await connect('bodiesInTime');
  silent.send(head('POST / HTTP/1.1', 'Content-Length: 10\r\n') + 'a');
  assert.equal((await silent.response('POST')).text, 'stream timeout');
  await logged('bodiesInTime', '408 SI stream_idle_timeout');
  const slow = await connect('bodiesInTime');
  slow.send(head('POST / HTTP/1.1', 'Content-Length: 1000\r\n'));
  const dripping = setInterval(() => slow.send('a'), 100);
  const response = await slow.response('POST');
  clearInterval(dripping);
  assert.equal(response.status, 408);
  assert.equal(response.text, 'request timeout');
  await logged('bodiesInTime', /^408 - request_overall_timeout$/);
  for (const client of [silent, slow]) client.destroy();
});

test('37 an upstream silent after the whole request is 504, inside its answer a cut', async () => {
  upstream.script = { onHead: () => true };
  assert.equal((await exchange('bodiesInTime', head('GET / HTTP/1.1'))).status, 504);
  upstream.script = {
    respond: (_request, socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'),
  };
  const client = await connect('bodiesInTime');
  client.send(head('GET / HTTP/1.1'));
  const response = await client.response();
  assert.equal(response.status, 200);
  assert.equal(response.complete, false);
  client.destroy();
  await logged('bodiesInTime', /^200 SI stream_idle_timeout$/);
  upstream.script = {};
});

test('38 the last request of a connection is answered with connection: close', async () => {
  const client = await connect('two');
  client.send(head('GET /1 HTTP/1.1'));
  assert.equal((await client.response()).get('connection'), undefined);
  client.send(head('GET /2 HTTP/1.1') + head('GET /3 HTTP/1.1'));
  assert.equal((await client.response()).get('connection'), 'close');
  assert.equal((await client.untilClosed()).length, 0);
  assert.equal(lastSeen().path, '/2');
  client.destroy();
  await delay(0);
});
