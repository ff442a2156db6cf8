/** The server's side by scripts: frames in, frames and calls out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ACK,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  GET,
  GOAWAY,
  HEADERS,
  map,
  PADDED,
  PING,
  POST,
  PREFACE,
  PRIORITY,
  PUSH_PROMISE,
  RST_STREAM,
  request,
  responseHead,
  SETTINGS,
  Server,
  setting,
  uint32,
  WINDOW_UPDATE,
} from '../../test/support/http2_peers.ts';
import { ErrorCode } from './codec.ts';

const text = (value: string) => Buffer.from(value, 'latin1');

function answer(server: Server, id: number, body: string): void {
  const stream = server.streams.get(id)!;
  stream.sendResponse(responseHead(), false);
  stream.sendData(text(body), 0, body.length, true);
}

test('the first frames are byte for byte those of Envoy', () => {
  const server = new Server({
    maxConcurrentStreams: 1024,
    initialStreamWindowSize: 16 * 1024 * 1024,
    initialConnectionWindowSize: 24 * 1024 * 1024,
    allowConnect: false,
  });
  assert.equal(server.outputs, 1);
  const settings = [setting(1, 4096), setting(8, 0), setting(3, 1024), setting(4, 16 * 1024 * 1024)];
  const expected = [frame(SETTINGS, 0, 0, Buffer.concat(settings)), frame(WINDOW_UPDATE, 0, 0, uint32(25_100_289))];
  assert.deepEqual(server.bytes(), Buffer.concat(expected));
  assert.equal(server.codec.hasOutput, false);
  server.send(PREFACE, frame(SETTINGS, 0, 0));
  assert.deepEqual(server.bytes(), frame(SETTINGS, ACK, 0));
});

test('a request and its answer, byte for byte', () => {
  const server = Server.started();
  server.send(request(1));
  assert.deepEqual(server.heard(), ['1 GET / END']);
  const stream = server.streams.get(1)!;
  stream.sendInformational(responseHead(103));
  stream.sendResponse(responseHead(), false);
  stream.sendData(text('hello'), 0, 5, false);
  stream.sendTrailers(map({ te: 'x' }));
  assert.deepEqual(server.heard(), [], 'nothing is complete before it has left');
  const bytes = server.bytes();
  assert.deepEqual(server.heard(), ['1 complete', 'idle']);
  const informational = Buffer.from('4803313033', 'hex');
  assert.deepEqual(bytes.subarray(0, 9 + informational.length), frame(HEADERS, END_HEADERS, 1, informational));
  const rest = [frame(HEADERS, END_HEADERS, 1, [0x88]), frame(DATA, 0, 1, text('hello'))];
  assert.deepEqual(bytes.subarray(9 + informational.length).subarray(0, 24), Buffer.concat(rest));
  assert.equal(stream.closed, true);
});

test('body, padding, trailers', () => {
  const server = Server.started();
  server.send(
    request(1, false),
    frame(DATA, PADDED, 1, Buffer.concat([Buffer.of(3), text('abc'), Buffer.alloc(3)])),
    frame(DATA, PADDED, 1, Buffer.concat([Buffer.of(0), text('d')])),
    frame(HEADERS, END_HEADERS | END_STREAM, 1, [0x00, 1, 0x61, 1, 0x62]),
  );
  assert.deepEqual(server.heard(), ['1 POST /', '1 data 3', '1 data 1', '1 trailers a=b']);
  answer(server, 1, 'x');
  assert.deepEqual(server.frames(), ['HEADERS 1', 'DATA 1 1 END']);
});

test('the end of a stream may be an empty frame, and nothing but padding', () => {
  const server = Server.started();
  server.send(request(1, false), frame(DATA, END_STREAM, 1));
  server.send(request(3, false), frame(DATA, END_STREAM | PADDED, 3, [2, 0, 0]));
  assert.deepEqual(server.heard(), ['1 POST /', '1 data 0 END', '3 POST /', '3 data 0 END']);
});

test('PING and SETTINGS are answered, also behind a GOAWAY of the client', () => {
  const server = Server.started();
  server.send(frame(GOAWAY, 0, 0, uint32(0, 0)), frame(PING, 0, 0, text('12345678')), frame(SETTINGS, 0, 0));
  assert.deepEqual(server.bytes(), Buffer.concat([frame(PING, ACK, 0, text('12345678')), frame(SETTINGS, ACK, 0)]));
  assert.deepEqual(server.heard(), ['goaway 0 0']);
});

test('a ping of ours is one at a time', () => {
  const server = Server.started();
  server.codec.ping();
  server.codec.ping();
  assert.deepEqual(server.frames(), ['PING']);
  server.send(frame(PING, ACK, 0, Buffer.alloc(8)), frame(PING, ACK, 0, Buffer.alloc(8)));
  assert.deepEqual(server.heard(), ['pong']);
  server.codec.ping();
  assert.deepEqual(server.frames(), ['PING']);
});

test('GOAWAY twice: the first lets new streams in, the second refuses them', () => {
  const server = Server.started();
  server.send(request(1));
  server.codec.goAway(ErrorCode.NoError, false);
  server.send(request(3));
  server.codec.goAway(ErrorCode.NoError, true);
  server.send(request(5));
  answer(server, 1, 'a');
  answer(server, 3, 'b');
  assert.deepEqual(server.frames(), [
    'GOAWAY 2147483647 0',
    'GOAWAY 3 0',
    'RST_STREAM 5 7',
    'HEADERS 1',
    'DATA 1 1 END',
    'HEADERS 3',
    'DATA 3 1 END',
  ]);
  assert.deepEqual(server.heard(), ['1 GET / END', '3 GET / END', '1 complete', '3 complete', 'idle']);
});

test('streams above the limit are refused and their bytes forgotten', () => {
  const server = Server.started({ maxConcurrentStreams: 2 });
  server.send(request(1), request(3), request(5, false), frame(DATA, END_STREAM, 5, text('x')), request(7));
  assert.deepEqual(server.frames(), ['RST_STREAM 5 7', 'RST_STREAM 7 7']);
  answer(server, 1, 'x');
  server.bytes();
  server.send(request(9));
  assert.deepEqual(server.heard().slice(-2), ['1 complete', '9 GET / END']);
});

test('the owner resets: what waits is dropped, what crosses is ignored', () => {
  const server = Server.started({}, setting(4, 10));
  server.send(request(1, false));
  const stream = server.streams.get(1)!;
  stream.sendResponse(responseHead(), false);
  stream.sendData(Buffer.alloc(100), 0, 100, false);
  stream.reset(ErrorCode.InternalError);
  assert.deepEqual(server.frames(), ['HEADERS 1', 'DATA 1 10', 'RST_STREAM 1 2']);
  server.send(frame(DATA, 0, 1, text('late')), frame(HEADERS, END_HEADERS | END_STREAM, 1, [0x00, 1, 0x61, 1, 0x62]));
  assert.deepEqual(server.heard(), ['1 POST /', 'idle']);
  server.send(frame(DATA, 0, 1, text('too late')));
  assert.deepEqual(server.heard(), ['error 5']);
});

test('NO_ERROR behind a complete answer waits for its bytes', () => {
  const server = Server.started({}, setting(4, 2));
  server.send(request(1, false));
  answer(server, 1, 'abcd');
  const stream = server.streams.get(1)!;
  stream.reset(ErrorCode.NoError);
  assert.deepEqual(server.frames(), ['HEADERS 1', 'DATA 1 2']);
  server.send(frame(DATA, 0, 1, text('unwanted')), frame(WINDOW_UPDATE, 0, 1, uint32(5)));
  assert.deepEqual(server.frames(), ['DATA 1 2 END', 'RST_STREAM 1 0']);
  server.send(frame(DATA, END_STREAM, 1, text('unwanted')));
  assert.deepEqual(server.heard(), ['1 POST /', '1 complete', 'idle']);
});

test('a reset by the client', () => {
  const server = Server.started();
  server.send(request(1), frame(RST_STREAM, 0, 1, uint32(8)), frame(RST_STREAM, 0, 1, uint32(8)));
  assert.deepEqual(server.heard(), ['1 GET / END', '1 reset 8 remote', 'idle']);
  answer(server, 1, 'x');
  assert.deepEqual(server.frames(), []);
});

test('the transport goes: every stream hears of it once', () => {
  const server = Server.started();
  server.send(request(1), request(3));
  server.codec.close();
  server.codec.close();
  assert.deepEqual(server.heard().slice(2), ['1 reset 8', '3 reset 8']);
});

test('content-length against the body', () => {
  const withLength = (id: number, length: string) =>
    frame(HEADERS, END_HEADERS, id, Buffer.concat([POST, Buffer.of(0x0f, 13, length.length), text(length)]));
  const server = Server.started();
  server.send(withLength(1, '3'), frame(DATA, END_STREAM, 1, text('abc')));
  server.send(withLength(3, '3'), frame(DATA, 0, 3, text('abcd')));
  server.send(withLength(5, '3'), frame(DATA, END_STREAM, 5, text('ab')));
  assert.deepEqual(server.heard(), [
    '1 POST /',
    '1 data 3 END',
    '3 POST /',
    '3 reset 1 refused',
    '5 POST /',
    '5 reset 1 refused',
  ]);
  assert.deepEqual(server.frames(), ['RST_STREAM 3 1', 'RST_STREAM 5 1']);
});

test('a malformed head ends the connection, or as configured its stream', () => {
  const bad = frame(HEADERS, END_HEADERS | END_STREAM, 1, Buffer.concat([GET, Buffer.of(0x00, 1, 0x41, 1, 0x62)]));
  const strict = Server.started();
  strict.send(bad, request(3));
  assert.deepEqual(strict.heard(), ['refused http2.invalid.header.field', 'error 1 rx_messaging_error']);
  assert.deepEqual(strict.frames(), ['GOAWAY 1 1']);
  const lenient = Server.started({ streamErrorOnInvalidMessage: true });
  lenient.send(bad, request(3));
  assert.deepEqual(lenient.heard(), ['refused http2.invalid.header.field', '3 GET / END']);
  assert.deepEqual(lenient.frames(), ['RST_STREAM 1 1']);
});

/** Frames behind a request that is being answered (stream 1) and one that was (stream 3), and how the connection ends. */
const connectionErrors: [string, Buffer, ErrorCode][] = [
  ['DATA on stream 0', frame(DATA, 0, 0, [1]), 1],
  ['DATA on an idle stream', frame(DATA, 0, 31, [1]), 1],
  ['DATA on a closed stream', frame(DATA, 0, 3, [1]), 5],
  ['DATA of padding alone', frame(DATA, PADDED, 5, []), 6],
  ['DATA with too much padding', frame(DATA, PADDED, 5, [3, 0, 0]), 1],
  ['HEADERS on stream 0', frame(HEADERS, 5, 0, GET), 1],
  ['HEADERS on an even stream', frame(HEADERS, 5, 2, GET), 1],
  ['HEADERS on a closed stream', request(3), 5],
  ['HEADERS on a stream passed over', request(7), 1],
  [
    'HEADERS that depend on themselves',
    frame(HEADERS, 5 | 0x20, 13, Buffer.concat([uint32(13), Buffer.of(1), GET])),
    1,
  ],
  ['HEADERS with too much padding', frame(HEADERS, 5 | PADDED, 13, [9, 0x82]), 1],
  ['HEADERS too short for priority', frame(HEADERS, 5 | 0x20, 13, [0, 0, 0, 1]), 6],
  ['HEADERS with a bad index', frame(HEADERS, 5, 13, [0xff, 0xff, 0x03]), 9],
  ['PRIORITY on stream 0', frame(PRIORITY, 0, 0, [0, 0, 0, 1, 1]), 1],
  ['PRIORITY of four bytes', frame(PRIORITY, 0, 1, [0, 0, 0, 1]), 6],
  ['PRIORITY of an idle stream that depends on itself', frame(PRIORITY, 0, 31, [0, 0, 0, 31, 1]), 1],
  ['RST_STREAM on stream 0', frame(RST_STREAM, 0, 0, uint32(8)), 1],
  ['RST_STREAM on an idle stream', frame(RST_STREAM, 0, 31, uint32(8)), 1],
  ['RST_STREAM of five bytes', frame(RST_STREAM, 0, 1, [0, 0, 0, 0, 8]), 6],
  ['SETTINGS on a stream', frame(SETTINGS, 0, 1), 1],
  ['SETTINGS of seven bytes', frame(SETTINGS, 0, 0, [0, 1, 0, 0, 0, 0, 0]), 6],
  ['SETTINGS ACK with a payload', frame(SETTINGS, ACK, 0, setting(1, 1)), 6],
  ['ENABLE_PUSH 2', frame(SETTINGS, 0, 0, setting(2, 2)), 1],
  ['INITIAL_WINDOW_SIZE too large', frame(SETTINGS, 0, 0, setting(4, 0x80000000)), 3],
  ['MAX_FRAME_SIZE too small', frame(SETTINGS, 0, 0, setting(5, 16383)), 1],
  ['MAX_FRAME_SIZE too large', frame(SETTINGS, 0, 0, setting(5, 0x1000000)), 1],
  ['ENABLE_CONNECT_PROTOCOL 2', frame(SETTINGS, 0, 0, setting(8, 2)), 1],
  ['1,000 settings', frame(SETTINGS, 0, 0, Buffer.concat(Array.from({ length: 1000 }, () => setting(3, 1)))), 11],
  ['PUSH_PROMISE', frame(PUSH_PROMISE, END_HEADERS, 1, Buffer.concat([uint32(2), GET])), 1],
  ['PING on a stream', frame(PING, 0, 1, Buffer.alloc(8)), 1],
  ['PING of seven bytes', frame(PING, 0, 0, Buffer.alloc(7)), 6],
  ['GOAWAY on a stream', frame(GOAWAY, 0, 1, uint32(0, 0)), 1],
  ['GOAWAY of seven bytes', frame(GOAWAY, 0, 0, Buffer.alloc(7)), 6],
  ['WINDOW_UPDATE on an idle stream', frame(WINDOW_UPDATE, 0, 31, uint32(1)), 1],
  ['WINDOW_UPDATE of 0 on the connection', frame(WINDOW_UPDATE, 0, 0, uint32(0)), 1],
  ['WINDOW_UPDATE of 0 on a stream', frame(WINDOW_UPDATE, 0, 1, uint32(0)), 1],
  ['WINDOW_UPDATE of three bytes', frame(WINDOW_UPDATE, 0, 1, [0, 0, 1]), 6],
  ['a connection window too large', frame(WINDOW_UPDATE, 0, 0, uint32(0x7fffffff)), 3],
  ['CONTINUATION out of nothing', frame(CONTINUATION, END_HEADERS, 1, GET), 1],
  ['a header block interrupted', Buffer.concat([frame(HEADERS, 1, 13, GET), frame(PING, 0, 0, Buffer.alloc(8))]), 1],
  ['a header block interrupted by a stranger', Buffer.concat([frame(HEADERS, 1, 13, GET), frame(0xbe, 0, 0, [1])]), 1],
  ['CONTINUATION of another stream', Buffer.concat([frame(HEADERS, 1, 13, GET), frame(CONTINUATION, 4, 15)]), 1],
  ['a frame of 16,385 bytes', frame(DATA, 0, 5, Buffer.alloc(16_385)), 6],
  ['a stranger of 16,385 bytes', frame(0xbe, 0, 0, Buffer.alloc(16_385)), 6],
];

