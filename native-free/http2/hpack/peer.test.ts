/** HPACK against another implementation: node:http2 (nghttp2) writes what our decoder reads, and reads what our encoder writes. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import net, { type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import { requestStory, storyFields } from '../../../test/support/header_stories.ts';
import { FieldRecorder, headerMap } from '../../../test/support/hpack_blocks.ts';
import { Random, seedOfRun } from '../../../test/support/random.ts';
import { Flag, Frame, frame, preface, settings, settingsAck } from '../../../test/support/raw_http2_client.ts';
import { encodeResponseHead, responseHeadBound } from '../messages/encode_head.ts';
import { HpackDecoder } from './decoder.ts';
import { HpackEncoder } from './encoder.ts';
import { FieldFlag } from './field_kind.ts';

const seed = seedOfRun();
console.log(`hpack peer: FUZZ_SEED=${seed}`);

const TABLE_SIZE = 1;

/** Answers every request's head with fields of its own choice; keeps the frames' blocks together. */
class Peer {
  readonly requests: FieldRecorder[] = [];
  readonly answers: [string, string][][] = [];
  private readonly decoder: HpackDecoder;
  private readonly encoder = new HpackEncoder(8192);
  private readonly random: Random;
  private received = Buffer.alloc(0);
  private block = Buffer.alloc(0);

  constructor(socket: Socket, tableSize: number, random: Random) {
    this.decoder = new HpackDecoder(tableSize);
    this.random = random;
    socket.on('error', () => {});
    socket.write(settings([[TABLE_SIZE, tableSize]]));
    let skip = preface.length;
    socket.on('data', (data: Buffer) => {
      this.received = Buffer.concat([this.received, data]);
      if (skip > 0 && this.received.length >= skip) {
        this.received = this.received.subarray(skip);
        skip = 0;
      }
      while (skip === 0 && this.received.length >= 9) {
        const end = 9 + this.received.readUIntBE(0, 3);
        if (this.received.length < end) break;
        this.onFrame(socket, this.received.subarray(0, end));
        this.received = this.received.subarray(end);
      }
    });
  }

  private onFrame(socket: Socket, bytes: Buffer): void {
    const [type, flags] = [bytes[3], bytes[4]];
    if (type === Frame.Settings) this.onSettings(socket, flags, bytes.subarray(9));
    if (type !== Frame.Headers && type !== Frame.Continuation) return;
    const start = (flags & Flag.Priority) !== 0 && type === Frame.Headers ? 14 : 9;
    this.block = Buffer.concat([this.block, bytes.subarray(start)]);
    if ((flags & Flag.EndHeaders) === 0) return;
    const request = new FieldRecorder();
    assert.ok(this.decoder.decode(this.block, 0, this.block.length, request));
    this.block = Buffer.alloc(0);
    this.requests.push(request);
    this.answer(socket, bytes.readUInt32BE(5));
  }

  private onSettings(socket: Socket, flags: number, payload: Buffer): void {
    if ((flags & Flag.Ack) !== 0) {
      this.decoder.settingsAcknowledged();
      return;
    }
    for (let at = 0; at < payload.length; at += 6) {
      if (payload.readUInt16BE(at) === TABLE_SIZE) this.encoder.setMaxTableSize(payload.readUInt32BE(at + 2));
    }
    socket.write(settingsAck);
  }

  private answer(socket: Socket, stream: number): void {
    const fields = storyFields(this.random).filter(([name]) => name !== 'te');
    this.answers.push(fields);
    const head = {
      status: this.random.pick([200, 204, 404, 201, 503]),
      protocol: 'HTTP/2' as const,
      headers: headerMap(fields),
    };
    const block = Buffer.alloc(responseHeadBound(head));
    const end = encodeResponseHead(this.encoder, block, 0, head);
    socket.write(frame(Frame.Headers, Flag.EndHeaders | Flag.EndStream, stream, block.subarray(0, end)));
  }
}

for (const [ours, theirs] of [
  [4096, 4096],
  [0, 0],
  [200, 100],
  [65536, 65536],
]) {
  test(`150 requests and answers with node:http2, tables of ${ours} and ${theirs} bytes`, async (t) => {
    const random = new Random(seed);
    const peers: Peer[] = [];
    const server = net.createServer((socket) => peers.push(new Peer(socket, ours, random)));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
      settings: { headerTableSize: theirs },
    });
    client.on('error', () => {});
    t.after(() => {
      client.destroy();
      server.close();
    });
    for (let i = 0; i < 150; i++) {
      const { method, path, fields } = requestStory(random);
      const headers = Object.fromEntries(fields);
      const secret = fields.find(([name]) => name.startsWith('x-'))?.[0];
      const marked = secret === undefined ? headers : { ...headers, [http2.sensitiveHeaders]: [secret] };
      const request = client.request({ ':method': method, ':path': path, ...marked }, { endStream: true });
      request.on('error', () => {});
      const [answer] = (await once(request, 'response')) as [http2.IncomingHttpHeaders];
      request.resume();
      assertRequest(peers[0].requests[i], method, path, fields, secret);
      for (const [name, value] of peers[0].answers[i]) assert.equal(String(answer[name]), value.trim(), name);
    }
  });
}

test('every byte that a value may hold, as node:http2 codes it with Huffman', async (t) => {
  const peers: Peer[] = [];
  const server = net.createServer((socket) => peers.push(new Peer(socket, 4096, new Random(seed))));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  t.after(() => {
    client.destroy();
    server.close();
  });
  const headers: Record<string, string> = {};
  // The short codes of `a` make up for a long one, or it would not be worth coding.
  for (let byte = 0x20; byte < 0x100; byte++) {
    if (byte !== 0x7f) headers[`x-${byte}`] = `${'a'.repeat(20)}${String.fromCharCode(byte)}a`;
  }
  await once(client.request({ ':path': '/', ...headers }, { endStream: true }), 'response');
  const got = new Map(peers[0].requests[0].fields);
  for (const [name, value] of Object.entries(headers)) assert.equal(got.get(name), value);
});

function assertRequest(
  got: FieldRecorder,
  method: string,
  path: string,
  fields: [string, string][],
  secret?: string,
): void {
  const all = new Map(got.fields);
  assert.equal(all.get(':method'), method);
  assert.equal(all.get(':path'), path);
  assert.equal(all.size, fields.length + 4);
  for (const [name, value] of fields) assert.equal(all.get(name), value, name);
  if (secret === undefined) return;
  const index = got.fields.findIndex(([name]) => name === secret);
  assert.ok((got.kinds[index] & FieldFlag.NeverIndexed) !== 0);
}
