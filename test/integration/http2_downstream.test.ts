/** HTTP/2 from clients through real workers to HTTP/1 hosts: many streams, bodies and windows, trailers, resets, the connection's end. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type http2 from 'node:http2';
import type net from 'node:net';
import { after, before, test } from 'node:test';
import { bootstrap, cluster, fileAccessLog, httpListener, route } from '../support/bootstrap.ts';
import { answerTo, connectHttp2, request2 } from '../support/http2_client.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { RawClient, requestBytes } from '../support/raw_client.ts';
import {
  Flag,
  Frame,
  frame,
  headerBlock,
  preface,
  RawHttp2Client,
  requestHeaders,
  resetStream,
  settings,
  settingsAck,
} from '../support/raw_http2_client.ts';
import { respond, startTcpUpstream, startUpstream, type Upstream } from '../support/upstream.ts';
import { delay, waitFor } from '../support/wait_for.ts';

let proxy: RunningProxy;
let upstream: Upstream;
let tcp: Awaited<ReturnType<typeof startTcpUpstream>>;
const sessions: http2.ClientHttp2Session[] = [];

const format =
  '%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% ' +
  '%BYTES_RECEIVED% %BYTES_SENT%\n';

const direct = { match: { prefix: '/direct' }, direct_response: { status: 404, body: { inline_string: 'no' } } };
const connectRoute = {
  match: { connect_matcher: {} },
  route: { cluster: 'tcp', upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }] },
};

before(async () => {
  upstream = await startUpstream();
  tcp = await startTcpUpstream((socket) => {
    socket.on('data', (chunk) => socket.write(`<${chunk}`));
    socket.on('end', () => socket.end());
  });
  const trailers = { http_protocol_options: { enable_trailers: true } };
  const withTrailers = cluster('trailers', [upstream.port], {
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        explicit_http_config: trailers,
      },
    },
  });
  proxy = await startProxy((dir) => {
    const log = { access_log: [fileAccessLog(`${dir}/log`, format)] };
    const listener = (name: string, manager: object = {}, routes: object[] = [direct, route('/', 'a')]) =>
      httpListener(name, routes as never, { ...log, ...manager });
    const http2 = (options: object) => ({ http2_protocol_options: options });
    const common = (options: object) => ({ common_http_protocol_options: options });
    return bootstrap(
      [
        listener('main'),
        listener('http2', { codec_type: 'HTTP2' }),
        listener('http1', { codec_type: 'HTTP1' }),
        listener('trailers', {}, [route('/', 'trailers')]),
        listener('small', http2({ initial_stream_window_size: 65_535, initial_connection_window_size: 65_535 })),
        listener('few', http2({ max_concurrent_streams: 2 })),
        listener('upgrades', { upgrade_configs: [{ upgrade_type: 'websocket' }], ...http2({ allow_connect: true }) }),
        listener('connect', {}, [connectRoute]),
        listener('max', { ...common({ max_requests_per_connection: 2 }), drain_timeout: '0.3s' }),
        listener('idle', { ...common({ idle_timeout: '0.2s' }), drain_timeout: '0.2s', delayed_close_timeout: '0.1s' }),
        listener('duration', { ...common({ max_connection_duration: '0.2s' }), drain_timeout: '0.2s' }),
        listener('keepalive', http2({ connection_keepalive: { interval: '0.2s', timeout: '0.2s' } })),
        listener('head', { request_headers_timeout: '0.2s', delayed_close_timeout: '0.1s' }),
        listener('request', { request_timeout: '0.2s' }),
        listener('stream', { stream_idle_timeout: '0.3s' }),
        listener('flush', { stream_flush_timeout: '0.3s' }),
        listener('lifetime', common({ max_stream_duration: '0.2s' })),
        listener('edge', { use_remote_address: true }),
      ],
      [cluster('a', [upstream.port]), cluster('tcp', [tcp.port]), withTrailers],
    );
  });
});
after(async () => {
  for (const session of sessions) session.destroy();
  await proxy?.stop();
  await upstream?.close();
  await tcp?.close();
});

async function connect(listener: string, options: http2.ClientSessionOptions = {}): Promise<http2.ClientHttp2Session> {
  const session = await connectHttp2(proxy.port(listener), options);
  sessions.push(session);
  return session;
}

const logged = (line: string) =>
  waitFor(`log line ${line}`, () => readFileSync(`${proxy.dir}/log`, 'utf8').includes(line));

/** The script until the test is over. */
function script(t: { after(f: () => void): void }, value: Upstream['script']): void {
  upstream.script = value;
  t.after(() => {
    upstream.script = {};
  });
}

