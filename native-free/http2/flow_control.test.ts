/** Windows in both directions, what waits for them, whose turn it is, and transports that take no more. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Client,
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  framesOf,
  HEADERS,
  map,
  OK,
  PADDED,
  readable,
  request,
  requestHead,
  responseHead,
  SETTINGS,
  Server,
  setting,
  uint32,
  WINDOW_UPDATE,
} from '../../test/support/http2_peers.ts';
import { lentChunks } from './output/chunk_pool.ts';

const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, i) => i & 0xff));

/** A server with these streams answered by a head. */
function answering(server: Server, ...ids: number[]): void {
  for (const id of ids) {
    server.send(request(id));
    server.streams.get(id)!.sendResponse(responseHead(), false);
  }
  server.bytes();
  server.heard();
}

test('data waits for its window and leaves in order, its end and trailers behind it', () => {
  const server = Server.started({}, setting(4, 3));
  answering(server, 1, 3);
  server.streams.get(1)!.sendData(bytes, 0, 5, true);
  server.streams.get(3)!.sendData(bytes, 0, 4, false);
  server.streams.get(3)!.sendTrailers(map({ a: 'b' }));
  assert.equal(server.codec.waitingBytes, 3);
  assert.deepEqual(server.frames(), ['DATA 1 3', 'DATA 3 3']);
  assert.equal(server.codec.hasOutput, false);
  server.send(frame(WINDOW_UPDATE, 0, 1, uint32(1)));
  assert.equal(server.codec.hasOutput, true);
  assert.deepEqual(server.frames(), ['DATA 1 1']);
  server.send(frame(SETTINGS, 0, 0, setting(4, 5)));
  assert.deepEqual(server.frames(), ['SETTINGS ACK', 'DATA 1 1 END', 'DATA 3 1', 'HEADERS 3 END']);
  assert.deepEqual(server.heard(), ['1 complete', '3 complete', 'idle']);
  assert.equal(server.codec.waitingBytes, 0);
});

test('SETTINGS may make a window negative', () => {
  const server = Server.started({}, setting(4, 10));
  answering(server, 1);
  const stream = server.streams.get(1)!;
  stream.sendData(bytes, 0, 30, true);
  assert.deepEqual(server.frames(), ['DATA 1 10']);
  server.send(frame(SETTINGS, 0, 0, setting(4, 2)), frame(WINDOW_UPDATE, 0, 1, uint32(8)));
  assert.deepEqual(server.frames(), ['SETTINGS ACK']);
  server.send(frame(WINDOW_UPDATE, 0, 1, uint32(1)));
  assert.deepEqual(server.frames(), ['DATA 1 1']);
});

test("the connection's window is shared in turn", () => {
  const server = Server.started({}, setting(4, 1_000_000));
  answering(server, 1, 3, 5);
  for (const id of [1, 3, 5]) server.streams.get(id)!.sendData(bytes, 0, 100_000, true);
  const frames = server.frames();
  const total = frames.reduce((sum, line) => sum + Number(line.split(' ')[2]), 0);
  assert.equal(total, 65_535);
  server.send(frame(WINDOW_UPDATE, 0, 0, uint32(1_000_000)));
  const order = server.frames().map((line) => line.split(' ')[1]);
  assert.deepEqual(order.slice(0, 6), ['1', '3', '5', '1', '3', '5']);
});

test('bytes arrive as they were sent, whatever the windows', () => {
  for (const window of [1, 7, 16_384, 16_385, 70_000]) {
    const server = Server.started({}, setting(4, window));
    answering(server, 1);
    server.streams.get(1)!.sendData(bytes, 0, 50_000, false);
    server.streams.get(1)!.sendData(bytes, 50_000, 50_001, true);
    const got: Buffer[] = [];
    for (let rounds = 0; got.reduce((sum, piece) => sum + piece.length, 0) < 50_001; rounds++) {
      const frames = framesOf(server.bytes());
      for (const each of frames) got.push(each.payload);
      if (window < 100 && rounds > 2000) server.send(frame(SETTINGS, 0, 0, setting(4, 70_000)));
      server.send(frame(WINDOW_UPDATE, 0, 1, uint32(window)));
    }
    assert.deepEqual(Buffer.concat(got), bytes.subarray(0, 50_001), `window ${window}`);
  }
});

