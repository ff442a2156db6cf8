import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FormatContext } from '../../spi/format.ts';
import { testContext } from '../formatter/test_context.ts';
import { ResponseFlag } from '../response_flags.ts';
import { compileExpression } from './cel.ts';

const evaluate = (text: string, context: FormatContext = testContext()) => compileExpression(text)(context);

// Values of Envoy's attributes for the stream of test_context.ts.
const values: Record<string, unknown> = {
  'request.path': '/new/a?y=12&e=%41+b&y=3',
  'request.url_path': '/new/a',
  'request.query': 'y=12&e=%41+b&y=3',
  'request.host': 'example.test',
  'request.method': 'GET',
  'request.scheme': 'http',
  'request.protocol': 'HTTP/1.1',
  "request.headers['X-A']": 'val"\\x,second',
  "request.headers[':method']": 'GET',
  'request.useragent': 'u1',
  'request.id': '91cc2c2b-fcfb-42b0-b28e-156d292618c2',
  'request.size': 0n,
  'response.code': 200n,
  'response.code_details': 'via_upstream',
  'response.size': 17n,
  "response.headers['x-envoy-upstream-service-time']": '3',
  'connection.id': 7n,
  'connection.mtls': false,
  'upstream.address': '127.0.0.1:36329',
  'upstream.port': 36329n,
  'upstream.request_attempt_count': 1n,
  'source.address': '10.1.1.1:53088',
  'destination.port': 8080n,
  'xds.cluster_name': 'a',
  'xds.route_name': 'rest',
  "request.duration > duration('5ms') && request.duration < duration('6ms')": true,
  "request.time > timestamp('2026-01-01T00:00:00Z')": true,
  "has(request.referer) || 'x-none' in request.headers": false,
  "response.code >= 200 && request.path.startsWith('/new')": true,
  // What is missing has no value, and an expression over it has none.
  "request.headers['x-none'] == 'a'": undefined,
  'request.nope': undefined,
  'nope.nope': undefined,
};
for (const [text, value] of Object.entries(values)) {
  test(`${text} is ${String(value)}`, () => assert.equal(evaluate(text), value));
}

test('flags are the number older protocols know', () => {
  const context = testContext();
  context.info.setFlag(ResponseFlag.UpstreamRequestTimeout);
  context.info.setFlag(ResponseFlag.UpstreamRetryLimitExceeded);
  assert.equal(evaluate('response.flags', context), BigInt(0x4 + 0x8000));
});

test('metadata and filter state', () => {
  const context = testContext();
  context.info.dynamicMetadata = new Map([['ns', { k: 'v', n: 1 }]]);
  context.info.filterState = new Map<string, unknown>([['key', 'state']]);
  assert.equal(evaluate("metadata.filter_metadata['ns']['k']", context), 'v');
  assert.equal(evaluate("filter_state['key']", context), 'state');
});

test('nothing is there when the request never was', () => {
  const context = { ...testContext(), request: undefined, response: undefined };
  assert.equal(evaluate('has(request.path)', context), false);
  assert.equal(evaluate("request.path == '/'", context), undefined);
});