for (const [what, bytes, code] of connectionErrors) {
  test(`connection error: ${what}`, () => {
    const server = Server.started();
    server.send(request(1), request(3), request(5, false), request(11));
    answer(server, 3, 'x');
    server.bytes();
    server.heard();
    server.send(bytes, request(21));
    assert.equal(server.error?.code, code);
    assert.equal(server.heard().filter((line) => line.startsWith('error')).length, 1);
    assert.match(server.frames().at(-1)!, new RegExp(`^GOAWAY 1[13] ${code}$`));
    assert.equal(server.codec.failed, true);
    answer(server, 1, 'nothing');
    server.send(request(23));
    assert.deepEqual([server.bytes().length, server.heard()], [0, []]);
    server.codec.close();
    assert.deepEqual(
      server.heard(),
      [1, 5, 11].map((id) => `${id} reset ${code} refused`),
    );
  });
}

/** Frames of one stream that end it alone. */
const streamErrors: [string, Buffer, ErrorCode][] = [
  ['DATA after END_STREAM', frame(DATA, 0, 1, [1]), 5],
  ['HEADERS after END_STREAM', request(1), 5],
  ['a window too large', Buffer.concat([frame(WINDOW_UPDATE, 0, 1, uint32(0x7fffffff))]), 3],
  ['PRIORITY that depends on itself', frame(PRIORITY, 0, 1, [0, 0, 0, 1, 1]), 1],
];

