/** Frames that cost us more than their sender: each flood ends the connection at Envoy's limit, and memory stays bounded. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Client,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  framesOf,
  GET,
  HEADERS,
  OK,
  PING,
  POST,
  PRIORITY,
  RST_STREAM,
  request,
  responseHead,
  SETTINGS,
  Server,
  uint32,
  WINDOW_UPDATE,
} from '../../test/support/http2_peers.ts';

/** Sends the frame until the connection ends; how often it took, at most `most`. */
function flood(server: Server | Client, bytes: Buffer, most: number): number {
  for (let i = 1; i <= most; i++) {
    server.send(bytes);
    if (server.codec.failed) return i;
  }
  return most + 1;
}

/** Requests, each answered and done with. */
function serve(server: Server, from: number, count: number, body = 5): void {
  for (let id = from; id < from + 2 * count; id += 2) {
    server.send(request(id));
    const stream = server.streams.get(id)!;
    stream.sendResponse(responseHead(), false);
    stream.sendData(Buffer.alloc(body), 0, body, true);
    server.streams.delete(id);
    server.bytes();
    server.heard();
  }
}

const ping = frame(PING, 0, 0, Buffer.alloc(8));

for (const [what, bytes] of [
  ['PING', ping],
  ['SETTINGS', frame(SETTINGS, 0, 0)],
] as const) {
  test(`${what} that is not read: 1,000 answers wait, no more`, () => {
    const server = Server.started();
    assert.equal(flood(server, bytes, 20_000), 1001);
    assert.equal(server.error?.counter, 'outbound_control_flood');
    assert.deepEqual(server.frames(), ['GOAWAY 0 11'], 'what nobody reads is dropped');
  });

  test(`${what} that is read does not add up`, () => {
    const server = Server.started();
    for (let i = 0; i < 5000; i++) {
      server.send(bytes);
      server.bytes();
    }
    assert.equal(server.error, undefined);
  });
}

test('streams refused by RST_STREAM count as control frames', () => {
  const server = Server.started({ maxConcurrentStreams: 1, maxOutboundControlFrames: 10 });
  let id = 1;
  for (; id < 100 && !server.codec.failed; id += 2) server.send(request(id));
  assert.equal(server.error?.counter, 'outbound_control_flood');
  assert.equal(id, 1 + 2 * 12);
});

test('answers that are not read', () => {
  const server = Server.started({ maxOutboundFrames: 50 });
  let id = 1;
  for (; id < 1000 && !server.codec.failed; id += 2) {
    server.send(request(id));
    server.streams.get(id)!.sendResponse(responseHead(), true);
    server.send(frame(RST_STREAM, 0, id, uint32(8)));
  }
  assert.equal(server.error?.counter, 'outbound_flood');
  assert.equal(id, 1 + 2 * 51);
});

test('empty frames in a row', () => {
  for (const bytes of [frame(DATA, 0, 1), frame(DATA, 8, 1, [0]), frame(DATA, 8, 1, [2, 0, 0])]) {
    const server = Server.started();
    server.send(request(1, false));
    assert.equal(flood(server, bytes, 10), 2);
    assert.equal(server.error?.counter, 'inbound_empty_frames_flood');
  }
  const mixed = Server.started();
  mixed.send(request(1, false));
  for (let i = 0; i < 10; i++) mixed.send(frame(DATA, 0, 1), frame(DATA, 0, 1, [1]));
  assert.equal(mixed.error, undefined);
});

test('CONTINUATION without end: empty, of one field, or of bytes', () => {
  const begin = frame(HEADERS, END_STREAM, 1, GET);
  const empty = Server.started();
  empty.send(begin);
  assert.equal(flood(empty, frame(CONTINUATION, 0, 1), 10), 2);
  const fields = Server.started();
  fields.send(begin);
  assert.ok(flood(fields, frame(CONTINUATION, 0, 1, [0x00, 1, 0x61, 1, 0x62]), 5000) < 100);
  assert.equal(fields.error?.counter, 'header_overflow');
  const bytes = Server.started();
  bytes.send(begin);
  assert.equal(flood(bytes, frame(CONTINUATION, 0, 1, Buffer.alloc(16_384)), 100), 4);
  assert.equal(bytes.error?.code, 9);
  assert.equal(bytes.error?.counter, 'header_overflow');
});

test('PRIORITY: 100 for each stream that is open, none for streams that were', () => {
  const priority = frame(PRIORITY, 0, 1, [0, 0, 0, 3, 1]);
  assert.equal(flood(Server.started(), priority, 2000), 101);
  const open = Server.started();
  open.send(request(1), request(3));
  assert.equal(flood(open, priority, 2000), 301);
  const later = Server.started();
  serve(later, 1, 10_000);
  assert.equal(flood(later, priority, 2000), 101);
  assert.equal(later.error?.counter, 'inbound_priority_frames_flood');
  const browser = Server.started();
  for (let id = 1; id < 4000; id += 2) {
    browser.send(frame(PRIORITY, 0, id, [0, 0, 0, 0, 1]));
    serve(browser, id, 1);
  }
  assert.equal(browser.error, undefined, 'one for each request');
});

