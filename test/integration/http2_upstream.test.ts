/** HTTP/1 clients in front of HTTP/2 hosts through the real proxy: streams share connections, and none is lost on the way. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bootstrap, cluster, fileAccessLog, httpListener, type Json, route } from '../support/bootstrap.ts';
import { connectHttp2, request2 } from '../support/http2_client.ts';
import { answer, type Http2Upstream, startHttp2Upstream, wholeBody } from '../support/http2_upstream.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { RawClient, request, requestBytes } from '../support/raw_client.ts';
import { startTcpUpstream, startUpstream, type Upstream } from '../support/upstream.ts';
import { delay, waitFor } from '../support/wait_for.ts';

const extension = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** A cluster that speaks HTTP/2; `options` are its http2_protocol_options. */
function http2Cluster(name: string, ports: number[], options: Json = {}, more: Json = {}, common: Json = {}): Json {
  return cluster(name, ports, {
    typed_extension_protocol_options: {
      [extension]: {
        '@type': `type.googleapis.com/${extension}`,
        explicit_http_config: { http2_protocol_options: options },
        common_http_protocol_options: common,
      },
    },
    ...more,
  });
}

let proxy: RunningProxy;
let upstream: Http2Upstream;
let single: Http2Upstream;
let narrow: Http2Upstream;
let http1: Upstream;
let silent: Awaited<ReturnType<typeof startTcpUpstream>>;
let port: number;

const refused = {
  retry_policy: { retry_on: 'refused-stream', num_retries: 5, retry_back_off: { base_interval: '0.001s' } },
};
const breaker = (limits: Json) => ({ circuit_breakers: { thresholds: [limits] } });
/** The server's preface: an empty SETTINGS frame. */
const emptySettings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

before(async () => {
  upstream = await startHttp2Upstream();
  single = await startHttp2Upstream({}, { maxConcurrentStreams: 1 });
  narrow = await startHttp2Upstream({}, { initialWindowSize: 10_000 });
  http1 = await startUpstream();
  silent = await startTcpUpstream((socket) => void socket.write(emptySettings));
  const { port: to } = upstream;
  proxy = await startProxy((dir) =>
    bootstrap(
      [
        httpListener(
          'main',
          [
            { match: { connect_matcher: {} }, route: { cluster: 'a' } },
            route('/retried', 'a', refused),
            route('/single', 'single'),
            route('/one-connection', 'one'),
            route('/narrow-timed', 'narrow', { timeout: '0.3s' }),
            route('/narrow', 'narrow'),
            route('/two-each', 'two'),
            route('/idle', 'idle'),
            route('/kept-alive', 'kept'),
            route('/http1', 'h1'),
            route('/limited', 'limited'),
            route('/same', 'same'),
            route('/follows', 'follows'),
            route('/goaway', 'goaway', refused),
            route('/', 'a'),
          ],
          {
            upgrade_configs: [{ upgrade_type: 'websocket' }, { upgrade_type: 'CONNECT' }],
            http_protocol_options: { enable_trailers: true },
            access_log: [
              fileAccessLog(
                `${dir}/log`,
                '%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %UPSTREAM_PROTOCOL% %RESPONSE_CODE_DETAILS%\n',
              ),
            ],
            delayed_close_timeout: '0.1s',
          },
        ),
      ],
      [
        http2Cluster('a', [to]),
        http2Cluster('single', [single.port]),
        http2Cluster('one', [single.port], {}, breaker({ max_connections: 1 })),
        http2Cluster('narrow', [narrow.port], {
          initial_stream_window_size: 65_535,
          initial_connection_window_size: 65_535,
        }),
        http2Cluster('two', [to], {}, {}, { max_requests_per_connection: 2 }),
        http2Cluster('idle', [to], {}, {}, { idle_timeout: '0.1s' }),
        http2Cluster('kept', [silent.port], { connection_keepalive: { interval: '0.05s', timeout: '0.1s' } }),
        http2Cluster('h1', [http1.port]),
        http2Cluster('limited', [to], {}, breaker({ max_requests: 1 })),
        http2Cluster('goaway', [to], {}, breaker({ max_retries: 1000 })),
        cluster('same', [http1.port], { protocol_selection: 'USE_DOWNSTREAM_PROTOCOL', http2_protocol_options: {} }),
        cluster('follows', [to], { protocol_selection: 'USE_DOWNSTREAM_PROTOCOL', http2_protocol_options: {} }),
      ],
    ),
  );
  port = proxy.port('main');
});
after(async () => {
  await proxy?.stop();
  for (const server of [upstream, single, narrow, http1, silent]) await server?.close();
});

