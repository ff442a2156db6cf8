/**
 * Fuzzers of the HTTP/1 codec: no exception, the same events however the bytes are cut, and whatever is accepted goes on as
 * exactly one message with the same meaning. FUZZ_SEED repeats a run, FUZZ_SCALE lengthens it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  EventRecorder,
  feed,
  REQUEST_OPTIONS,
  recordRequests,
  recordResponse,
} from '../../test/support/http1_events.ts';
import type { HeaderMap } from '../headers/header_map.ts';
import type { Framing } from './codec.ts';
import { chunkEnd, chunkHeader, encodeRequestHead, encodeResponseHead, lastChunk } from './encoder.ts';
import { Http1RequestDecoder } from './request_decoder.ts';

const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 0x7fffffff);
const scale = Number(process.env.FUZZ_SCALE ?? 1);
console.log(`http1 fuzz: FUZZ_SEED=${seed} FUZZ_SCALE=${scale}`);

function check(runs: number, property: fc.IPropertyWithHooks<never>): void {
  fc.assert(property, { seed, numRuns: Math.ceil(runs * scale) });
}

const REQUESTS = [
  'GET / HTTP/1.1\r\nHost: h\r\n\r\n',
  'POST /a?b=c HTTP/1.1\r\nHost: h:80\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello',
  'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nT: v\r\n\r\n',
  'GET http://u@a:80/x HTTP/1.1\r\nHost: h\r\nConnection: close, x-a\r\nX-A: 1\r\n\r\n',
  'CONNECT a:443 HTTP/1.1\r\nHost: h\r\n\r\n',
  'GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n',
  'PUT /x HTTP/1.1\nHost: h\nContent-Length: 1\n\nxGET / HTTP/1.1\r\nHost: h\r\n\r\n',
];
const RESPONSES = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nT: v\r\n\r\n',
  'HTTP/1.0 404 Not Found\r\nConnection: keep-alive\r\n\r\nuntil close',
  'HTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.1 304\r\nContent-Length: 5\r\n\r\n',
];
const TOKENS = [
  ...[
    '\r',
    '\n',
    '\r\n',
    '\0',
    ' ',
    '\t',
    ':',
    ',',
    ';',
    '_',
    '\x7f',
    '\xe9',
    '0',
    '5',
    'f',
    '-',
    '+',
    '#',
    '*',
    '/',
    '@',
  ],
  ...['Content-Length: 5\r\n', 'content-length:0\r\n', 'Transfer-Encoding: chunked\r\n', 'transfer-encoding: gzip\r\n'],
  ...[
    'Host: x\r\n',
    'Connection: te, host\r\n',
    'a_b: c\r\n',
    '\r\n\r\n',
    '0\r\n\r\n',
    '\r\n b',
    'HTTP/1.1',
    'GET / HTTP/1.1\r\n',
  ],
];

type Mutation = readonly [kind: number, at: number, token: string, length: number];
const mutations = fc.array(
  fc.tuple(fc.nat(3), fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(...TOKENS), fc.nat(12)),
  { maxLength: 4 },
);
const cutPlaces = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 });

function mutate(text: string, list: readonly Mutation[]): string {
  let out = text;
  for (const [kind, place, token, length] of list) {
    const at = Math.floor(place * out.length);
    const before = out.slice(0, at);
    if (kind === 0) out = before + token + out.slice(at);
    else if (kind === 1) out = before + token + out.slice(at + token.length);
    else if (kind === 2) out = before + out.slice(at + length);
    else out = before + out.slice(at, at + length) + out.slice(at);
  }
  return out;
}

function cutsOf(length: number, places: readonly number[]): number[] {
  return [...new Set(places.map((place) => Math.floor(place * length)))].sort((a, b) => a - b);
}

const bytewise = (length: number): number[] => Array.from({ length: Math.max(0, length - 1) }, (_, i) => i + 1);
const flags = fc.tuple(fc.boolean(), fc.boolean(), fc.boolean());

test('mutated requests: the same events however they are cut, and what is accepted survives a round trip', () => {
  let accepted = 0;
  const property = fc.property(
    fc.constantFrom(...REQUESTS),
    mutations,
    cutPlaces,
    flags,
    (base, list, places, [a, b, c]) => {
      const input = mutate(base, list);
      const options = { acceptHttp10: a, enableTrailers: b, maxHeadBytes: c ? 96 : REQUEST_OPTIONS.maxHeadBytes };
      const whole = recordRequests(input, [], options, true);
      assert.deepEqual(recordRequests(input, cutsOf(input.length, places), options, true).lines, whole.lines);
      assert.deepEqual(recordRequests(input, bytewise(input.length), options, true).lines, whole.lines);
      const complete = whole.lines.filter((line) => line === 'complete').length;
      for (const request of whole.requests.slice(0, complete)) {
        if (reencodes(request)) accepted++;
      }
    },
  );
  check(100_000, property as never);
  assert.ok(accepted > 1000 * Math.min(1, scale), `only ${accepted} accepted`);
});

test('mutated responses: the same events however they are cut', () => {
  const methods = fc.constantFrom('GET', 'HEAD', 'CONNECT');
  const property = fc.property(
    fc.constantFrom(...RESPONSES),
    mutations,
    cutPlaces,
    methods,
    fc.boolean(),
    (base, list, places, method, upgrade) => {
      const input = mutate(base, list);
      const how = { method, upgrade, fin: true, options: { enableTrailers: upgrade } };
      const whole = recordResponse(input, [], how);
      assert.deepEqual(recordResponse(input, cutsOf(input.length, places), how).lines, whole.lines);
      assert.deepEqual(recordResponse(input, bytewise(input.length), how).lines, whole.lines);
      const { responses } = whole;
      if (method === 'GET' && whole.lines.includes('complete') && responses.length === 1)
        reencodesResponse(responses[0]);
    },
  );
  check(60_000, property as never);
});

test('random bytes are refused or waited for, never thrown at', () => {
  const property = fc.property(fc.uint8Array({ maxLength: 64 }), fc.boolean(), (bytes, prefix) => {
    const input = Buffer.concat([Buffer.from(prefix ? 'GET / HTTP/1.1\r\nHost: h\r\n' : ''), bytes]);
    assert.deepEqual(recordRequests(input, bytewise(input.length)).lines, recordRequests(input, []).lines);
    assert.deepEqual(recordResponse(input, bytewise(input.length)).lines, recordResponse(input, []).lines);
  });
  check(30_000, property as never);
});

test('what was encoded is read back', () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9!#$%&'*+.^_`|~-]{0,20}$/).filter((text) => !FRAMING_OR_HOST.has(text));
  const value = fc.stringMatching(/^[!-~\x80-\xff]([\t -~\x80-\xff]{0,30}[!-~\x80-\xff])?$|^$/);
  const fields = fc.array(fc.tuple(name, value), { maxLength: 12 });
  const body = fc.option(
    fc.tuple(fc.constantFrom<Framing>('length', 'chunked'), fc.string({ minLength: 1, maxLength: 40 })),
  );
  const property = fc.property(
    fc.constantFrom('GET', 'POST', 'UNSUBSCRIBE'),
    fc.stringMatching(/^\/[!-~]{0,30}$/),
    fields,
    body,
    (method, path, list, framed) => {
      const lines = [`${method} ${path} HTTP/1.1`, 'hOst: h', ...list.map(([n, v]) => `${n.toUpperCase()}: ${v}`)];
      let text = '';
      if (framed !== null) {
        text = Buffer.from(framed[1]).toString('latin1');
        lines.push(framed[0] === 'length' ? `content-length: ${text.length}` : 'transfer-encoding: chunked');
        if (framed[0] === 'chunked') text = chunkHeader(text.length) + text + chunkEnd + lastChunk;
      }
      const { requests, lines: told } = recordRequests([...lines, '', text].join('\r\n'), []);
      assert.equal(told.at(-1), 'complete');
      const { headers } = requests[0].head;
      const seen = headers.names.map((n, i) => [n.text, headers.values[i]]).filter(([n]) => n !== 'content-length');
      assert.deepEqual(seen, list);
      assert.ok(reencodes(requests[0]));
    },
  );
  check(20_000, property as never);
});

const FRAMING_OR_HOST: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'proxy-connection',
  'te',
]);

interface Message {
  readonly framing: Framing;
  readonly body: string;
}

function bodyText(message: Message): string {
  if (message.framing !== 'chunked') return message.body;
  return message.body === '' ? lastChunk : chunkHeader(message.body.length) + message.body + chunkEnd + lastChunk;
}

/** Encodes, reads back and compares; answers false for targets that the connection manager refuses. */
function reencodes(request: EventRecorder['requests'][number]): boolean {
  const { head, framing } = request;
  if (head.method !== 'CONNECT' && !head.path.startsWith('/') && head.path !== '*') return false;
  const wire = encodeRequestHead(head.method, head.path, head.authority, head.headers, framing) + bodyText(request);
  const again = recordRequests(wire, [], {}, true);
  assert.deepEqual(again.lines.filter((line) => !line.startsWith('body')).slice(1), ['complete'], wire);
  assert.equal(again.requests.length, 1, wire);
  const [second] = again.requests;
  assert.deepEqual(
    [
      second.head.method,
      second.head.path,
      second.head.authority,
      second.framing,
      second.body,
      fieldsOf(second.head.headers),
    ],
    [head.method, head.path, head.authority, framing, request.body, fieldsOf(head.headers)],
  );
  return true;
}