test('a transport that takes no more stops the flush; frames of the connection go first', () => {
  const server = Server.started({}, setting(4, 1_000_000));
  server.send(frame(WINDOW_UPDATE, 0, 0, uint32(1_000_000)));
  answering(server, 1);
  server.streams.get(1)!.sendData(bytes, 0, 200_000, true);
  const taken: Buffer[] = [];
  const slow = (from: Uint8Array, start: number, end: number) => {
    taken.push(Buffer.from(from.subarray(start, end)));
    return false;
  };
  server.codec.flush(slow);
  assert.equal(taken.length, 1);
  server.send(frame(6, 0, 0, Buffer.alloc(8)));
  server.streams.get(1)!.receiver!.onData = () => {};
  while (server.codec.hasOutput) server.codec.flush(slow);
  const frames = framesOf(Buffer.concat(taken));
  const data = frames.filter((each) => each.type === DATA).map((each) => each.payload);
  assert.deepEqual(Buffer.concat(data), bytes.subarray(0, 200_000));
  const ping = frames.findIndex((each) => each.type === 6);
  assert.ok(ping >= 0 && ping < 6, 'only what was framed already goes before it');
});

test('a producer is told at its limit and at half of it', () => {
  const server = Server.started({ streamBufferLimit: 1000 }, setting(4, 0));
  answering(server, 1);
  const stream = server.streams.get(1)!;
  stream.sendData(bytes, 0, 1000, false);
  assert.equal(stream.blocked, false);
  stream.sendData(bytes, 0, 1, false);
  assert.equal(stream.blocked, true);
  server.send(frame(WINDOW_UPDATE, 0, 1, uint32(500)));
  server.bytes();
  assert.deepEqual(server.heard(), ['1 blocked']);
  server.send(frame(WINDOW_UPDATE, 0, 1, uint32(1)));
  server.bytes();
  assert.deepEqual(server.heard(), ['1 writable']);
  assert.equal(stream.blocked, false);
});

test('window is given back at half, also for padding, for both windows', () => {
  const server = Server.started({ initialConnectionWindowSize: 131_070 });
  server.send(request(1, false), frame(DATA, 0, 1, bytes.subarray(0, 16_384)));
  server.send(frame(DATA, PADDED, 1, Buffer.concat([Buffer.of(255), bytes.subarray(0, 16_000), Buffer.alloc(255)])));
  assert.deepEqual(server.frames(), []);
  server.send(frame(DATA, 0, 1, bytes.subarray(0, 128)));
  assert.deepEqual(server.frames(), [`WINDOW_UPDATE 1 ${16_384 + 16_256 + 128}`]);
  server.send(frame(DATA, 0, 1, bytes.subarray(0, 16_384)), frame(DATA, 0, 1, bytes.subarray(0, 16_384)));
  assert.deepEqual(server.frames(), ['WINDOW_UPDATE 1 32768', `WINDOW_UPDATE 0 ${32_768 + 32_768}`]);
});

test('a paused stream holds back both windows until it goes on or ends', () => {
  const server = Server.started({});
  server.send(request(1, false));
  const stream = server.streams.get(1)!;
  stream.pause();
  stream.pause();
  for (let i = 0; i < 3; i++) server.send(frame(DATA, 0, 1, bytes.subarray(0, 16_384)));
  stream.resume();
  assert.deepEqual(server.frames(), []);
  stream.resume();
  assert.deepEqual(server.frames(), ['WINDOW_UPDATE 1 49152', 'WINDOW_UPDATE 0 49152']);
  stream.pause();
  for (let i = 0; i < 3; i++) server.send(frame(DATA, 0, 1, bytes.subarray(0, 16_384)));
  stream.reset(8);
  assert.deepEqual(server.frames(), ['WINDOW_UPDATE 0 49152', 'RST_STREAM 1 8']);
  stream.resume();
  assert.deepEqual(server.frames(), []);
});