const stat = (name: string) => proxy.stat(`cluster.${name}`);
const many = <T>(count: number, make: (i: number) => Promise<T>) =>
  Promise.all(Array.from({ length: count }, (_, i) => make(i)));

function logged(path: string): Promise<string> {
  const lines = () => readFileSync(join(proxy.dir, 'log'), 'latin1').split('\n');
  const find = () => lines().find((line) => line.startsWith(`${path} `));
  return waitFor(`log line of ${path}`, find);
}

test('requests of many clients share one connection', async () => {
  upstream.script = {};
  const responses = await many(20, (i) => request(port, `/shared/${i}`));
  assert.ok(responses.every((response, i) => response.status === 200 && response.text === `GET /shared/${i} 0`));
  assert.equal(await stat('a.upstream_cx_total'), 1);
  assert.equal(await stat('a.upstream_cx_http2_total'), 1);
  assert.equal(await stat('a.http2.streams_active'), 0);
  assert.equal(await stat('a.upstream_rq_active'), 0);
  assert.match(await logged('/shared/3'), / 200 - HTTP\/2 via_upstream/);
});

test('a chunked request becomes DATA and trailers, and its answer the same way back', async () => {
  upstream.script = {
    async onRequest(seen) {
      const body = await wholeBody(seen);
      seen.stream.respond({ ':status': 200, 'x-got': body.toString() }, { waitForTrailers: true });
      seen.stream.on('wantTrailers', () => seen.stream.sendTrailers({ 'x-sum': '7' }));
      seen.stream.end('body');
    },
  };
  const client = await RawClient.connect(port);
  client.send(
    'POST /trailers HTTP/1.1\r\nHost: h\r\nConnection: x-hop\r\nX-Hop: 1\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n' +
      'X-Case: V\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nx-trail: 1\r\n\r\n',
  );
  const response = await client.response('POST');
  assert.equal(response.get('x-got'), 'abcde');
  assert.equal(response.text, 'body');
  const seen = upstream.requests.at(-1)!;
  assert.equal(seen.headers[':authority'], 'h');
  assert.equal(seen.headers.te, 'trailers');
  assert.equal(seen.headers['x-case'], 'V');
  for (const name of ['host', 'connection', 'transfer-encoding', 'x-hop']) assert.equal(seen.headers[name], undefined);
  assert.equal(seen.trailers?.['x-trail'], '1');
  client.destroy();
});

test('a host that takes one stream a connection gets more connections, and refuses nothing', async () => {
  single.script = { onRequest: (seen) => void setTimeout(() => answer(seen), 20) };
  const responses = await many(6, () => request(port, '/single'));
  assert.deepEqual(
    responses.map(({ status }) => status),
    Array(6).fill(200),
  );
  assert.equal(await stat('single.upstream_cx_total'), 6);
  assert.equal(await stat('single.http2.rx_reset'), 0);
  assert.equal(await stat('single.upstream_rq_pending_active'), 0);
});

test('requests wait for a stream where no other connection is allowed', async () => {
  single.script = { onRequest: (seen) => void setTimeout(() => answer(seen), 10) };
  const responses = await many(6, () => request(port, '/one-connection'));
  assert.deepEqual(
    responses.map(({ status }) => status),
    Array(6).fill(200),
  );
  assert.equal(await stat('one.upstream_cx_total'), 1);
  assert.ok((await stat('one.upstream_cx_overflow')) > 0);
});

test('a host that says goodbye loses no request', async () => {
  let count = 0;
  upstream.script = {
    onRequest(seen) {
      if (++count % 40 === 0) seen.stream.session!.close();
      setTimeout(() => answer(seen), 2);
    },
  };
  const client = async (): Promise<number[]> => {
    const statuses: number[] = [];
    for (let i = 0; i < 50; i++) statuses.push((await request(port, '/goaway')).status);
    return statuses;
  };
  const statuses = (await many(12, client)).flat();
  assert.deepEqual(
    statuses.filter((status) => status !== 200),
    [],
  );
  assert.ok((await stat('goaway.upstream_cx_close_notify')) >= 10);
  assert.equal(await stat('goaway.upstream_rq_active'), 0);
  assert.ok((await stat('goaway.upstream_cx_active')) <= 2);
});

