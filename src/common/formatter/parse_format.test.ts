import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FormatContext } from '../../spi/format.ts';
import { ResponseFlag } from '../response_flags.ts';
import { StreamInfo } from '../stream_info.ts';
import { DEFAULT_FORMAT, parseFormat } from './parse_format.ts';
import { headerMap, testConnection, testContext } from './test_context.ts';

function format(text: string, context: FormatContext = testContext(), omit = false): string {
  const parsed = parseFormat(text, omit);
  if ('error' in parsed) throw new Error(parsed.error);
  return parsed.formatter.format(context);
}

test('the default entry is Envoy’s', () => {
  assert.equal(
    format(DEFAULT_FORMAT),
    '[2026-11-21T08:06:29.345Z] "GET /a?y=12&e=%41+b&y=3 HTTP/1.1" 200 - 0 17 5 3 "-" "u1,u2" ' +
      '"91cc2c2b-fcfb-42b0-b28e-156d292618c2" "example.test" "127.0.0.1:36329"\n',
  );
});

test('the default entry of a TCP stream', () => {
  const info = new StreamInfo(testConnection(), 1795248389345.401, 1000);
  info.endMonotonic = 1352;
  info.bytesReceived = 7;
  info.upstreamHost = { address: '127.0.0.1:21101', hostname: '', clusterName: 'a' };
  const context = { info, request: undefined, response: undefined, responseTrailers: undefined, localReplyBody: '' };
  assert.equal(
    format(DEFAULT_FORMAT, context),
    '[2026-11-21T08:06:29.345Z] "- - -" 0 - 7 0 352 - "-" "-" "-" "-" "127.0.0.1:21101"\n',
  );
  assert.equal(format('%ACCESS_LOG_TYPE%', context), 'TcpConnectionEnd');
  const id = format('%STREAM_ID%', context);
  assert.match(id, /^[0-9a-f-]{36}$/);
  assert.equal(format('%STREAM_ID%', context), id);
});

// Texts that Envoy 1.40 printed for such a stream.
const texts: Record<string, string> = {
  '%%': '%',
  'a%%b': 'a%b',
  '%PROTOCOL%': 'HTTP/1.1',
  '%RESPONSE_CODE_DETAILS%': 'via_upstream',
  '%RESPONSE_FLAGS_LONG%': '-',
  '%REQUEST_DURATION%': '0',
  '%REQUEST_TX_DURATION%': '1',
  '%RESPONSE_DURATION%': '3',
  '%RESPONSE_TX_DURATION%': '2',
  '%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%': '5299',
  '%COMMON_DURATION(DS_RX_BEG:DS_TX_END)%': '5',
  '%COMMON_DURATION(nope:DS_TX_END)%': '-',
  '%UPSTREAM_REMOTE_ADDRESS%': '127.0.0.1:36329',
  '%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%': '127.0.0.1',
  '%UPSTREAM_REMOTE_PORT%': '36329',
  '%UPSTREAM_HOST_NAME%': '127.0.0.1:36329',
  '%UPSTREAM_HOST_NAME_WITHOUT_PORT%': '127.0.0.1',
  '%UPSTREAM_CLUSTER%': 'a',
  '%UPSTREAM_LOCAL_ADDRESS%': '127.0.0.1:47814',
  '%UPSTREAM_LOCAL_PORT%': '47814',
  '%UPSTREAM_CONNECTION_ID%': '2',
  '%UPSTREAM_REQUEST_ATTEMPT_COUNT%': '1',
  '%UPSTREAM_CONNECTION_IDS_ATTEMPTED%': '2',
  '%UPSTREAM_HOSTS_ATTEMPTED%': '127.0.0.1:36329',
  '%UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT%': '127.0.0.1',
  '%UPSTREAM_HOST_NAMES_ATTEMPTED%': '127.0.0.1:36329',
  '%UPSTREAM_CONNECTION_POOL_READY_DURATION%': '-',
  '%UPSTREAM_DETECTED_CLOSE_TYPE%': 'Normal',
  '%UPSTREAM_LOCAL_CLOSE_REASON%': '-',
  '%UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID%': '',
  '%UPSTREAM_FILTER_STATE(x)%': '-',
  '%UPSTREAM_METADATA(ns:k)%': '-',
  '%DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID%': '',
  '%DOWNSTREAM_DETECTED_CLOSE_TYPE%': 'Normal',
  '%DOWNSTREAM_LOCAL_CLOSE_REASON%': '-',
  '%DOWNSTREAM_REMOTE_ADDRESS%': '10.1.1.1:53088',
  '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%': '10.1.1.1',
  '%DOWNSTREAM_REMOTE_PORT%': '53088',
  '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%': '127.0.0.1',
  '%DOWNSTREAM_LOCAL_ADDRESS%': '127.0.0.1:8080',
  '%DOWNSTREAM_LOCAL_PORT%': '8080',
  '%REQUESTED_SERVER_NAME%': '-',
  '%REQUESTED_SERVER_NAME(HOST_FIRST)%': 'example.test',
  '%ROUTE_NAME%': 'rest',
  '%CONNECTION_ID%': '7',
  '%STREAM_ID%': '91cc2c2b-fcfb-42b0-b28e-156d292618c2',
  '%ACCESS_LOG_TYPE%': 'DownstreamEnd',
  '%ENVIRONMENT(NUNCIO_UNSET)%': '-',
  '%VIRTUAL_CLUSTER_NAME%': '-',
  '%DOWNSTREAM_TLS_VERSION%': '-',
  '%GRPC_STATUS%': '-',
  '%LOCAL_REPLY_BODY%': '',
  '%TRAILER(x)%': '-',
  '%PATH%': '/a?y=12&e=%41+b&y=3',
  '%PATH(NQ)%': '/a',
  '%PATH(NQ:PATH)%': '/new/a',
  '%PATH(WQ:ORIG)%': '/a?y=12&e=%41+b&y=3',
  '%QUERY_PARAM(y)%': '12',
  '%QUERY_PARAM(e)%': 'A+b',
  '%QUERY_PARAM(nope)%': '-',
  '%QUERY_PARAM(y):1%': '1',
  '%QUERY_PARAMS(DECODED)%': 'y=12&e=A+b&y=3',
  '%REQ(:METHOD)%': 'GET',
  '%REQ(:path)%': '/new/a?y=12&e=%41+b&y=3',
  '%REQ(host)%': 'example.test',
  '%REQ(x-a)%': 'val"\\x',
  '%REQ(x-none?X-A)%': 'val"\\x',
  '%REQ(?x-a)%': 'val"\\x',
  '%REQ(X-a):2%': 'va',
  '%REQ(x-empty?x-a)%': '',
  '%REQ(user-agent)%': 'u1,u2',
  '%RESP(:status)%': '200',
  '%RESP(x-backend)%': 'b1',
  '%REQ(x-u):2% é': '- Ã©',
};
for (const [text, expected] of Object.entries(texts)) {
  test(`${text} prints ${expected}`, () => assert.equal(format(text), expected));
}

