/** Heads to header blocks and back: what comes out at the other end of a connection, and what is left out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestStory, storyFields } from '../../../test/support/header_stories.ts';
import { decodeBlock, type FieldList, headerMap } from '../../../test/support/hpack_blocks.ts';
import { Random, seedOfRun } from '../../../test/support/random.ts';
import type { RequestHead, ResponseHead } from '../../headers/header_map.ts';
import { headerName } from '../../headers/header_name.ts';
import { HpackDecoder } from '../hpack/decoder.ts';
import { HpackEncoder } from '../hpack/encoder.ts';
import {
  encodeRequestHead,
  encodeResponseHead,
  encodeTrailers,
  requestHeadBound,
  responseHeadBound,
  trailersBound,
  upgradeOf,
} from './encode_head.ts';
import { isHttp2Error } from './errors.ts';
import { RequestReader } from './request_reader.ts';
import { ResponseReader } from './response_reader.ts';
import type { MessageRules } from './rules.ts';

const RULES: MessageRules = {
  maxHeaderBytes: 61440,
  maxHeaders: 100,
  headersWithUnderscores: 'ALLOW',
  allowConnect: true,
};

function requestHead(fields: FieldList, more: Partial<RequestHead> = {}): RequestHead {
  const head = { method: 'GET', path: '/', authority: 'h', scheme: 'http', protocol: 'HTTP/2' } as const;
  return { ...head, ...more, headers: headerMap(fields) };
}

function requestFields(head: RequestHead): string {
  const target = Buffer.alloc(requestHeadBound(head));
  const end = encodeRequestHead(new HpackEncoder(4096), target, 0, head);
  return text(decodeBlock(new HpackDecoder(4096), target.subarray(0, end)));
}

function responseFields(status: number, fields: FieldList): string {
  const head: ResponseHead = { status, protocol: 'HTTP/2', headers: headerMap(fields) };
  const target = Buffer.alloc(responseHeadBound(head));
  const end = encodeResponseHead(new HpackEncoder(4096), target, 0, head);
  return text(decodeBlock(new HpackDecoder(4096), target.subarray(0, end)));
}

function text(fields: [string, string][] | undefined): string {
  return fields?.map(([name, value]) => `${name}=${value}`).join(' ') ?? 'COMPRESSION_ERROR';
}

test('a request: pseudo-header fields first, what is HTTP/1 alone left out', () => {
  assert.equal(
    requestFields(
      requestHead(
        [
          ['x-a', '1'],
          ['host', 'other'],
          ['connection', 'close'],
          ['keep-alive', '3'],
          ['proxy-connection', 'x'],
          ['transfer-encoding', 'chunked'],
          ['te', 'trailers'],
          ['cookie', 'a=1; b=2'],
        ],
        { method: 'POST', path: '/p?q', scheme: 'https' },
      ),
    ),
    ':method=POST :scheme=https :path=/p?q :authority=h x-a=1 te=trailers cookie=a=1; b=2',
  );
  assert.equal(requestFields(requestHead([], { scheme: '' })), ':method=GET :scheme=http :path=/ :authority=h');
  assert.equal(
    requestFields(requestHead([], { method: 'OPTIONS', path: '*', scheme: 'foo', authority: '' })),
    ':method=OPTIONS :scheme=foo :path=*',
  );
});

test('CONNECT and upgrades', () => {
  const connect = requestHead([], { method: 'CONNECT', path: '', authority: 'h:1' });
  assert.equal(requestFields(connect), ':method=CONNECT :authority=h:1');
  const upgrade = requestHead([
    ['upgrade', 'websocket'],
    ['connection', 'Upgrade'],
    ['x-a', '1'],
  ]);
  assert.equal(upgradeOf(upgrade), 'websocket');
  assert.equal(requestFields(upgrade), ':method=CONNECT :protocol=websocket :scheme=http :path=/ :authority=h x-a=1');
  const bytes = requestHead([], { method: 'CONNECT', path: '/p' });
  assert.equal(upgradeOf(bytes), '');
  assert.equal(requestFields(bytes), ':method=CONNECT :protocol=bytestream :scheme=http :path=/p :authority=h');
});

test('responses and trailers', () => {
  for (const status of [200, 204, 206, 304, 400, 404, 500, 201, 503, 999]) {
    assert.equal(responseFields(status, [['x-a', '1']]), `:status=${status} x-a=1`);
  }
  const accepted: FieldList = [
    ['upgrade', 'websocket'],
    ['connection', 'upgrade'],
    ['x-a', '1'],
  ];
  assert.equal(responseFields(101, accepted), ':status=200 x-a=1');
  const trailers = headerMap([['grpc-status', '0']]);
  const target = Buffer.alloc(trailersBound(trailers));
  const end = encodeTrailers(new HpackEncoder(4096), target, 0, trailers);
  assert.equal(text(decodeBlock(new HpackDecoder(4096), target.subarray(0, end))), 'grpc-status=0');
});

test('stories round: what a reader makes of an encoded head is the head', () => {
  const seed = seedOfRun();
  console.log(`encode_head: FUZZ_SEED=${seed}`);
  const random = new Random(seed);
  const encoder = new HpackEncoder(4096);
  const decoder = new HpackDecoder(4096);
  const requests = new RequestReader(RULES);
  const responses = new ResponseReader(RULES);
  for (let i = 0; i < 2000; i++) {
    const { method, path, fields } = requestStory(random);
    const head = requestHead(fields, { method, path, scheme: random.pick(['http', 'https']) });
    if (random.chance(0.1)) head.headers.neverIndexed = [headerName('x-request-id')];
    const target = Buffer.alloc(requestHeadBound(head));
    const end = encodeRequestHead(encoder, target, 0, head);
    requests.begin();
    assert.ok(decoder.decode(target, 0, end, requests));
    const got = requests.finish(true);
    assert.ok(!isHttp2Error(got), JSON.stringify([fields, got]));
    assert.deepEqual(summary(got), summary(head));

    const answer: ResponseHead = {
      status: random.pick([200, 404, 503]),
      protocol: 'HTTP/2',
      headers: headerMap(storyFields(random)),
    };
    const block = Buffer.alloc(responseHeadBound(answer));
    const stop = encodeResponseHead(encoder, block, 0, answer);
    responses.begin();
    assert.ok(decoder.decode(block, 0, stop, responses));
    const back = responses.finish(true, 'GET', '');
    assert.ok(!isHttp2Error(back));
    assert.deepEqual(summary(back), summary(answer));
  }
});

/** Cookies go to the end, so the fields are compared in one order. */
function summary(head: RequestHead | ResponseHead): unknown {
  const { headers, ...rest } = head;
  return { ...rest, fields: headers.names.map((name, i) => `${name.text}: ${headers.values[i]}`).sort() };
}