test('WINDOW_UPDATE: in step with data and streams, however many there were', () => {
  const update = frame(WINDOW_UPDATE, 0, 0, uint32(1));
  assert.equal(flood(Server.started(), update, 5000), 6);
  const open = Server.started();
  open.send(request(1));
  assert.equal(flood(open, update, 5000), 8);
  const later = Server.started();
  serve(later, 1, 10_000, 1);
  assert.ok(flood(later, update, 100_000) < 21_000);
  assert.equal(later.error?.counter, 'inbound_window_update_frames_flood');
  const reader = Server.started();
  for (let id = 1; id < 4000; id += 2) {
    serve(reader, id, 1);
    for (let i = 0; i < 10; i++) reader.send(update);
  }
  assert.equal(reader.error, undefined, 'ten for each DATA frame');
});

test('rapid reset: each is told, nothing is kept', () => {
  const server = Server.started({ streamResetBurst: 10_000 });
  for (let id = 1; id < 20_000; id += 2) {
    server.send(request(id), frame(RST_STREAM, 0, id, uint32(8)));
    server.streams.delete(id);
  }
  const heard = server.heard();
  assert.equal(heard.filter((line) => line.endsWith('remote')).length, 10_000);
  assert.equal(server.codec.activeStreams, 0);
  assert.equal(server.codec.hasOutput, false);
});

test('rapid reset: more at once than a burst, and than each second brings, end the connection', () => {
  const server = Server.started({ streamResetBurst: 3, streamResetRate: 1 });
  for (let id = 1; id < 20; id += 2) {
    if (server.error !== undefined) break;
    server.send(request(id), frame(RST_STREAM, 0, id, uint32(8)));
    server.streams.delete(id);
  }
  assert.equal(server.error?.code, 2);
  const resets = server.heard().filter((line) => line.endsWith('remote')).length;
  // A second may have begun in between.
  assert.ok(resets === 4 || resets === 5, String(resets));
});

test('MadeYouReset: streams that are made to be reset by us are told as errors', () => {
  const server = Server.started({ initialStreamWindowSize: 65_535 });
  server.send(request(1, false), frame(WINDOW_UPDATE, 0, 1, uint32(0x7fffffff)));
  server.send(request(3), frame(DATA, 0, 3, [1]));
  assert.deepEqual(
    server.heard().filter((line) => line.includes('reset')),
    ['1 reset 3 refused', '3 reset 5 refused'],
  );
  const zero = Server.started();
  zero.send(request(1), frame(WINDOW_UPDATE, 0, 1, uint32(0)));
  assert.equal(zero.error?.code, 1);
});

test('HPACK bomb: 4,000 references to one field of 4,000 bytes end the stream', () => {
  const server = Server.started();
  server.send(
    frame(HEADERS, END_HEADERS | END_STREAM, 1, [
      ...GET,
      0x40,
      1,
      0x61,
      0x7f,
      0x80 + 33,
      30,
      ...Buffer.alloc(4000, 0x62),
    ]),
  );
  server.heard();
  server.send(frame(HEADERS, END_HEADERS | END_STREAM, 3, Buffer.concat([GET, Buffer.alloc(4000, 0xbe)])));
  assert.deepEqual(server.frames(), ['RST_STREAM 3 2']);
  server.send(frame(HEADERS, END_HEADERS | END_STREAM, 5, Buffer.concat([GET, Buffer.alloc(101, 0xbe)])));
  assert.deepEqual(server.frames(), ['RST_STREAM 5 2']);
});

test('1,100 streams at once: 1,024 are let in', () => {
  const server = Server.started({ maxConcurrentStreams: 1024 });
  for (let i = 0; i < 1100; i++) server.send(frame(HEADERS, END_HEADERS, 2 * i + 1, POST));
  const frames = framesOf(server.bytes());
  assert.equal(frames.length, 76);
  assert.ok(frames.every((each) => each.type === RST_STREAM && each.payload[3] === 7));
  assert.equal(server.heard().filter((line) => line === 'count stream_refused_errors').length, 76);
});

test('a reader that opens no window: what waits is bounded by its producers’ obedience', () => {
  const server = Server.started({ streamBufferLimit: 32 * 1024 }, Buffer.from('000400000000', 'hex'));
  const piece = Buffer.alloc(8 * 1024);
  for (let id = 1; id < 200; id += 2) {
    server.send(request(id));
    const stream = server.streams.get(id)!;
    stream.sendResponse(responseHead(), false);
    while (!stream.blocked) stream.sendData(piece, 0, piece.length, false);
  }
  assert.equal(server.codec.waitingBytes, 100 * 40 * 1024);
  server.codec.close();
  assert.equal(server.codec.waitingBytes, 0);
});

test('a server that floods its client', () => {
  const pings = Client.started();
  assert.equal(flood(pings, ping, 2000), 1001);
  const updates = Client.started();
  assert.equal(flood(updates, frame(WINDOW_UPDATE, 0, 0, uint32(1)), 2000), 6);
  const informational = Client.started();
  informational.open();
  informational.bytes();
  informational.send(frame(HEADERS, END_HEADERS, 1, OK));
  assert.equal(flood(informational, frame(DATA, 0, 1), 10), 2);
});