test('streams above the last one of a GOAWAY are tried elsewhere, those below end in peace', async () => {
  upstream.script = {
    onRequest(seen) {
      if (seen.path.endsWith('first')) return;
      if (upstream.requests.filter(({ path }) => path === seen.path).length > 1) return answer(seen);
      const first = upstream.requests.find(({ path }) => path.endsWith('/goaway/first'))!;
      seen.stream.session!.goaway(0, first.stream.id);
      setTimeout(() => answer(first, 'whole'), 30);
    },
  };
  const first = request(port, '/goaway/first');
  await waitFor('request', () => upstream.requests.some(({ path }) => path === '/goaway/first'));
  const second = await request(port, '/goaway/second');
  assert.deepEqual([second.status, second.text], [200, 'ok']);
  assert.equal((await first).text, 'whole');
  const tries = upstream.requests.filter(({ path }) => path === '/goaway/second');
  assert.equal(tries.length, 2);
  assert.notEqual(tries[0].connection, tries[1].connection);
});

test('a refused stream is tried again where the policy says so, and told of where not', async () => {
  let left = 2;
  upstream.script = { onRequest: (seen) => (left-- > 0 ? seen.stream.close(7) : answer(seen)) };
  assert.equal((await request(port, '/retried')).status, 200);
  left = 1;
  const response = await request(port, '/refused');
  assert.equal(response.status, 503);
  assert.match(response.text, /reset reason: remote refused stream reset$/);
  assert.match(
    await logged('/refused'),
    / 503 UR HTTP\/2 upstream_reset_before_response_started\{remote_refused_stream_reset\}/,
  );
});

test('resets by the host', async () => {
  const resets = await stat('a.upstream_rq_rx_reset');
  upstream.script = { onRequest: ({ stream, path }) => stream.close(Number(path.slice(7))) };
  assert.match((await request(port, '/reset/2')).text, /reset reason: remote reset$/);
  assert.match((await request(port, '/reset/10')).text, /reset reason: remote error with CONNECT request$/);
  assert.equal(await stat('a.upstream_rq_rx_reset'), resets + 1);
  upstream.script = {
    onRequest({ stream }) {
      stream.respond({ ':status': 200 });
      stream.write('part');
      setTimeout(() => stream.destroy(new Error('cut')), 20);
    },
  };
  const client = await RawClient.connect(port);
  client.send(requestBytes('/cut'));
  assert.match((await client.untilClosed()).toString(), /^HTTP\/1\.1 200 OK[\s\S]*4\r\npart\r\n$/);
  assert.match(await logged('/cut'), / 200 UR HTTP\/2 upstream_reset_after_response_started\{remote_reset\}/);
});

test('a lost connection ends its streams, the next request has a new one', async () => {
  upstream.script = { onRequest: ({ stream }) => stream.session!.destroy() };
  assert.match((await request(port, '/lost')).text, /reset reason: connection termination$/);
  assert.match(
    await logged('/lost'),
    / 503 UC HTTP\/2 upstream_reset_before_response_started\{connection_termination\}/,
  );
  upstream.script = {};
  assert.equal((await request(port, '/found')).status, 200);
});

test('a host that does not speak HTTP/2', async () => {
  const response = await request(port, '/http1');
  assert.equal(response.status, 502);
  assert.match(response.text, /reset reason: protocol error$/);
  assert.equal(await stat('h1.upstream_cx_protocol_error'), 1);
  assert.match(await logged('/http1'), / 502 UPE HTTP\/2 upstream_reset_before_response_started\{protocol_error\}/);
});

test('with use_downstream_protocol a client of HTTP/1 is answered over HTTP/1', async () => {
  assert.equal((await request(port, '/same')).text, 'GET /same\n');
  assert.equal(await stat('same.upstream_cx_http1_total'), 1);
  assert.match(await logged('/same'), / 200 - HTTP\/1\.1 /);
});

