/** The wire forms of gRPC and gRPC-Web: framing, base64, timeouts, messages, types. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Base64Decoder, MessageTextEncoder } from './base64.ts';
import { isGrpcType } from './content_type.ts';
import { MessageCounter } from './message_counter.ts';
import { frameMessage, MessageReader } from './message_framing.ts';
import { parseMethodPath } from './method_path.ts';
import { decodeGrpcMessage, encodeGrpcMessage } from './percent_encoding.ts';
import { grpcToHttpStatus, httpToGrpcStatus, parseGrpcStatus } from './status.ts';
import { formatGrpcTimeout, parseGrpcTimeout } from './timeout.ts';

const seed = Date.now() % 1_000_000;

/** Cuts bytes at these places, in parts of the whole. */
function cut(bytes: Uint8Array, places: number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => Math.floor(place * bytes.length)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

const messages = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 });
const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });

test('messages are found in a body however it is cut', () => {
  fc.assert(
    fc.property(messages, places, (sent, at) => {
      const body = Buffer.concat(sent.map(frameMessage));
      const reader = new MessageReader(300);
      const counter = new MessageCounter();
      const found: Buffer[] = [];
      for (const piece of cut(body, at)) {
        assert.ok(reader.push(piece, (message) => found.push(Buffer.from(message))));
        counter.push(piece, 0, piece.length);
      }
      assert.deepEqual(
        found,
        sent.map((message) => Buffer.from(message)),
      );
      assert.equal(reader.partial, false);
      assert.equal(counter.count, sent.length);
    }),
    { seed },
  );
});

test('a message over the limit ends the reading, before any memory is taken for it', () => {
  const reader = new MessageReader(10);
  const seen: number[] = [];
  assert.ok(reader.push(frameMessage(new Uint8Array(10)), (message) => seen.push(message.length)));
  assert.equal(
    reader.push(Uint8Array.of(0, 0xff, 0xff, 0xff, 0xff, 1), () => seen.push(-1)),
    false,
  );
  assert.equal(
    reader.push(frameMessage(new Uint8Array(1)), () => seen.push(-1)),
    false,
  );
  assert.deepEqual(seen, [10]);
});

test('a message counts from its first byte on', () => {
  const counter = new MessageCounter();
  assert.equal(counter.push(Uint8Array.of(0), 0, 1), 1);
  assert.equal(counter.push(Uint8Array.of(0, 0, 0, 2, 7), 0, 5), 0);
  assert.equal(counter.push(Uint8Array.of(7, 0), 0, 2), 1);
});

test('text bodies are base64 of each message, and are read back however they are cut', () => {
  fc.assert(
    fc.property(messages, places, places, (sent, at, back) => {
      const frames = sent.map((message) => Buffer.from(frameMessage(message)));
      const encoder = new MessageTextEncoder();
      let text = '';
      for (const piece of cut(Buffer.concat(frames), at)) {
        const output = Buffer.alloc(MessageTextEncoder.outputSize(piece.length));
        text += output.toString('latin1', 0, encoder.push(piece, 0, piece.length, output));
      }
      assert.equal(text, frames.map((frame) => frame.toString('base64')).join(''));
      const decoder = new Base64Decoder();
      const read: Buffer[] = [];
      for (const piece of cut(Buffer.from(text), back)) {
        const output = Buffer.alloc(Base64Decoder.outputSize(piece.length));
        const length = decoder.push(piece, 0, piece.length, output);
        assert.ok(length >= 0);
        read.push(output.subarray(0, length));
      }
      assert.equal(decoder.pending, 0);
      assert.deepEqual(Buffer.concat(read), Buffer.concat(frames));
    }),
    { seed },
  );
});

test('what is no base64 is told', () => {
  for (const bad of ['A===', '=AAA', 'AA=A', 'A-AA', 'AAA=AA=A']) {
    const decoder = new Base64Decoder();
    assert.equal(decoder.push(Buffer.from(bad), 0, bad.length, Buffer.alloc(20)), -1, bad);
  }
});

test('timeouts are read as Envoy reads them, and written with up to 8 digits', () => {
  const read = ['1H', '2M', '3S', '4m', '5u', '1001u', '6n', '99999999n', '0m', '000000001S'].map(parseGrpcTimeout);
  assert.deepEqual(read, [3_600_000, 120_000, 3000, 4, 1, 2, 1, 100, 0, 1000]);
  for (const bad of [undefined, '', 'S', '1', '1s', '-1S', '1.5S', '100000000S', ' 1S']) {
    assert.equal(parseGrpcTimeout(bad), undefined, String(bad));
  }
  const written = [0, 1500, 99_999_999, 100_000_000, 1e12, 1e14, 1e16].map(formatGrpcTimeout);
  assert.deepEqual(written, ['0m', '1500m', '99999999m', '100000S', '16666666M', '27777777H', '99999999H']);
});

test('grpc-message is percent-encoded bytes', () => {
  assert.equal(encodeGrpcMessage('plain text: ok'), 'plain text: ok');
  assert.equal(encodeGrpcMessage('100%\n\xc3\xa9'), '100%25%0A%C3%A9');
  assert.equal(decodeGrpcMessage('100%25%0a%C3%A9 %zz %'), '100%\n\xc3\xa9 %zz %');
});

test('statuses in both directions', () => {
  assert.deepEqual([400, 401, 403, 404, 429, 502, 200, 500].map(httpToGrpcStatus), [13, 16, 7, 12, 14, 14, 2, 2]);
  assert.deepEqual([0, 1, 5, 14, 16, 17, -1].map(grpcToHttpStatus), [200, 499, 404, 503, 401, 500, 500]);
  assert.deepEqual(['0', '16', '99', '', 'x', '-1'].map(parseGrpcStatus), [0, 16, 99, -1, -1, -1]);
});

test('types and paths', () => {
  const types = ['application/grpc', 'application/grpc+json', 'application/grpc;x', 'application/grpc-web', undefined];
  assert.deepEqual(types.map(isGrpcType), [true, true, false, false, false]);
  assert.deepEqual(parseMethodPath('/a.B/C?x=/'), { service: 'a.B', method: 'C' });
  for (const none of ['/', '/a', '/a/b/c', '']) assert.equal(parseMethodPath(none), undefined);
});
