/** Hostile HTTP/2 clients over raw sockets: what each may do, what it is told, and that nothing of it reaches a host. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { bootstrap, cluster, httpListener, route } from '../support/bootstrap.ts';
import { connectHttp2, request2 } from '../support/http2_client.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
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
  uint32,
  windowUpdate,
} from '../support/raw_http2_client.ts';
import { respond, startUpstream, type Upstream } from '../support/upstream.ts';
import { delay, waitFor } from '../support/wait_for.ts';

let proxy: RunningProxy;
let upstream: Upstream;
let port: number;

before(async () => {
  upstream = await startUpstream();
  const routes = [route('/', 'a')];
  proxy = await startProxy(
    bootstrap(
      [
        httpListener('main', routes, { delayed_close_timeout: '0.2s' }),
        httpListener('lenient', routes, { stream_error_on_invalid_http_message: true }),
        httpListener('idle', routes, { stream_idle_timeout: '0.5s' }),
      ],
      [cluster('a', [upstream.port], { connect_timeout: '5s' })],
    ),
  );
  port = proxy.port('main');
});
after(async () => {
  await proxy?.stop();
  await upstream?.close();
});

type Fields = readonly (readonly [string, string])[];
const pseudo: Fields = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'h'],
  [':path', '/'],
];
const without = (name: string): Fields => pseudo.filter(([field]) => field !== name);
const withField = (name: string, value: string): Fields =>
  pseudo.map((field) => (field[0] === name ? [name, value] : field));
const head = (fields: Fields, stream = 1, flags: number = Flag.EndStream) =>
  frame(Frame.Headers, flags | Flag.EndHeaders, stream, headerBlock(fields));

/** Another client is served while and after the attack. */
async function stillServes(): Promise<void> {
  const before = upstream.script;
  upstream.script = {};
  const session = await connectHttp2(port);
  const { status, body } = await request2(session, '/well');
  assert.equal(status, 200, String(body));
  session.destroy();
  upstream.script = before;
}

/** Sends it all on a connection of its own and waits until it is closed; nothing may have reached a host. */
async function closes(frames: Buffer[], start?: Buffer): Promise<RawHttp2Client> {
  const before = upstream.requests.length;
  const client = await RawHttp2Client.connect(port, start);
  client.send(...frames);
  await client.untilClosed();
  client.destroy();
  assert.deepEqual(
    upstream.requests.slice(before).filter((request) => request.get('host') === 'h'),
    [],
  );
  return client;
}

const malformed: readonly (readonly [string, Fields])[] = [
  ['upper-case name', [...pseudo, ['X-A', '1']]],
  ['blank in a name', [...pseudo, ['x a', '1']]],
  ['CR in a value', [...pseudo, ['x-a', 'a\rb']]],
  ['LF in a value', [...pseudo, ['x-a', 'a\nb']]],
  ['NUL in a value', [...pseudo, ['x-a', 'a\0b']]],
  ['DEL in a value', [...pseudo, ['x-a', 'a\x7fb']]],
  ['line end in the path', withField(':path', '/a\r\nx: y')],
  ['line end in the method', withField(':method', 'GET / HTTP/1.1\r\n')],
  ['line end in the authority', withField(':authority', 'h\r\nx: y')],
  ['line end in the scheme', withField(':scheme', 'http\r\n')],
  ['connection', [...pseudo, ['connection', 'close']]],
  ['keep-alive', [...pseudo, ['keep-alive', '1']]],
  ['proxy-connection', [...pseudo, ['proxy-connection', 'close']]],
  ['upgrade', [...pseudo, ['upgrade', 'websocket']]],
  ['transfer-encoding', [...pseudo, ['transfer-encoding', 'chunked']]],
  ['te', [...pseudo, ['te', 'gzip']]],
  ['pseudo-header behind others', [...without(':path'), ['x-a', '1'], [':path', '/']]],
  ['no method', without(':method')],
  ['no path', without(':path')],
  ['no scheme', without(':scheme')],
  ['no authority', without(':authority')],
  ['path twice', [...pseudo, [':path', '/b']]],
  ['unknown pseudo-header', [...pseudo, [':x', '1']]],
  ['status', [...pseudo, [':status', '200']]],
  ['protocol that was not allowed', [...withField(':method', 'CONNECT'), [':protocol', 'websocket']]],
  ['empty path', withField(':path', '')],
  ['relative path', withField(':path', 'a')],
  ['blank in the path', withField(':path', '/a b')],
  ['star of another method', withField(':path', '*')],
  ['two lengths', [...pseudo, ['content-length', '0'], ['content-length', '1']]],
  ['length without a body', [...pseudo, ['content-length', '1']]],
];