for (const [what, bytes, code] of streamErrors) {
  test(`stream error: ${what}`, () => {
    const server = Server.started();
    server.send(request(1), bytes, request(3));
    assert.deepEqual(server.heard(), ['1 GET / END', `1 reset ${code} refused`, 'idle', '3 GET / END']);
    assert.deepEqual(server.frames(), [`RST_STREAM 1 ${code}`]);
  });
}

test('unknown frames, unknown settings and PRIORITY mean nothing', () => {
  const server = Server.started();
  server.send(frame(0xbe, 0xff, 7, [1, 2, 3]), frame(SETTINGS, 0, 0, setting(0x99, 7)));
  server.send(frame(PRIORITY, 0, 5, [0, 0, 0, 1, 9]), frame(0x4d, 4, 1), request(1));
  assert.deepEqual(server.heard(), ['1 GET / END']);
});

test('what is no preface is told apart at its first wrong byte', () => {
  const server = new Server();
  server.send(text('PRI * HTTP/2.0\r\n\r\nSX'));
  assert.deepEqual(server.heard(), ['error 1']);
  assert.deepEqual(server.frames().slice(-1), ['GOAWAY 0 1']);
  const settingsFirst = new Server();
  settingsFirst.send(PREFACE, frame(PING, 0, 0, Buffer.alloc(8)));
  assert.deepEqual(settingsFirst.heard(), ['error 1']);
});

test('a head that is being read is known as such', () => {
  const server = Server.started();
  const head = request(1);
  server.send(head.subarray(0, 12));
  assert.equal(server.codec.readingHead, true);
  server.send(head.subarray(12));
  assert.equal(server.codec.readingHead, false);
  server.send(frame(HEADERS, END_STREAM, 3, GET));
  assert.equal(server.codec.readingHead, true);
  server.send(frame(CONTINUATION, END_HEADERS, 3, [0x00, 1, 0x61, 1, 0x62]));
  assert.equal(server.codec.readingHead, false);
  assert.deepEqual(server.heard(), ['1 GET / END', '3 GET / END']);
});