test('with use_downstream_protocol a client of HTTP/2 is answered over HTTP/2, trailers and all', async (t) => {
  upstream.script = {
    async onRequest(seen) {
      const body = await wholeBody(seen);
      seen.stream.respond({ ':status': 200 }, { waitForTrailers: true });
      seen.stream.on('wantTrailers', () => seen.stream.sendTrailers({ 'grpc-status': '0' }));
      seen.stream.end(body);
    },
  };
  const session = await connectHttp2(port);
  t.after(() => session.destroy());
  const response = await request2(session, '/follows', { ':method': 'POST' }, 'over and back');
  assert.equal(response.text, 'over and back');
  assert.equal(response.trailers?.['grpc-status'], '0');
  assert.equal(await stat('follows.upstream_cx_http2_total'), 1);
  assert.equal(await stat('follows.upstream_cx_http1_total'), 0);
});

test('large bodies pass through small windows whole, both ways at once', { timeout: 20_000 }, async () => {
  narrow.script = {
    onRequest({ stream }) {
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    },
  };
  const sent = randomBytes(3 * 1024 * 1024);
  const echoes = await many(3, () => request(port, '/narrow', { method: 'POST', body: sent }));
  const hash = (bytes: Buffer) => createHash('sha1').update(bytes).digest('hex');
  for (const response of echoes) assert.equal(hash(response.body), hash(sent));
  await waitFor('bytes counted', async () => (await stat('narrow.upstream_cx_tx_bytes_total')) > 3 * sent.length);
});

test('a host that does not read stops its client', async () => {
  narrow.script = { onRequest: () => {} };
  const socket = net.connect(port, '127.0.0.1');
  socket.write('POST /narrow HTTP/1.1\r\nhost: h\r\ncontent-length: 100000000\r\n\r\n');
  let accepted = 0;
  const piece = Buffer.alloc(64 * 1024);
  const push = (): void => {
    while (accepted < 90_000_000 && socket.write(piece, () => (accepted += piece.length)));
  };
  socket.on('drain', push);
  push();
  let before = -1;
  await waitFor('a stop', async () => {
    const stopped = accepted === before;
    before = accepted;
    await delay(200);
    return stopped;
  });
  assert.ok(accepted < 16_000_000, `${accepted} bytes taken`);
  socket.destroy();
});

test('a client that does not read stops its host', async () => {
  let written = 0;
  upstream.script = {
    onRequest({ stream }) {
      stream.respond({ ':status': 200 });
      const push = (): void => {
        while (written < 200_000_000 && !stream.destroyed) {
          written += 65_536;
          if (!stream.write(Buffer.alloc(65_536))) return;
        }
      };
      stream.on('drain', push);
      push();
    },
  };
  const client = await RawClient.connect(port);
  client.socket.pause();
  client.send(requestBytes('/unread'));
  let before = -1;
  await waitFor('a stop', async () => {
    const stopped = written === before && written > 0;
    before = written;
    await delay(200);
    return stopped;
  });
  // The stream's window of 16 MiB, and what sockets hold.
  assert.ok(written < 40_000_000, `${written} bytes sent`);
  upstream.script = {};
  assert.equal((await request(port, '/beside')).status, 200, 'other streams go on');
  client.destroy();
  await waitFor('reset', () => upstream.requests.find(({ path }) => path === '/unread')!.code === 2);
});

test('an answer before the request is whole is passed on, the rest not wanted', async () => {
  upstream.script = {
    onRequest(seen) {
      seen.stream.resume();
      answer(seen, 'early');
    },
  };
  const client = await RawClient.connect(port);
  client.send('POST /early HTTP/1.1\r\nhost: h\r\ncontent-length: 1000\r\n\r\npart');
  assert.equal((await client.response()).text, 'early');
  await waitFor('reset', () => upstream.requests.find(({ path }) => path === '/early')!.code === 2);
  client.destroy();
});

test('a client that goes away resets its stream only', async () => {
  const connections = await stat('a.upstream_cx_total');
  upstream.script = { onRequest: () => {} };
  const client = await RawClient.connect(port);
  client.send(requestBytes('/gone'));
  const seen = await waitFor('request', () => upstream.requests.find(({ path }) => path === '/gone'));
  const before = await stat('a.upstream_rq_tx_reset');
  client.destroy();
  await waitFor('reset', () => seen.code === 2);
  assert.equal(await stat('a.upstream_rq_tx_reset'), before + 1);
  upstream.script = {};
  assert.equal((await request(port, '/after')).status, 200);
  assert.equal(await stat('a.upstream_cx_total'), connections);
});

