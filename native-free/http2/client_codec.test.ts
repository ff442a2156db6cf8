/** The client's side by scripts: what a server may answer, and what it may not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Client,
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  framesOf,
  GOAWAY,
  HEADERS,
  map,
  OK,
  PREFACE,
  PUSH_PROMISE,
  RST_STREAM,
  readable,
  requestHead,
  SETTINGS,
  setting,
  uint32,
  WINDOW_UPDATE,
} from '../../test/support/http2_peers.ts';
import { ErrorCode } from './codec.ts';

const status = (id: number, value: string, endStream = true) =>
  frame(HEADERS, END_HEADERS | (endStream ? END_STREAM : 0), id, [0x08, 3, ...Buffer.from(value)]);
const withLength = (id: number, length: number, endStream: boolean) =>
  frame(HEADERS, END_HEADERS | (endStream ? END_STREAM : 0), id, [0x88, 0x0f, 13, 1, 0x30 + length]);

test('the preface and the first request leave together', () => {
  const client = new Client({ initialConnectionWindowSize: 100_000 });
  client.open();
  const bytes = client.bytes();
  assert.deepEqual(bytes.subarray(0, PREFACE.length), PREFACE);
  const frames = framesOf(bytes.subarray(PREFACE.length));
  assert.deepEqual(frames.map(readable), ['SETTINGS', 'WINDOW_UPDATE 0 34465', 'HEADERS 1 END']);
  const settings = [setting(1, 4096), setting(2, 0), setting(3, 100), setting(4, 65_535)];
  assert.deepEqual(frames[0].payload, Buffer.concat(settings));
});

test('an answer with all its parts', () => {
  const client = Client.started();
  client.open();
  client.bytes();
  client.send(status(1, '103', false), frame(HEADERS, END_HEADERS, 1, OK), frame(DATA, 0, 1, [1, 2, 3]));
  client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, [0x00, 1, 0x61, 1, 0x62]));
  assert.deepEqual(client.heard(), [
    '1 informational 103',
    '1 response 200',
    '1 data 3',
    '1 trailers a=b',
    '1 complete',
    'idle',
  ]);
});

test('the answer may be whole before the request: the stream waits for it', () => {
  const client = Client.started();
  const stream = client.open(requestHead('POST'), false)!;
  client.bytes();
  client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, OK));
  assert.deepEqual(client.heard(), ['1 response 200 END']);
  stream.sendData(Buffer.alloc(3), 0, 3, false);
  stream.sendTrailers(map({ a: 'b' }));
  assert.deepEqual(client.frames(), ['DATA 1 3', 'HEADERS 1 END']);
  assert.deepEqual(client.heard(), ['1 complete', 'idle']);
});

test("the server's limit of streams, also when it shrinks", () => {
  const client = Client.started({}, setting(3, 2));
  assert.equal(client.codec.peerMaxConcurrentStreams, 2);
  assert.deepEqual([client.open()?.id, client.open()?.id, client.open()?.id], [1, 3, undefined]);
  client.bytes();
  client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, OK));
  assert.equal(client.open()?.id, 5);
  client.send(frame(SETTINGS, 0, 0, setting(3, 1)));
  client.send(frame(HEADERS, END_HEADERS | END_STREAM, 3, OK));
  assert.equal(client.open(), undefined);
});

test('GOAWAY: what the server has not seen can be tried again, the rest is answered', () => {
  const client = Client.started();
  client.open();
  client.open();
  client.open();
  client.bytes();
  client.send(frame(GOAWAY, 0, 0, uint32(0x7fffffff, 0)));
  assert.equal(client.codec.goingAway, true);
  assert.equal(client.open(), undefined);
  client.send(frame(GOAWAY, 0, 0, uint32(1, 0)), frame(HEADERS, END_HEADERS | END_STREAM, 1, OK));
  assert.deepEqual(client.heard(), [
    'goaway 2147483647 0',
    '3 reset 7 remote refused',
    '5 reset 7 remote refused',
    'goaway 1 0',
    '1 response 200 END',
    '1 complete',
    'idle',
  ]);
});

test('a request given up: what crosses is ignored, headers keep HPACK in step', () => {
  const client = Client.started();
  client.open()!.reset(ErrorCode.Cancel);
  client.open();
  assert.deepEqual(client.frames(), ['HEADERS 1 END', 'RST_STREAM 1 8', 'HEADERS 3 END']);
  client.send(frame(HEADERS, END_HEADERS, 1, [0x88, 0x40, 1, 0x61, 1, 0x62]), frame(DATA, END_STREAM, 1, [1]));
  client.send(frame(HEADERS, END_HEADERS, 3, OK), frame(HEADERS, END_HEADERS | END_STREAM, 3, [0xbe]));
  assert.deepEqual(client.heard(), ['idle', '3 response 200', '3 trailers a=b', '3 complete', 'idle']);
});

test('bodies where there are none, and bodies of another length', () => {
  const client = Client.started();
  for (let i = 0; i < 4; i++) client.open(requestHead(i === 0 ? 'HEAD' : 'GET'));
  client.bytes();
  client.send(withLength(1, 5, true), status(3, '304', false), frame(DATA, 0, 3, [1]));
  client.send(withLength(5, 5, false), frame(DATA, END_STREAM, 5, [1]));
  client.send(status(7, '204', false), frame(DATA, END_STREAM, 7));
  assert.deepEqual(client.heard(), [
    '1 response 200 END',
    '1 complete',
    '3 response 304',
    '3 reset 1 refused',
    '5 response 200',
    '5 reset 1 refused',
    '7 response 204',
    '7 data 0 END',
    '7 complete',
    'idle',
  ]);
});

/** What no server may send while stream 1 waits for its answer, and the code of our GOAWAY. */
const connectionErrors: [string, Buffer, number][] = [
  ['an answer on an idle stream', frame(HEADERS, 5, 3, OK), 1],
  ['an answer on an even stream', frame(HEADERS, 5, 2, OK), 1],
  ['PUSH_PROMISE', frame(PUSH_PROMISE, END_HEADERS, 1, Buffer.concat([uint32(2), OK])), 1],
  ['ENABLE_PUSH', frame(SETTINGS, 0, 0, setting(2, 1)), 1],
  ['WINDOW_UPDATE on an idle stream', frame(WINDOW_UPDATE, 0, 3, uint32(1)), 1],
  ['RST_STREAM on an idle stream', frame(RST_STREAM, 0, 5, uint32(1)), 1],
  ['an informational answer that ends', status(1, '103'), 1],
  ['a head without a status', frame(HEADERS, 5, 1, [0x00, 1, 0x61, 1, 0x62]), 1],
  [
    'trailers without END_STREAM',
    Buffer.concat([frame(HEADERS, END_HEADERS, 1, OK), frame(HEADERS, END_HEADERS, 1, [0x00, 1, 0x61, 1, 0x62])]),
    1,
  ],
];