test('missing values print nothing where empty values are omitted', () => {
  assert.equal(format('[%REQ(nope)%][%RESPONSE_FLAGS%]', testContext(), true), '[][-]');
});

test('flags, details and failure reasons of a failed request', () => {
  const context = testContext();
  context.info.setFlag(ResponseFlag.UpstreamConnectionFailure);
  context.info.setFlag(ResponseFlag.UpstreamRetryLimitExceeded);
  context.info.responseCodeDetails = 'upstream reset\tbefore';
  context.info.upstreamTransportFailureReason = 'delayed_connect_error: Connection refused';
  assert.equal(
    format('%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG% %RESPONSE_CODE_DETAILS%', context),
    'UF,URX UpstreamConnectionFailure,UpstreamRetryLimitExceeded upstream_reset_before',
  );
  assert.equal(format('%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%', context), 'upstream reset\tbefore');
  assert.equal(format('%UPSTREAM_TRANSPORT_FAILURE_REASON%', context), 'delayed_connect_error:_Connection_refused');
  context.info.upstreamLocalAddress = undefined;
  assert.equal(format('%UPSTREAM_HOST% %UPSTREAM_REMOTE_ADDRESS%', context), '127.0.0.1:36329 -');
});

test('gRPC status: only for gRPC requests, from the headers, by name or number', () => {
  const context = testContext();
  context.request.headers = headerMap([['content-type', 'application/grpc+proto']]);
  const statuses = '%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS_NUMBER%';
  assert.equal(format(statuses, context), 'Unknown UNKNOWN 2');
  context.response.headers = headerMap([['grpc-status', '5']]);
  assert.equal(format(statuses, context), 'NotFound NOT_FOUND 5');
  const trailers = { ...context, responseTrailers: headerMap([['grpc-status', '77']]) };
  assert.equal(format(statuses, trailers), '77 77 77');
});

test('dynamic metadata and filter state', () => {
  const context = testContext();
  context.info.dynamicMetadata = new Map([['a', { b: { c: [1, 'x'] }, s: 'text', n: null }]]);
  context.info.filterState = new Map<string, unknown>([['k', { f: 'v' }]]);
  assert.equal(
    format('%DYNAMIC_METADATA(a:b:c)% %DYNAMIC_METADATA(a:s):2% %DYNAMIC_METADATA(a:n)%', context),
    '[1,"x"] te -',
  );
  assert.equal(format('%METADATA(DYNAMIC:a:s)% %DYNAMIC_METADATA(z)%', context), 'text -');
  assert.equal(format('%FILTER_STATE(k)% %FILTER_STATE(k:FIELD:f)% %FILTER_STATE(z:PLAIN)%', context), '{"f":"v"} v -');
});

