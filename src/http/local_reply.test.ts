import assert from 'node:assert/strict';
import test from 'node:test';
import { fromJson } from '@bufbuild/protobuf';
import { isGrpcType } from '../../native-free/grpc/content_type.ts';
import { HeaderMap, type RequestHead, type ResponseHead } from '../../native-free/headers/header_map.ts';
import { headerName } from '../../native-free/headers/header_name.ts';
import { CONTENT_TYPE } from '../../native-free/headers/well_known.ts';
import type { envoy } from '../api/envoy_types.ts';
import { messageType, registry } from '../api/registry.ts';
import { StreamInfo } from '../common/stream_info.ts';
import type { FormatContext } from '../spi/format.ts';
import { makeLocalReply, type RepliedRequest } from './local_reply.ts';
import { LocalReplyConfig } from './local_reply_config.ts';

function request(method: string, contentType?: string): RequestHead {
  const headers = new HeaderMap();
  if (contentType !== undefined) headers.add(headerName('content-type'), contentType);
  return { method, path: '/p', authority: 'h', scheme: 'http', protocol: 'HTTP/1.1', headers };
}

const asked = (method: string, isGrpc = false): RepliedRequest => ({
  isHead: method === 'HEAD',
  isGrpc,
  grpcStatus: undefined,
});
const grpc = asked('POST', true);

const nothing = () => {};
const fields = (head: ResponseHead) => head.headers.names.map(({ text }, i) => `${text}=${head.headers.values[i]}`);

test('a body brings its length and type, an empty one neither', () => {
  const reply = makeLocalReply(asked('GET'), 503, 'no', nothing, undefined);
  assert.deepEqual([reply.body, fields(reply.head)], ['no', ['content-length=2', 'content-type=text/plain']]);
  const empty = makeLocalReply(
    asked('GET'),
    404,
    '',
    (head) => head.headers.set(headerName('content-type'), 'x'),
    undefined,
  );
  assert.deepEqual([empty.body, fields(empty.head)], ['', []]);
});

test('the answer to HEAD tells the length of the body it leaves out; 204 and 304 have none at all', () => {
  const head = makeLocalReply(asked('HEAD'), 503, 'no', nothing, undefined);
  assert.deepEqual([head.body, fields(head.head)], ['', ['content-length=2', 'content-type=text/plain']]);
  for (const status of [204, 304]) {
    const bare = makeLocalReply(asked('GET'), status, 'no', nothing, undefined);
    assert.deepEqual([bare.body, fields(bare.head)], ['', []]);
  }
});

test('a gRPC client is told by status 200, grpc-status and the body as grpc-message', () => {
  const reply = makeLocalReply(grpc, 503, 'caf\xc3\xa9 100%', nothing, undefined);
  assert.equal(reply.head.status, 200);
  assert.deepEqual(fields(reply.head), [
    'content-type=application/grpc',
    'grpc-status=14',
    'grpc-message=caf%C3%A9 100%25',
  ]);
  const exhausted = makeLocalReply({ ...grpc, grpcStatus: 8 }, 429, '', nothing, undefined);
  assert.deepEqual(fields(exhausted.head), ['content-type=application/grpc', 'grpc-status=8']);
});

function configured(json: object, head: RequestHead, status: number, body: string) {
  const message = fromJson(
    messageType('envoy.extensions.filters.network.http_connection_manager.v3.LocalReplyConfig'),
    json as never,
    { registry },
  ) as unknown as envoy.extensions.filters.network.http_connection_manager.v3.LocalReplyConfig;
  const config = new LocalReplyConfig(message);
  const info = new StreamInfo(undefined, 0, 0);
  info.responseCode = status;
  const stream = { info, request: head, response: undefined, responseTrailers: undefined, localReplyBody: '' };
  return makeLocalReply(
    asked(head.method, isGrpcType(head.headers.get(CONTENT_TYPE))),
    status,
    body,
    nothing,
    (reply, text) => config.rewrite(reply, text, stream as FormatContext),
  );
}

const is = (code: number) => ({
  statusCodeFilter: { comparison: { op: 'EQ', value: { defaultValue: code, runtimeKey: 'r' } } },
});

test('the first mapper that matches changes status, body and headers', () => {
  const mappers = [
    { filter: is(404), body: { inlineString: 'first' }, statusCode: 410 },
    { filter: is(404), body: { inlineString: 'second' } },
  ];
  const reply = configured({ mappers }, request('GET'), 404, '');
  assert.deepEqual([reply.head.status, reply.body], [410, 'first']);
  assert.equal(configured({ mappers }, request('GET'), 500, 'own').body, 'own');
});

test('a format sees the new status and body, and its type wins unless a mapper set one', () => {
  const bodyFormat = { jsonFormat: { code: '%RESPONSE_CODE%', text: '%LOCAL_REPLY_BODY%' } };
  const mapper = { filter: is(404), body: { inlineString: 'é' }, statusCode: 410 };
  const json = configured({ mappers: [mapper], bodyFormat }, request('GET'), 404, '');
  assert.equal(json.body, '{"code":410,"text":"\xc3\xa9"}\n');
  assert.deepEqual(fields(json.head), ['content-length=25', 'content-type=application/json']);
  const typed = { ...mapper, headersToAdd: [{ header: { key: 'content-type', value: 'text/own' } }] };
  const own = configured({ mappers: [typed], bodyFormat }, request('GET'), 404, '');
  assert.deepEqual(fields(own.head), ['content-type=text/own', 'content-length=25']);
  const override = { filter: is(404), bodyFormatOverride: { textFormat: '%RESPONSE_CODE%', contentType: 'text/x' } };
  const text = configured({ mappers: [override], bodyFormat }, request('GET'), 404, 'x');
  assert.deepEqual([text.body, fields(text.head)[1]], ['404', 'content-type=text/x']);
});

test('the line end of JSON is not sent to a gRPC client', () => {
  const bodyFormat = { jsonFormat: { t: '%LOCAL_REPLY_BODY%' } };
  const reply = configured({ bodyFormat }, request('POST', 'application/grpc'), 404, 'no');
  assert.equal(fields(reply.head)[2], 'grpc-message={"t":"no"}');
});