test('malformed requests end the connection, or with stream_error_on_invalid_http_message the stream', async () => {
  const before = await proxy.stat('http2.rx_messaging_error');
  for (const [what, fields] of malformed) {
    await closes([head(fields)]).catch((error: Error) => assert.fail(`${what}: ${error.message}`));
    const client = await RawHttp2Client.connect(proxy.port('lenient'));
    client.send(head(fields), head(pseudo, 3));
    await waitFor(`answer behind: ${what}`, () => client.body(3).length > 0);
    assert.equal(client.resetCode(1), 1, what);
    client.destroy();
  }
  assert.equal(await proxy.stat('http2.rx_messaging_error'), before + 2 * malformed.length);
  await stillServes();
});

test('host gives way to :authority, crumbs of a cookie are joined', async () => {
  const client = await RawHttp2Client.connect(port);
  client.send(head([...pseudo, ['host', 'other'], ['cookie', 'a=1'], ['x-a', '1'], ['cookie', 'b=2']]));
  await waitFor('answer', () => client.body(1).length > 0);
  const { get } = upstream.requests[upstream.requests.length - 1];
  assert.equal(get('host'), 'h');
  assert.equal(get('cookie'), 'a=1; b=2');
  client.destroy();
});

test('a body that is not as long as content-length says ends its stream, and no request of it is completed', async () => {
  for (const body of ['abc', 'abcdefgh']) {
    const client = await RawHttp2Client.connect(port);
    const fields = [...withField(':method', 'POST'), ['content-length', '5']] as const;
    client.send(head(fields, 1, 0), frame(Frame.Data, Flag.EndStream, 1, body), head(pseudo, 3));
    await waitFor('next answer', () => client.body(3).length > 0);
    assert.equal(client.resetCode(1), 1);
    client.destroy();
    assert.ok(upstream.requests.every((request) => request.method !== 'POST' || !request.complete));
  }
});

test('trailers without an end, or with pseudo-headers, are malformed', async () => {
  for (const flags of [Flag.EndHeaders, Flag.EndHeaders | Flag.EndStream]) {
    const client = await RawHttp2Client.connect(port);
    const trailers = headerBlock([[flags === Flag.EndHeaders ? 'x-a' : ':path', '/']]);
    client.send(head(withField(':method', 'POST'), 1, 0), frame(Frame.Headers, flags, 1, trailers));
    await client.untilClosed();
    client.destroy();
  }
});

test('too many fields, or too many bytes of them, end the stream; endless ones the connection', async () => {
  const many = Array.from({ length: 101 }, (_, i) => [`x-${i}`, 'v'] as const);
  const client = await RawHttp2Client.connect(port);
  client.send(head([...pseudo, ...many]), ...split(headerBlock([...pseudo, ...wide(13, 5000)]), 3), head(pseudo, 5));
  await waitFor('answer to a good request', () => client.body(5).length > 0);
  assert.deepEqual([client.resetCode(1), client.resetCode(3)], [2, 2]);
  client.destroy();
  await closes(split(headerBlock([...pseudo, ...wide(200, 5000)])));
});

test('CONTINUATION frames, empty, tiny or interrupted, end the connection', async () => {
  const begin = frame(Frame.Headers, Flag.EndStream, 1, headerBlock(pseudo));
  const empty = Array.from({ length: 1000 }, () => frame(Frame.Continuation, 0, 1));
  await closes([begin, ...empty]);
  const tiny = Array.from({ length: 5000 }, () => frame(Frame.Continuation, 0, 1, headerBlock([['x', 'y']])));
  await closes([begin, ...tiny]);
  const interrupted = await closes([begin, frame(Frame.Ping, 0, 0, Buffer.alloc(8))]);
  assert.equal(interrupted.goAways[0]?.code, 1);
});

