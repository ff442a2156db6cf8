/** The same bytes in any pieces mean the same; and no bytes whatever break the codec. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ACK,
  Client,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  framesOf,
  GOAWAY,
  HEADERS,
  OK,
  PADDED,
  PING,
  POST,
  PREFACE,
  PRIORITY,
  RST_STREAM,
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

const trailers = [0x00, 1, 0x61, 1, 0x62];

const TO_SERVER = Buffer.concat([
  PREFACE,
  frame(SETTINGS, 0, 0, Buffer.concat([setting(1, 100), setting(4, 5), setting(0x77, 1)])),
  frame(SETTINGS, ACK, 0),
  frame(WINDOW_UPDATE, 0, 0, uint32(100)),
  request(1),
  frame(PRIORITY, 0, 1, [0, 0, 0, 0, 1]),
  frame(HEADERS, PADDED, 3, Buffer.concat([Buffer.of(2), POST, Buffer.alloc(2)])),
  frame(CONTINUATION, 0, 3, [0x40, 1, 0x63]),
  frame(CONTINUATION, END_HEADERS, 3, [1, 0x64]),
  frame(DATA, 0, 3, Buffer.from('hello')),
  frame(DATA, PADDED, 3, [3, 0x61, 0x62, 0, 0, 0]),
  frame(0xbe, 0xff, 3, Buffer.alloc(20)),
  frame(PING, 0, 0, Buffer.from('12345678')),
  frame(DATA, PADDED | END_STREAM, 3, [2, 0x63, 0, 0]),
  request(5, false),
  frame(HEADERS, END_HEADERS | END_STREAM, 5, trailers),
  request(7, false),
  frame(RST_STREAM, 0, 7, uint32(8)),
  frame(GOAWAY, 0, 0, Buffer.concat([uint32(0, 0), Buffer.from('debug data')])),
]);

const TO_CLIENT = Buffer.concat([
  frame(SETTINGS, 0, 0, Buffer.concat([setting(3, 50), setting(4, 20_000)])),
  frame(SETTINGS, ACK, 0),
  frame(HEADERS, END_HEADERS, 1, [0x08, 3, 0x31, 0x30, 0x33]),
  frame(HEADERS, END_HEADERS, 1, OK),
  frame(DATA, PADDED, 1, [1, 0x61, 0]),
  frame(HEADERS, END_STREAM, 1, [0x00, 1, 0x61]),
  frame(CONTINUATION, END_HEADERS, 1, [1, 0x62]),
  frame(HEADERS, END_HEADERS | END_STREAM, 3, OK),
  frame(WINDOW_UPDATE, 0, 5, uint32(10)),
  frame(RST_STREAM, 0, 5, uint32(7)),
  frame(GOAWAY, 0, 0, uint32(7, 0)),
  frame(HEADERS, END_HEADERS, 7, OK),
  frame(DATA, END_STREAM | PADDED, 7, [0]),
]);

/** Pieces of data joined, since how they are cut is not of the message. */
function joined(log: string[]): string[] {
  const out: string[] = [];
  const open = new Map<string, number>();
  for (const line of log) {
    const [id, what, length, end] = line.split(' ');
    if (what !== 'data') {
      out.push(line);
      continue;
    }
    const sum = (open.get(id) ?? 0) + Number(length);
    open.set(id, sum);
    if (end !== undefined) out.push(`${id} data ${sum} END`);
  }
  for (const [id, sum] of open) out.push(`${id} ${sum}`);
  return out;
}

function toServer(pieces: Buffer[]): { heard: string[]; said: string[] } {
  const server = new Server();
  for (const piece of pieces) server.codec.receive(piece, 0, piece.length);
  server.streams.get(1)?.sendResponse(responseHead(200, { a: 'b' }), true);
  return { heard: joined(server.heard()), said: server.frames() };
}

function toClient(pieces: Buffer[]): { heard: string[]; said: string[] } {
  const client = new Client();
  for (let i = 0; i < 4; i++) client.open(requestHead(i === 2 ? 'POST' : 'GET'), i !== 2);
  for (const piece of pieces) client.codec.receive(piece, 0, piece.length);
  return { heard: joined(client.heard()), said: framesOf(client.bytes().subarray(PREFACE.length)).map(readable) };
}