test('max_requests_per_connection counts streams', async () => {
  upstream.script = {};
  for (let i = 0; i < 5; i++) assert.equal((await request(port, '/two-each')).status, 200);
  assert.equal(await stat('two.upstream_cx_total'), 3);
  assert.equal(await stat('two.upstream_cx_max_requests'), 2);
  assert.equal(
    (await many(7, () => request(port, '/two-each'))).every(({ status }) => status === 200),
    true,
  );
});

test('max_requests of the breaker', async () => {
  upstream.script = { onRequest: (seen) => void setTimeout(() => answer(seen), 100) };
  const statuses = (await many(3, () => request(port, '/limited'))).map(({ status }) => status);
  assert.deepEqual(statuses.sort(), [200, 503, 503]);
  assert.equal(await stat('limited.upstream_rq_active_overflow'), 2);
});

test('idle connections end', async () => {
  upstream.script = {};
  await request(port, '/idle');
  await waitFor('idle timeout', async () => (await stat('idle.upstream_cx_idle_timeout')) === 1);
  assert.equal(await stat('idle.upstream_cx_active'), 0);
});

test('a host that does not answer PINGs is given up', async () => {
  const response = await request(port, '/kept-alive');
  assert.equal(response.status, 503);
  assert.match(response.text, /reset reason: connection termination$/);
  assert.equal(await stat('kept.http2.keepalive_timeout'), 1);
});

test('a websocket becomes an extended CONNECT, 200 the 101', async () => {
  upstream.script = {
    onRequest({ stream }) {
      stream.respond({ ':status': 200 });
      stream.on('data', (chunk: Buffer) => stream.write(`<${chunk}`));
    },
  };
  const client = await RawClient.connect(port);
  client.send(
    requestBytes('/ws', { headers: { connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-key': 'k' } }),
  );
  const response = await client.response();
  assert.deepEqual([response.status, response.get('upgrade')], [101, 'websocket']);
  client.send('hello');
  assert.equal((await client.bytes(6)).toString(), '<hello');
  const { headers } = upstream.requests.at(-1)!;
  assert.deepEqual([headers[':method'], headers[':protocol'], headers.upgrade], ['CONNECT', 'websocket', undefined]);
  client.destroy();
  upstream.script = { onRequest: ({ stream }) => stream.respond({ ':status': 403 }, { endStream: true }) };
  const refusal = await RawClient.connect(port);
  refusal.send(requestBytes('/ws', { headers: { connection: 'upgrade', upgrade: 'websocket' } }));
  assert.equal((await refusal.response()).status, 403);
  refusal.destroy();
});

test('CONNECT is passed on', async () => {
  upstream.script = {
    onRequest({ stream }) {
      stream.respond({ ':status': 200 });
      stream.on('data', (chunk: Buffer) => stream.write(`<${chunk}`));
    },
  };
  const client = await RawClient.connect(port);
  client.send('CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n');
  assert.match((await client.bytes(19)).toString(), /^HTTP\/1\.1 200 OK/);
  client.send('hello');
  assert.equal((await client.bytes(6)).toString(), '<hello');
  assert.equal(upstream.requests.at(-1)!.headers[':authority'], 'h:1');
  client.destroy();
});

test('an answer of ours to a body that the host did not take leaves a connection that reads the next request', async () => {
  narrow.script = { onRequest() {} };
  const client = await RawClient.connect(port);
  const bytes = requestBytes('/narrow-timed', { method: 'POST', body: Buffer.alloc(80_000, 'a') });
  client.send(bytes.subarray(0, 60_000));
  await delay(50);
  // With the last piece more waits for the host's window than may.
  client.send(bytes.subarray(60_000));
  assert.equal((await client.response('POST')).status, 504);
  narrow.script = {};
  client.send(requestBytes('/narrow/next'));
  assert.equal((await client.response()).text, 'GET /narrow/next 0');
  client.destroy();
});