test('metadata of host, listener and filter chain', () => {
  const connection = {
    ...testConnection(),
    listenerMetadata: { filterMetadata: { ns: { k: 'listener' } } },
    filterChainMetadata: { filterMetadata: { ns: { k: 'chain' } } },
  };
  const info = new StreamInfo(connection, 0, 0);
  info.upstreamHost = {
    address: '127.0.0.1:1',
    hostname: 'h',
    clusterName: 'a',
    metadata: { filterMetadata: { ns: { k: 'host', deep: { a: 1 } } } },
  };
  const context = { ...testContext(), info };
  assert.equal(
    format('%METADATA(LISTENER:ns:k)% %METADATA(LISTENER_FILTER_CHAIN:ns:k)% %METADATA(UPSTREAM_HOST:ns:k)%', context),
    'listener chain host',
  );
  assert.equal(format('%UPSTREAM_METADATA(ns:deep)% %UPSTREAM_METADATA(none:k)%', context), '{"a":1} -');
});

test('of a connection without requests all hosts that were tried are told, and how both sides ended', () => {
  const connection = { ...testConnection(), detectedCloseType: 'LocalReset', localCloseReason: 'why' } as const;
  const info = new StreamInfo(connection, 0, 0);
  info.poolReadyDuration = 3;
  info.upstreamCloseType = 'RemoteReset';
  info.upstreamHost = { address: '127.0.0.1:2', hostname: 'h:2', clusterName: 'a' };
  info.attemptedHosts = [
    { address: '127.0.0.1:1', hostname: '', clusterName: 'a' },
    { address: '127.0.0.1:2', hostname: 'h:2', clusterName: 'a' },
  ];
  const context = { info, request: undefined, response: undefined, responseTrailers: undefined, localReplyBody: '' };
  assert.equal(
    format('%UPSTREAM_HOSTS_ATTEMPTED% %UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT%', context),
    '127.0.0.1:1,127.0.0.1:2 127.0.0.1,h',
  );
  assert.equal(
    format('%DOWNSTREAM_DETECTED_CLOSE_TYPE% %DOWNSTREAM_LOCAL_CLOSE_REASON% %UPSTREAM_DETECTED_CLOSE_TYPE%', context),
    'LocalReset why RemoteReset',
  );
  assert.equal(format('%UPSTREAM_CONNECTION_POOL_READY_DURATION%', context), '3');
});

test('UNIX sockets and IPv6', () => {
  const context = testContext();
  context.info.remoteAddress = { ip: '', port: 0, text: '/tmp/s' };
  assert.equal(format('%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_REMOTE_PORT%', context), '/tmp/s -');
  context.info.upstreamHost = { address: '[::1]:80', hostname: 'h:80', clusterName: 'a' };
  assert.equal(
    format('%UPSTREAM_HOST% %UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %UPSTREAM_HOST_NAME_WITHOUT_PORT%', context),
    '[::1]:80 ::1 h',
  );
});

// Texts and positions of Envoy 1.40.
const errors: Record<string, [string, number]> = {
  '%': ["Incorrect configuration: %. Couldn't find valid command at position 0", 0],
  'a%b': ["Incorrect configuration: a%b. Couldn't find valid command at position 1", 1],
  '%REQ(a)': ["Incorrect configuration: %REQ(a). Couldn't find valid command at position 0", 0],
  '%REQ(a):x%': ["Incorrect configuration: %REQ(a):x%. Couldn't find valid command at position 0", 0],
  'é %NOPE%': ['Not supported field in StreamInfo: NOPE', 2],
  '%REQ%': ['REQ requires parameters', 0],
  '%REQ(a?b?c)%': ['More than 1 alternative header specified in token: a?b?c', 0],
  '%REQ(a b)%': ['Invalid header configuration. Format string contains invalid characters.', 0],
  '%PROTOCOL:3%': ['PROTOCOL does not take any parameters or length', 0],
  '%START_TIME:3%': ['START_TIME does not allow length to be specified.', 0],
  '%START_TIME(%n)%': ['Invalid header configuration. Format string contains newline.', 0],
  '%GRPC_STATUS(x)%': ['GrpcStatusFormatter only supports CAMEL_STRING, SNAKE_STRING or NUMBER. Got: x', 0],
  '%FILTER_STATE%': ['Invalid filter state configuration, key cannot be empty.', 0],
  '%FILTER_STATE(a:b)%': ['Invalid filter state serialize type, only support PLAIN/TYPED/FIELD.', 0],
  '%FILTER_STATE(a:FIELD)%': ['Invalid filter state serialize type, FIELD should be used with the field name.', 0],
  '%COMMON_DURATION(a)%': ['Invalid common duration configuration: a.', 0],
  '%COMMON_DURATION(a:b:c)%': ['Invalid common duration precision: c.', 0],
  '%PATH(A)%': ["Invalid PATH option: 'A', only 'WQ'/'NQ' are allowed", 0],
  '%METADATA(X:a)%': ['X is not supported type of metadata', 0],
  '%DOWNSTREAM_CX_RTT%': [
    '%DOWNSTREAM_CX_RTT% is not supported: Node.js does not tell the round-trip time of a connection',
    0,
  ],
};
for (const [text, [error, position]] of Object.entries(errors)) {
  test(`${text} is refused: ${error}`, () => assert.deepEqual(parseFormat(text), { error, position }));
}