for (const [role, bytes, run] of [
  ['server', TO_SERVER, toServer],
  ['client', TO_CLIENT, toClient],
] as const) {
  test(`${role}: split at every byte, and into single bytes`, () => {
    const whole = run([bytes]);
    assert.ok(whole.heard.length > 8, whole.heard.join('; '));
    assert.equal(
      whole.heard.some((line) => line.startsWith('error')),
      false,
      whole.heard.join('; '),
    );
    for (let at = 1; at < bytes.length; at++) {
      assert.deepEqual(run([bytes.subarray(0, at), bytes.subarray(at)]), whole, `split at ${at}`);
    }
    assert.deepEqual(run(Array.from(bytes, (byte) => Buffer.of(byte))), whole);
  });
}

/** mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Frames moved, doubled, left out; bytes changed, left out, put in. */
function mutate(frames: Buffer[], random: () => number): Buffer {
  const pick = (below: number) => Math.floor(random() * below);
  const list = [...frames];
  for (let i = pick(3); i > 0; i--) {
    const from = pick(list.length);
    if (random() < 0.5) list.splice(pick(list.length), 0, list[from]);
    else list.splice(from, 1);
  }
  const bytes = Buffer.concat(list);
  for (let i = pick(4); i > 0 && bytes.length > 0; i--) {
    bytes[pick(bytes.length)] = random() < 0.3 ? pick(256) : bytes[pick(bytes.length)] ^ (1 << pick(8));
  }
  return random() < 0.2 ? bytes.subarray(0, pick(bytes.length + 1)) : bytes;
}

function split(bytes: Buffer, from: number): Buffer[] {
  const frames = [bytes.subarray(0, from)];
  for (let at = from; at < bytes.length; ) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    frames.push(bytes.subarray(at, end));
    at = end;
  }
  return frames;
}

test('60,000 mutated conversations: nothing is thrown, nothing is kept', (t) => {
  const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() & 0xffffff);
  t.diagnostic(`FUZZ_SEED=${seed}`);
  const random = randomFrom(seed);
  const toServers = split(TO_SERVER, PREFACE.length);
  const toClients = split(TO_CLIENT, 0);
  const lent = lentChunks();
  let failed = 0;
  for (let i = 0; i < 60_000; i++) {
    const client = i % 3 === 0;
    const options = { streamErrorOnInvalidMessage: random() < 0.5 };
    const peer = client ? new Client(options) : new Server(options);
    if (peer instanceof Client) for (let n = 0; n < 4; n++) peer.open();
    const bytes = mutate(client ? toClients : toServers, random);
    const cut = Math.floor(random() * bytes.length);
    peer.codec.receive(bytes, 0, cut);
    if (peer instanceof Server && random() < 0.5) {
      for (const stream of peer.streams.values()) {
        stream.sendResponse(responseHead(), false);
        stream.sendData(bytes, 0, cut, true);
      }
    }
    const early = random() < 0.3 ? peer.bytes() : Buffer.alloc(0);
    peer.codec.receive(bytes, cut, bytes.length);
    const output = Buffer.concat([early, peer.bytes()]);
    const frames = framesOf(client ? output.subarray(PREFACE.length) : output);
    if (peer.codec.failed) {
      failed++;
      assert.equal(frames.at(-1)?.type, GOAWAY);
    }
    peer.codec.close();
    const ends = peer.heard().filter((line) => / (complete|reset)/.test(line));
    assert.equal(new Set(ends.map((line) => line.split(' ')[0])).size, ends.length, 'each stream ends once');
  }
  assert.equal(lentChunks(), lent);
  assert.ok(failed > 10_000 && failed < 55_000, `${failed} connections failed`);
});

test('bytes from nowhere', (t) => {
  const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() & 0xffffff);
  t.diagnostic(`FUZZ_SEED=${seed}`);
  const random = randomFrom(seed);
  for (let i = 0; i < 5000; i++) {
    const server = Server.started();
    const bytes = Buffer.from(Array.from({ length: 200 }, () => Math.floor(random() * 256)));
    bytes[0] = 0;
    bytes[1] = 0;
    bytes[3] %= 12;
    server.send(bytes);
    server.codec.close();
  }
});