test('few bytes that HPACK makes many are refused before they are', async () => {
  const rss = memory();
  const value = 'v'.repeat(3900);
  const insert = Buffer.concat([Buffer.from([0x40]), literal('x-bomb'), literal(value)]);
  const bomb = Buffer.concat([headerBlock(pseudo), insert, Buffer.alloc(4000, 0xbe)]);
  for (let i = 0; i < 10; i++) {
    const client = await RawHttp2Client.connect(port);
    client.send(frame(Frame.Headers, Flag.EndStream | Flag.EndHeaders, 1, bomb));
    await waitFor('reset or close', () => client.resetCode(1) !== undefined || client.closed);
    client.destroy();
  }
  const cookie = Buffer.concat([Buffer.from([0x40]), literal('cookie'), literal(value)]);
  const crumbs = Buffer.concat([headerBlock(pseudo), cookie, Buffer.alloc(4000, 0xbe)]);
  const client = await RawHttp2Client.connect(port);
  client.send(frame(Frame.Headers, Flag.EndStream | Flag.EndHeaders, 1, crumbs));
  await waitFor('reset or close', () => client.resetCode(1) !== undefined || client.closed);
  client.destroy();
  assert.ok(memory() - rss < 64 * 1024);
  await stillServes();
});

test('floods of frames that must be answered, or mean nothing, end the connection and are counted', async () => {
  const times = (count: number, one: Buffer) => Array.from({ length: count }, () => one);
  const floods = [
    ['outbound_control_flood', times(20_000, frame(Frame.Ping, 0, 0, Buffer.alloc(8)))],
    ['outbound_control_flood', times(20_000, settings())],
    ['inbound_priority_frames_flood', times(2000, frame(Frame.Priority, 0, 5, Buffer.from([0, 0, 0, 0, 16])))],
    ['inbound_window_update_frames_flood', times(5000, windowUpdate(0, 1))],
  ] as const;
  for (const [counter, frames] of floods) {
    const before = await proxy.stat(`http2.${counter}`);
    await closes(frames as Buffer[]);
    assert.equal(await proxy.stat(`http2.${counter}`), before + 1, counter);
  }
  const before = await proxy.stat('http2.inbound_empty_frames_flood');
  const client = await RawHttp2Client.connect(port);
  client.send(head(withField(':method', 'POST'), 1, 0), frame(Frame.Data, 0, 1), frame(Frame.Data, 0, 1));
  await client.untilClosed();
  client.destroy();
  assert.equal(await proxy.stat('http2.inbound_empty_frames_flood'), before + 1);
  await stillServes();
});

test('budgets do not grow with the streams a connection has had', async () => {
  const client = await RawHttp2Client.connect(port, Buffer.concat([preface, settings()]));
  for (let i = 0; i < 2000; i++) {
    client.send(requestHeaders(2 * i + 1));
    if (i % 50 === 49) await waitFor('answers', () => client.of(Frame.Data, 2 * i + 1).length > 0);
  }
  client.send(...Array.from({ length: 2000 }, () => frame(Frame.Priority, 0, 5, Buffer.from([0, 0, 0, 0, 16]))));
  await client.untilClosed();
  client.destroy();
});

test('streams opened to be reset end the connection after half of five hundred (rapid reset)', async (t) => {
  upstream.script = { onHead: () => true };
  t.after(() => {
    upstream.script = {};
  });
  const before = upstream.requests.length;
  const count = await proxy.stat('http.ingress.downstream_rq_too_many_premature_resets');
  const client = await RawHttp2Client.connect(port);
  for (let i = 0; i < 10_000 && !client.closed; i += 50) {
    const pairs = Array.from({ length: 50 }, (_, k) => 2 * (i + k) + 1);
    client.send(...pairs.flatMap((id) => [requestHeaders(id), resetStream(id)]));
    if (i % 500 === 0) await delay(1);
  }
  await client.untilClosed();
  client.destroy();
  assert.ok(upstream.requests.length - before <= 500);
  assert.equal(await proxy.stat('http.ingress.downstream_rq_too_many_premature_resets'), count + 1);
  await waitFor('no request under way', async () => (await proxy.stat('cluster.a.upstream_rq_active')) === 0);
  await stillServes();
});

test('streams that the client makes us reset count as its own resets (MadeYouReset)', async (t) => {
  upstream.script = { onHead: () => true };
  t.after(() => {
    upstream.script = {};
  });
  const zero = await RawHttp2Client.connect(port);
  zero.send(requestHeaders(1), windowUpdate(1, 0));
  await zero.untilClosed();
  zero.destroy();
  const client = await RawHttp2Client.connect(port);
  const post = [...withField(':method', 'POST'), ['content-length', '1']] as const;
  for (let i = 0; i < 600 && !client.closed; i++) {
    client.send(head(post, 2 * i + 1, 0), frame(Frame.Data, 0, 2 * i + 1, 'too long'));
    if (i % 50 === 0) await delay(1);
  }
  await client.untilClosed();
  client.destroy();
  await waitFor('no request under way', async () => (await proxy.stat('cluster.a.upstream_rq_active')) === 0);
});