const last = () => upstream.requests[upstream.requests.length - 1];

test('the protocol is found by its first bytes, however they are cut, unless it is configured', async () => {
  for (const size of [1, 5, 12, 24, 1000]) {
    const client = await RawHttp2Client.connect(proxy.port('main'), Buffer.alloc(0));
    const bytes = Buffer.concat([preface, settings(), requestHeaders(1)]);
    for (let at = 0; at < bytes.length; at += size) {
      client.send(bytes.subarray(at, at + size));
      await delay(size < 24 && at < 30 ? 2 : 0);
    }
    await waitFor('answer', () => client.body(1).toString() === 'GET /\n');
    client.destroy();
  }
  // An HTTP/1 request that begins like the preface.
  const client = await RawClient.connect(proxy.port('main'));
  client.send('P');
  await delay(20);
  client.send('OST /post HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n');
  assert.equal((await client.response()).text, 'POST /post\n');
  client.destroy();
  const wrong = await RawClient.connect(proxy.port('http1'));
  wrong.send(Buffer.concat([preface, settings()]));
  assert.equal((await wrong.response()).status, 400);
  wrong.destroy();
  const http1 = await RawClient.connect(proxy.port('http2'));
  http1.send(requestBytes('/'));
  await http1.untilClosed();
  assert.equal((await request2(await connect('http2'), '/x')).text, 'GET /x\n');
});

test('a request becomes HTTP/1 and the answer HTTP/2, with nothing that belongs to one of them', async (t) => {
  script(t, {
    respond: (_request, socket) =>
      socket.write(
        'HTTP/1.1 200 Fine\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nX-Upper: a\r\n' +
          'Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n',
      ),
  });
  const session = await connect('main');
  const answer = await request2(session, '/a?b', { cookie: ['a=1', 'b=2'], te: 'trailers', 'x-a': '1' });
  assert.equal(answer.status, 200);
  assert.equal(answer.text, 'hi');
  const { date, ...headers } = answer.headers;
  assert.ok(date);
  assert.deepEqual(Object.keys(headers), [':status', 'x-upper', 'x-envoy-upstream-service-time', 'server']);
  assert.match(last().head, /^GET \/a\?b HTTP\/1\.1\r\nhost: 127\.0\.0\.1:\d+\r\n/);
  assert.equal(last().get('cookie'), 'a=1; b=2');
  assert.equal(last().get('te'), 'trailers');
  assert.equal(last().get('x-forwarded-proto'), 'http');
  assert.equal(last().get('transfer-encoding'), undefined);
  await logged('GET /a?b HTTP/2 200 - via_upstream 0 2');
});

test('the scheme is the connection’s for those behind, whatever the client claims', async () => {
  const session = await connect('edge');
  await request2(session, '/', { ':scheme': 'https', 'x-forwarded-proto': 'https' });
  assert.equal(last().get('x-forwarded-proto'), 'http');
  assert.match(last().get('x-forwarded-for') ?? '', /^[0-9.]+$/);
});

test('a hundred streams at a time are answered each with its own, the slow ones not before their time', async (t) => {
  script(t, {
    respond: (request, socket) => {
      const body = request.path.repeat(10);
      setTimeout(() => respond(socket, { body }), Number(request.path.slice(1)) % 7);
    },
  });
  const session = await connect('main');
  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => request2(session, `/${i}`)));
  assert.deepEqual(
    answers.map((answer) => answer.text),
    answers.map((_answer, i) => `/${i}`.repeat(10)),
  );
  assert.ok((await proxy.stat('http.ingress.downstream_cx_http2_active')) >= 1);
  assert.equal(await proxy.stat('http2.streams_active'), 0);
});

test('big bodies pass both ways at once through small windows, byte for byte', async (t) => {
  script(t, {
    respond: (request, socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${request.body.length}\r\n\r\n`);
      socket.write(request.body);
    },
  });
  const session = await connect('small', { settings: { initialWindowSize: 20_000 } });
  const bodies = Array.from({ length: 4 }, () => randomBytes(700_000));
  const answers = await Promise.all(bodies.map((body) => request2(session, '/echo', { ':method': 'POST' }, body)));
  assert.deepEqual(
    answers.map((answer) => sha(answer.body)),
    bodies.map(sha),
  );
});

test('a client that does not read stops the host, and others on the connection go on', async (t) => {
  const size = 32 * 1024 * 1024;
  let hostSent = 0;
  script(t, {
    respond: (request, socket) => {
      if (request.path !== '/big') respond(socket, { body: 'small' });
      else {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`);
        const piece = Buffer.alloc(64 * 1024, 'x');
        const more = () => {
          while (hostSent < size) {
            hostSent += piece.length;
            if (!socket.write(piece)) {
              socket.once('drain', more);
              return;
            }
          }
        };
        more();
      }
    },
  });
  const session = await connect('main');
  const stream = session.request({ ':path': '/big' });
  stream.pause();
  await once(stream, 'response');
  await waitFor('host blocked', async () => {
    const before = hostSent;
    await delay(100);
    return hostSent === before && hostSent < size;
  });
  assert.equal((await request2(session, '/small')).text, 'small');
  let received = 0;
  stream.on('data', (chunk: Buffer) => {
    received += chunk.length;
  });
  stream.resume();
  await once(stream, 'end');
  assert.equal(received, size);
});