test('bytes that are nobody’s still give the connection its window back', () => {
  const server = Server.started({});
  server.send(request(1, false));
  server.streams.get(1)!.reset(2);
  for (let i = 0; i < 2; i++) server.send(frame(DATA, 0, 1, bytes.subarray(0, 16_384)));
  assert.deepEqual(server.frames(), ['RST_STREAM 1 2', 'WINDOW_UPDATE 0 32768']);
});

test('more than a window is an error of the connection', () => {
  const server = Server.started({ initialConnectionWindowSize: 1_000_000 });
  server.send(request(1, false));
  server.streams.get(1)!.pause();
  for (let i = 0; i < 4; i++) server.send(frame(DATA, 0, 1, bytes.subarray(0, 16_384)));
  assert.equal(server.error?.code, 3);
  const connection = Server.started({ initialStreamWindowSize: 1_000_000 });
  connection.send(request(1, false));
  connection.streams.get(1)!.pause();
  for (let i = 0; i < 4; i++) connection.send(frame(DATA, 0, 1, bytes.subarray(0, 16_384)));
  assert.equal(connection.error?.code, 3);
});

test('buffers go back: an idle connection holds none', () => {
  const before = lentChunks();
  const server = Server.started({}, setting(4, 0));
  answering(server, 1);
  server.streams.get(1)!.sendData(bytes, 0, 100_000, true);
  assert.equal(lentChunks(), before + 6);
  server.send(frame(WINDOW_UPDATE, 0, 1, uint32(65_535)), frame(WINDOW_UPDATE, 0, 0, uint32(100_000)));
  server.bytes();
  server.send(frame(WINDOW_UPDATE, 0, 1, uint32(65_535)));
  server.bytes();
  assert.deepEqual(server.heard(), ['1 blocked', '1 writable', '1 complete', 'idle']);
  assert.equal(lentChunks(), before);
  const client = Client.started();
  client.open(requestHead('POST'), false)!.sendData(bytes, 0, 150_000, true);
  client.bytes();
  client.codec.close();
  assert.equal(lentChunks(), before);
});

test('many small pieces are kept together', () => {
  const server = Server.started({ streamBufferLimit: 1_000_000 }, setting(4, 0));
  answering(server, 1);
  const stream = server.streams.get(1)!;
  for (let i = 0; i < 20_000; i++) stream.sendData(bytes, i, i + 1, false);
  server.send(frame(WINDOW_UPDATE, 0, 1, uint32(20_000)));
  const frames = framesOf(server.bytes());
  assert.ok(frames.length < 8, `${frames.length} frames`);
  assert.deepEqual(Buffer.concat(frames.map((each) => each.payload)), bytes.subarray(0, 20_000));
});

test('a client uploads through small windows', () => {
  const client = Client.started({}, setting(4, 100));
  client.open(requestHead('POST'), false)!.sendData(bytes, 0, 250, true);
  assert.deepEqual(client.frames(), ['HEADERS 1', 'DATA 1 100']);
  client.send(frame(HEADERS, END_HEADERS, 1, OK), frame(WINDOW_UPDATE, 0, 1, uint32(200)));
  assert.deepEqual(client.frames(), ['DATA 1 150 END']);
  client.send(frame(DATA, END_STREAM, 1));
  assert.deepEqual(client.heard(), ['1 response 200', '1 data 0 END', '1 complete', 'idle']);
  assert.deepEqual(framesOf(client.bytes()).map(readable), []);
});