for (const [what, bytes, code] of connectionErrors) {
  test(`connection error: ${what}`, () => {
    const client = Client.started();
    client.open();
    client.bytes();
    client.send(bytes);
    assert.equal(client.error?.code, code);
    assert.deepEqual(client.frames(), [`GOAWAY 0 ${code}`]);
    client.codec.close();
    // Once: before the connection's error when it was this stream that was wrong, else behind it.
    const heard = client.heard().filter((line) => line.startsWith('1 reset'));
    assert.deepEqual(heard, [`1 reset ${code} refused`]);
    assert.equal(client.open(), undefined);
  });
}

test('DATA before the head ends the stream', () => {
  const client = Client.started();
  client.open();
  client.bytes();
  client.send(frame(DATA, 0, 1, [1]));
  assert.deepEqual(client.heard(), ['1 reset 1 refused', 'idle']);
});

test('a head larger than a frame goes on in CONTINUATION', () => {
  const client = Client.started();
  client.open(requestHead('GET', '/', { a: 'x'.repeat(40_000) }));
  const frames = framesOf(client.bytes());
  assert.deepEqual(frames.map(readable), ['HEADERS 1 END', 'CONTINUATION 1', 'CONTINUATION 1']);
  assert.deepEqual(
    frames.map((each) => each.flags & END_HEADERS),
    [0, 0, END_HEADERS],
  );
  assert.ok(frames.every((each) => each.payload.length <= 16_384));
});

test('who is told of a complete stream may open the next one', () => {
  const client = Client.started({}, setting(3, 1));
  const first = client.open(requestHead('POST'), false)!;
  client.bytes();
  const told = first.receiver!;
  told.onComplete = () => client.open();
  client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, OK));
  first.sendData(Buffer.alloc(1), 0, 1, true);
  assert.deepEqual(client.frames(), ['DATA 1 1 END', 'HEADERS 3 END']);
  client.send(frame(HEADERS, END_HEADERS | END_STREAM, 3, OK));
  assert.deepEqual(client.heard().slice(-3), ['3 response 200 END', '3 complete', 'idle']);
});