test('trailers pass both ways where the host takes part', async (t) => {
  script(t, {
    respond: (_request, socket) =>
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n'),
  });
  const session = await connect('trailers');
  const stream = session.request({ ':path': '/t', ':method': 'POST' }, { endStream: false, waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-req': '1' }));
  const answer = answerTo(stream);
  stream.end('body');
  assert.equal((await answer).text, 'hi');
  assert.equal((await answer).trailers?.['x-sum'], '7');
  assert.equal(last().body.toString(), 'body');
});

test('100-continue is answered here, an answer of our own has no length where it has no body', async () => {
  const session = await connect('main');
  const stream = session.request({ ':path': '/e', ':method': 'POST', expect: '100-continue' }, { endStream: false });
  const answer = answerTo(stream);
  stream.on('continue', () => stream.end('now'));
  assert.equal((await answer).text, 'POST /e\n');
  const own = await request2(session, '/direct');
  assert.deepEqual([own.status, own.text, own.headers['content-length']], [404, 'no', '2']);
  const head = await request2(session, '/direct', { ':method': 'HEAD' });
  assert.deepEqual([head.status, head.text, head.headers['content-length']], [404, '', '2']);
  const star = await request2(session, '*', { ':method': 'OPTIONS' });
  assert.deepEqual([star.status, star.headers['content-length']], [404, undefined]);
});

test('an answer before the end of the request is complete, and the rest of it refused without an error', async () => {
  const client = await RawHttp2Client.connect(proxy.port('main'));
  client.send(requestHeaders(1, [], { method: 'POST', path: '/direct', endStream: false }));
  const reset = await client.frame(Frame.ResetStream, 1);
  assert.equal(client.body(1).toString(), 'no');
  assert.equal(reset.payload.readUInt32BE(0), 0);
  client.send(frame(Frame.Data, Flag.EndStream, 1, 'late'), requestHeaders(3));
  await waitFor('next answer', () => client.body(3).length > 0);
  client.destroy();
  await logged('POST /direct HTTP/2 404 - direct_response 0 2');
});

test('a client’s reset frees the host at once; what the host leaves unfinished is reset', async (t) => {
  let closed = 0;
  script(t, {
    onHead: (_request, socket) => {
      socket.on('close', () => closed++);
      return true;
    },
  });
  const client = await RawHttp2Client.connect(proxy.port('main'));
  client.send(requestHeaders(1, [], { path: '/reset' }), requestHeaders(3, [], { path: '/refused' }));
  const before = upstream.requests.length;
  await waitFor('requests', () => upstream.requests.length >= before);
  await waitFor('both', () => last()?.path === '/refused' || last()?.path === '/reset');
  await delay(50);
  client.send(resetStream(1), resetStream(3, 7));
  await logged('GET /reset HTTP/2 0 DR http2.remote_reset 0 0');
  await logged('GET /refused HTTP/2 0 DR http2.remote_refuse 0 0');
  await waitFor('host connections gone', () => closed === 2);
  upstream.script = {
    onHead: (_request, socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc');
      setTimeout(() => socket.destroy(), 50);
      return true;
    },
  };
  client.send(requestHeaders(5, [], { path: '/cut' }));
  await client.frame(Frame.ResetStream, 5);
  assert.equal(client.resetCode(5), 2);
  assert.equal(client.body(5).toString(), 'abc');
  await logged('GET /cut HTTP/2 200 UPE upstream_reset_after_response_started{protocol_error} 0 3');
  client.destroy();
});

test('a client that goes away takes all its streams with it', async (t) => {
  script(t, { onHead: () => true });
  const client = await RawHttp2Client.connect(proxy.port('main'));
  client.send(requestHeaders(1, [], { path: '/gone1' }), requestHeaders(3, [], { path: '/gone2' }));
  await waitFor('requests', () => last()?.path === '/gone2' || last()?.path === '/gone1');
  await delay(50);
  client.socket.end();
  await logged('GET /gone1 HTTP/2 0 DC downstream_remote_disconnect 0 0');
  await logged('GET /gone2 HTTP/2 0 DC downstream_remote_disconnect 0 0');
  assert.ok((await proxy.stat('http.ingress.downstream_cx_destroy_remote_active_rq')) >= 1);
});

test('streams beyond max_concurrent_streams are refused, not lost', async (t) => {
  script(t, { onHead: () => true });
  const client = await RawHttp2Client.connect(proxy.port('few'));
  client.send(requestHeaders(1), requestHeaders(3), requestHeaders(5));
  await client.frame(Frame.ResetStream, 5);
  assert.equal(client.resetCode(5), 7);
  client.destroy();
  upstream.script = {};
  const session = await connect('few');
  const answers = await Promise.all(Array.from({ length: 20 }, () => request2(session, '/queued')));
  assert.ok(answers.every((answer) => answer.status === 200));
});

test('websockets run over extended CONNECT to a host that knows HTTP/1 alone', async (t) => {
  script(t, {
    onHead: (request, socket) => {
      if (request.path === '/no') respond(socket, { status: 403, body: 'no' });
      else openTunnel(socket);
      return true;
    },
  });
  const client = await RawHttp2Client.connect(proxy.port('upgrades'));
  client.send(extendedConnect(1, 'websocket', '/chat'));
  const head = await client.frame(Frame.Headers, 1);
  assert.equal(head.payload[0], 0x88);
  assert.equal(last().method, 'GET');
  assert.equal(last().get('upgrade'), 'websocket');
  assert.equal(last().get('connection'), 'upgrade');
  client.send(frame(Frame.Data, 0, 1, 'hello'));
  await waitFor('echo', () => client.body(1).toString() === '<hello');
  client.send(extendedConnect(3, 'websocket', '/no'), extendedConnect(5, 'other', '/other'));
  await client.frame(Frame.ResetStream, 3);
  await client.frame(Frame.ResetStream, 5);
  assert.equal(client.body(3).toString(), 'no');
  await logged('GET /other HTTP/2 403 - upgrade_failed 0 0');
  for (const socket of upstream.connections) socket.destroy();
  await client.frame(Frame.ResetStream, 1);
  assert.equal(client.resetCode(1), 10);
  await logged('GET /chat HTTP/2 101 UC upstream_reset_after_response_started{connection_termination} 5 6');
  client.destroy();
});

test('CONNECT opens a tunnel of its own stream', async () => {
  const client = await RawHttp2Client.connect(proxy.port('connect'));
  const connectHead = headerBlock([
    [':method', 'CONNECT'],
    [':authority', 'h:1'],
  ]);
  client.send(frame(Frame.Headers, Flag.EndHeaders, 1, connectHead));
  await client.frame(Frame.Headers, 1);
  client.send(frame(Frame.Data, 0, 1, 'hello'));
  await waitFor('echo', () => client.body(1).toString() === '<hello');
  client.send(frame(Frame.Data, Flag.EndStream, 1));
  await waitFor('end', () => client.of(Frame.Data, 1).some((entry) => (entry.flags & Flag.EndStream) !== 0));
  client.destroy();
  await logged('CONNECT - HTTP/2 200 - via_upstream 5 6');
});

test('enough requests, idleness and age end a connection by two GOAWAYs, and no request is lost', async (t) => {
  for (const listener of ['max', 'idle', 'duration']) {
    const client = await RawHttp2Client.connect(proxy.port(listener));
    client.send(requestHeaders(1));
    await waitFor('answer', () => client.body(1).length > 0);
    if (listener === 'max') client.send(requestHeaders(3));
    await client.frame(Frame.GoAway);
    client.send(requestHeaders(5));
    await waitFor('answer within the drain time', () => client.body(5).length > 0);
    await client.untilClosed();
    assert.deepEqual(client.goAways, [
      { last: 0x7fff_ffff, code: 0 },
      { last: 5, code: 0 },
    ]);
    client.destroy();
  }
  script(t, { respond: (_request, socket) => setTimeout(() => respond(socket, { body: 'slow' }), 800) });
  const client = await RawHttp2Client.connect(proxy.port('duration'));
  client.send(requestHeaders(1));
  await waitFor('second GOAWAY', () => client.goAways.length === 2);
  client.send(requestHeaders(3));
  await client.untilClosed();
  assert.equal(client.body(1).toString(), 'slow');
  assert.equal(client.body(3).length, 0);
  client.destroy();
});

test('PING keeps a connection only with a client that answers', async (t) => {
  script(t, { onHead: () => true });
  const silent = await RawHttp2Client.connect(proxy.port('keepalive'));
  silent.send(settingsAck, requestHeaders(1, [], { path: '/silent' }));
  await silent.frame(Frame.Ping);
  await silent.untilClosed();
  await logged('GET /silent HTTP/2 0 DC downstream_local_disconnect(http2_ping_timeout) 0 0');
  assert.equal(await proxy.stat('http2.keepalive_timeout'), 1);
  upstream.script = {};
  const session = await connect('keepalive');
  await delay(900);
  assert.equal((await request2(session, '/alive')).status, 200);
});

test('timeouts answer a stream and spare the connection', async (t) => {
  script(t, { onHead: () => true });
  const post = { method: 'POST', endStream: false };
  const client = await RawHttp2Client.connect(proxy.port('request'));
  client.send(requestHeaders(1, [], { ...post, path: '/slow' }));
  await client.frame(Frame.ResetStream, 1);
  assert.deepEqual([client.body(1).toString(), client.resetCode(1)], ['request timeout', 0]);
  assert.equal(client.closed, false);
  client.destroy();
  await logged('POST /slow HTTP/2 408 - request_overall_timeout 0 15');
  const idle = await RawHttp2Client.connect(proxy.port('stream'));
  idle.send(requestHeaders(1, [], { path: '/idle' }));
  await waitFor('504', () => idle.body(1).toString() === 'stream timeout');
  assert.equal(idle.resetCode(1), undefined);
  idle.destroy();
  await logged('GET /idle HTTP/2 504 SI stream_idle_timeout 0 14');
  const long = await RawHttp2Client.connect(proxy.port('lifetime'));
  long.send(requestHeaders(1, [], { path: '/long' }));
  await waitFor('504', () => long.body(1).toString() === 'downstream duration timeout');
  long.destroy();
});

test('a header block that never ends is not waited for', async () => {
  const client = await RawHttp2Client.connect(proxy.port('head'));
  client.send(frame(Frame.Headers, Flag.EndStream, 1, headerBlock([[':method', 'GET']])));
  await client.untilClosed();
  assert.equal(await proxy.stat('http.ingress.downstream_rq_header_timeout'), 1);
  client.destroy();
});

test('the end of an answer waits for a client only so long', async (t) => {
  script(t, { respond: (_request, socket) => respond(socket, { body: 'x'.repeat(50_000) }) });
  const client = await RawHttp2Client.connect(proxy.port('flush'), Buffer.concat([preface, settings([[4, 10]])]));
  client.send(requestHeaders(1));
  await client.frame(Frame.ResetStream, 1);
  assert.equal(client.resetCode(1), 2);
  assert.equal(client.body(1).length, 10);
  assert.equal(await proxy.stat('http2.tx_flush_timeout'), 1);
  client.destroy();
});

test('a worker that drains lets HTTP/2 clients finish, and tells them to go', async (t) => {
  const own = await startProxy(bootstrap([httpListener('main', [route('/', 'a')])], [cluster('a', [upstream.port])]));
  t.after(() => own.stop());
  script(t, { respond: (_request, socket) => setTimeout(() => respond(socket, { body: 'slow' }), 600) });
  const client = await RawHttp2Client.connect(own.port('main'));
  const idle = await RawHttp2Client.connect(own.port('main'));
  client.send(requestHeaders(1));
  await delay(100);
  own.signal('SIGTERM');
  await client.frame(Frame.GoAway);
  await idle.frame(Frame.GoAway);
  // It was under way when the client was told.
  client.send(requestHeaders(3));
  await waitFor('both answers', () => client.body(1).length > 0 && client.body(3).length > 0);
  await Promise.all([client.untilClosed(8000), idle.untilClosed(8000)]);
  assert.equal(client.goAways[0].last, 0x7fff_ffff);
  assert.equal(client.goAways[1].last, 3);
  assert.equal((await own.exited).code, 0);
});

function extendedConnect(stream: number, protocol: string, path: string): Buffer {
  const fields = [
    [':method', 'CONNECT'],
    [':protocol', protocol],
    [':scheme', 'http'],
    [':authority', 'h'],
    [':path', path],
  ] as const;
  return frame(Frame.Headers, Flag.EndHeaders, stream, headerBlock(fields));
}

function openTunnel(socket: net.Socket): void {
  socket.removeAllListeners('data');
  socket.on('data', (chunk) => socket.write(`<${chunk}`));
  socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
}

function sha(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