test('exactly the streams beyond the limit are refused', async (t) => {
  upstream.script = { onHead: () => true };
  t.after(() => {
    upstream.script = {};
  });
  const client = await RawHttp2Client.connect(port);
  client.send(...Array.from({ length: 1100 }, (_, i) => requestHeaders(2 * i + 1)));
  await waitFor('76 refused', () => client.of(Frame.ResetStream).length === 76);
  assert.ok(client.of(Frame.ResetStream).every(({ payload }) => payload.readUInt32BE(0) === 7));
  client.destroy();
  await waitFor('all gone', async () => (await proxy.stat('http2.streams_active')) === 0);
});

test('frames that break the rules of the connection end it, with the code of the rule', async () => {
  const wide = frame(Frame.Data, 0, 1, Buffer.alloc(16_385));
  const settingsOf = (count: number) => settings(Array.from({ length: count }, () => [99, 1] as const));
  const rules: readonly (readonly [string, Buffer[], number | undefined])[] = [
    ['window overflow', [windowUpdate(0, 0x7fff_ffff)], undefined],
    ['window update of 0', [windowUpdate(0, 0)], undefined],
    [
      'push',
      [frame(Frame.PushPromise, Flag.EndHeaders, 1, Buffer.concat([uint32(2), headerBlock(pseudo)]))],
      undefined,
    ],
    ['even stream', [head(pseudo, 2)], undefined],
    ['frame too large', [wide], 6],
    ['data on an idle stream', [frame(Frame.Data, 0, 1, 'a')], 1],
    [
      'index out of the table',
      [frame(Frame.Headers, Flag.EndStream | Flag.EndHeaders, 1, Buffer.from([0xff, 0x7f]))],
      9,
    ],
    [
      'size of the table',
      [frame(Frame.Headers, Flag.EndStream | Flag.EndHeaders, 1, Buffer.from([0x3f, 0xff, 0x7f]))],
      9,
    ],
    ['a thousand settings', [settingsOf(1000)], 11],
    ['PING of a wrong length', [frame(Frame.Ping, 0, 0, 'abc')], undefined],
    ['SETTINGS on a stream', [frame(Frame.Settings, 0, 1)], undefined],
  ];
  for (const [what, frames, code] of rules) {
    const client = await closes(frames).catch((error: Error) => assert.fail(`${what}: ${error.message}`));
    if (code !== undefined) assert.equal(client.goAways[0]?.code, code, what);
  }
  await closes([], Buffer.from('PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n'));
  await closes([], Buffer.concat([preface, frame(Frame.Ping, 0, 0, Buffer.alloc(8))]));
  await stillServes();
});

test('clients that never open their windows hold little, and the idle timeout ends their streams', async (t) => {
  const body = 'x'.repeat(1024 * 1024);
  upstream.script = { respond: (_request, socket) => respond(socket, { body }) };
  t.after(() => {
    upstream.script = {};
  });
  const rss = memory();
  const client = await RawHttp2Client.connect(proxy.port('idle'), Buffer.concat([preface, settings([[4, 0]])]));
  client.send(...Array.from({ length: 100 }, (_, i) => requestHeaders(2 * i + 1)));
  await waitFor('100 heads', () => client.of(Frame.Headers).length === 100);
  assert.ok(memory() - rss < 100 * 1024, `${memory() - rss} KiB`);
  await waitFor('100 resets', () => client.of(Frame.ResetStream).length === 100);
  client.destroy();
  await stillServes();
});

/** A header block cut into HEADERS and CONTINUATION frames. */
function split(block: Buffer, stream = 1): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < block.length; at += 16_000) {
    const ends = at + 16_000 >= block.length ? Flag.EndHeaders : 0;
    const piece = block.subarray(at, at + 16_000);
    frames.push(
      at === 0
        ? frame(Frame.Headers, Flag.EndStream | ends, stream, piece)
        : frame(Frame.Continuation, ends, stream, piece),
    );
  }
  return frames;
}

function wide(count: number, length: number): (readonly [string, string])[] {
  return Array.from({ length: count }, (_, i) => [`x-${i}`, 'v'.repeat(length)] as const);
}

function literal(text: string): Buffer {
  return headerBlock([[text, '']]).subarray(1, -1);
}

/** KiB of memory the proxy has. */
function memory(): number {
  return Number(readFileSync(`/proc/${proxy.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)?.[1]);
}
