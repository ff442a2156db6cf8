/** Whatever never ends is refused at its limit: what a decoder holds is bounded, and it is bounded early. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventRecorder, REQUEST_OPTIONS, RESPONSE_OPTIONS } from '../../test/support/http1_events.ts';
import type { Decoder } from './codec.ts';
import { Http1RequestDecoder } from './request_decoder.ts';
import { Http1ResponseDecoder } from './response_decoder.ts';

const piece = 1024;
/** Above every limit: 60 KiB of a request head or its trailers, 80 KiB of a response's, 16 KiB of chunk extensions. */
const mostTaken = 96 * 1024;

/** Feeds `start` and then `again` without end, in pieces; answers how many bytes went in before the refusal. */
function bytesUntilRefused(decoder: Decoder, start: string, again: string): number {
  const first = Buffer.from(start, 'latin1');
  decoder.decode(first, 0, first.length);
  const repeated = Buffer.from(again.repeat(Math.ceil(piece / again.length)), 'latin1');
  let taken = first.length;
  while (!decoder.failed && taken < 4 * 1024 * 1024) {
    decoder.decode(repeated, 0, repeated.length);
    taken += repeated.length;
  }
  return taken;
}

const heads: Record<string, [start: string, again: string]> = {
  'a field name': ['A: b\r\n', 'a'],
  'a value': ['A: ', 'a'],
  'blanks before a value': ['A:', ' '],
  'blanks behind a value': ['A: b', ' '],
  fields: ['', 'A: b\r\n'],
  'fields without values': ['', 'A:\r\n'],
  'fields that are dropped': ['', 'A_b: c\r\n'],
  cookies: ['', 'Cookie: a=b; c=d; e=f; g=h; i=j; k=l; m=n; o=p\r\n'],
};
const chunked: Record<string, [start: string, again: string]> = {
  'zeros of a chunk size': ['', '0'],
  'a chunk extension': ['5;', 'a'],
  'chunk extensions over many chunks': ['', `1;${'x'.repeat(1000)}\r\na\r\n`],
  'a trailer': ['0\r\nA: ', 'a'],
  trailers: ['0\r\n', 'A: b\r\n'],
};

for (const enableTrailers of [false, true]) {
  const when = enableTrailers ? 'with trailers' : 'without trailers';
  const options = { enableTrailers, headersWithUnderscores: 'DROP_HEADER' } as const;
  const request = (): Decoder => new Http1RequestDecoder(new EventRecorder(), { ...REQUEST_OPTIONS, ...options });
  const response = (): Decoder => {
    const decoder = new Http1ResponseDecoder(new EventRecorder(), { ...RESPONSE_OPTIONS, enableTrailers });
    decoder.expect('GET');
    return decoder;
  };
  const requests = {
    'a target': ['GET /', 'a'],
    ...prefixed(heads, 'GET / HTTP/1.1\r\nHost: h\r\n'),
    ...prefixed(chunked, 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n'),
  };
  const responses = {
    'a reason': ['HTTP/1.1 200 ', 'a'],
    'answers before the answer': ['', 'HTTP/1.1 102 Processing\r\n\r\n'],
    ...prefixed(heads, 'HTTP/1.1 200 OK\r\n'),
    ...prefixed(chunked, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'),
  };
  for (const [kind, make, list] of [
    ['request', request, requests],
    ['response', response, responses],
  ] as const) {
    for (const [name, [start, again]] of Object.entries(list)) {
      test(`endless in a ${kind} ${when}: ${name}`, () => {
        const taken = bytesUntilRefused(make(), start, again);
        assert.ok(taken <= mostTaken, `${taken} bytes were taken`);
      });
    }
  }
}

function prefixed(list: Record<string, [string, string]>, prefix: string): Record<string, [string, string]> {
  return Object.fromEntries(Object.entries(list).map(([name, [start, again]]) => [name, [prefix + start, again]]));
}