function reencodesResponse(response: EventRecorder['responses'][number]): void {
  const { head, framing } = response;
  if (head.status < 200) return;
  const wire = encodeResponseHead(head.status, head.headers, framing) + bodyText(response);
  const again = recordResponse(wire, [], { fin: true });
  assert.equal(again.lines.at(-1), 'complete', wire);
  const [second] = again.responses;
  assert.deepEqual(
    [second.head.status, second.framing, second.body, fieldsOf(second.head.headers)],
    [head.status, framing, response.body, fieldsOf(head.headers)],
  );
}

function fieldsOf(headers: HeaderMap): string[] {
  return headers.names.map((name, i) => `${name.text}: ${headers.values[i]}`);
}

/** Milliseconds to take `input` byte by byte. */
function drip(input: string): number {
  const recorder = new EventRecorder();
  const decoder = new Http1RequestDecoder(recorder, REQUEST_OPTIONS);
  const bytes = Buffer.from(input);
  const start = performance.now();
  for (let i = 0; i < bytes.length; i++) decoder.decode(bytes, i, i + 1);
  const took = performance.now() - start;
  assert.deepEqual([recorder.lines.at(-1), decoder.failed], ['complete', false]);
  return took;
}

test('a head of 60 KiB that drips byte by byte costs linear time', () => {
  const size = 60 * 1024 - 200;
  const heads = [
    `GET /${'a'.repeat(size)} HTTP/1.1\r\nHost: h\r\n\r\n`,
    `UNSUBSCRIBE /${'a'.repeat(size)} HTTP/1.1\r\nHost: h\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: h\r\nA: ${'a'.repeat(size)}\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: h\r\n${'a'.repeat(size)}: a\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: h\r\n${`A: ${'a'.repeat(590)}\r\n`.repeat(99)}\r\n`,
  ];
  // Quadratic time would be some 2 s a head.
  for (const head of heads) assert.ok(Math.min(drip(head), drip(head)) < 300);
});

test('a body of one-byte chunks costs linear time', () => {
  const start = performance.now();
  const recorder = new EventRecorder();
  recorder.onBody = (): void => {};
  const decoder = new Http1RequestDecoder(recorder, REQUEST_OPTIONS);
  const input = `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${'1\r\na\r\n'.repeat(200_000)}${lastChunk}`;
  feed(decoder, Buffer.from(input), []);
  assert.deepEqual([recorder.lines.at(-1), decoder.idle], ['complete', true]);
  assert.ok(performance.now() - start < 2000);
});
