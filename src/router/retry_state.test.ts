import assert from 'node:assert/strict';
import test from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { HeaderMap, type RequestHead } from '../../native-free/headers/header_map.ts';
import { headerName } from '../../native-free/headers/header_name.ts';
import type { envoy } from '../api/envoy_types.ts';
import { messageType, registry } from '../api/registry.ts';
import { tick, wallNow } from '../common/clock.ts';
import type { ResetReason } from '../common/reset_reason.ts';
import { RetryPolicy } from './retry_policy.ts';
import { makeRetryState, type RetryState } from './retry_state.ts';

function policy(json: JsonObject): RetryPolicy {
  const type = messageType('envoy.config.route.v3.RetryPolicy');
  return new RetryPolicy(fromJson(type, json, { registry }) as unknown as envoy.config.route.v3.RetryPolicy);
}

function headers(...fields: [string, string][]): HeaderMap {
  const map = new HeaderMap();
  for (const [name, value] of fields) map.add(headerName(name), value);
  return map;
}

function request(...fields: [string, string][]): RequestHead {
  return {
    method: 'GET',
    path: '/',
    authority: 'h',
    scheme: 'http',
    protocol: 'HTTP/1.1',
    headers: headers(...fields),
  };
}

const state = (json: JsonObject, ...fields: [string, string][]): RetryState =>
  makeRetryState({ retryPolicy: policy(json) }, request(...fields))!;

const onStatus = (retryOn: string, status: number, ...fields: [string, string][]) =>
  state({ retryOn, retriableStatusCodes: [503, 418] }).onResponseHeaders(status, headers(...fields)) === 'retry';

const onReset = (retryOn: string, reason: ResetReason, requestSent = true) =>
  state({ retryOn }).onReset(reason, false, requestSent) === 'retry';

test('made only when something may be retried', () => {
  assert.equal(makeRetryState({ retryPolicy: undefined }, request()), undefined);
  assert.equal(makeRetryState({ retryPolicy: policy({}) }, request()), undefined);
  assert.equal(makeRetryState({ retryPolicy: policy({ retryOn: 'bogus' }) }, request()), undefined);
  assert.ok(makeRetryState({ retryPolicy: policy({ retryOn: ' reset , 5xx' }) }, request()));
});

test('a request may bring its own policy; its headers go no further', () => {
  const head = request(
    ['x-keep', '1'],
    ['x-envoy-retry-on', 'retriable-status-codes, retriable-headers'],
    ['x-envoy-max-retries', '2'],
    ['x-envoy-retriable-status-codes', '429, x, 430'],
    ['x-envoy-retriable-header-names', 'X-Again,x-more'],
    ['x-envoy-upstream-rq-per-try-timeout-ms', '5'],
  );
  const retry = makeRetryState({ retryPolicy: undefined }, head)!;
  assert.deepEqual(
    head.headers.names.map((name) => name.text),
    ['x-keep'],
  );
  assert.equal(retry.onResponseHeaders(500, headers()), 'no');
  assert.equal(retry.onResponseHeaders(430, headers()), 'retry');
  assert.equal(retry.onResponseHeaders(200, headers(['x-again', ''])), 'retry');
  assert.equal(retry.onResponseHeaders(429, headers()), 'limit_exceeded');
  const grpc = makeRetryState(
    { retryPolicy: policy({ retryOn: '5xx' }) },
    request(['x-envoy-retry-grpc-on', 'unavailable']),
  )!;
  assert.equal(grpc.onResponseHeaders(200, headers(['grpc-status', '14'])), 'retry');
});

test('retry_on for answers', () => {
  assert.equal(onStatus('5xx', 500), true);
  assert.equal(onStatus('5xx', 499), false);
  assert.equal(onStatus('gateway-error', 502), true);
  assert.equal(onStatus('gateway-error', 500), false);
  assert.equal(onStatus('retriable-4xx', 409), true);
  assert.equal(onStatus('retriable-4xx', 404), false);
  assert.equal(onStatus('retriable-status-codes', 418), true);
  assert.equal(onStatus('retriable-status-codes', 500), false);
  assert.equal(onStatus('reset,connect-failure,refused-stream', 503), false);
  assert.equal(onStatus('5xx', 503, ['x-envoy-ratelimited', 'true']), false);
  assert.equal(onStatus('envoy-ratelimited', 429, ['x-envoy-ratelimited', 'true']), true);
  assert.equal(onStatus('cancelled', 200, ['grpc-status', '1']), true);
  assert.equal(onStatus('deadline-exceeded', 200, ['grpc-status', '4']), true);
  assert.equal(onStatus('resource-exhausted', 200, ['grpc-status', '8']), true);
  assert.equal(onStatus('internal', 200, ['grpc-status', '13']), true);
  assert.equal(onStatus('unavailable', 200, ['grpc-status', '13']), false);
  const byHeader = { retryOn: 'retriable-headers', retriableHeaders: [{ name: 'x-r', stringMatch: { exact: '1' } }] };
  assert.equal(state(byHeader).onResponseHeaders(200, headers(['x-r', '1'])), 'retry');
  assert.equal(state(byHeader).onResponseHeaders(200, headers(['x-r', '2'])), 'no');
});

test('retry_on for resets', () => {
  for (const retryOn of ['5xx', 'gateway-error', 'reset']) {
    assert.equal(onReset(retryOn, 'connection termination'), true);
    assert.equal(onReset(retryOn, 'remote connection failure'), true);
    assert.equal(onReset(retryOn, 'local reset'), true);
    assert.equal(onReset(retryOn, 'overflow'), false);
  }
  assert.equal(onReset('connect-failure', 'connection timeout'), true);
  assert.equal(onReset('connect-failure', 'connection termination'), false);
  assert.equal(onReset('refused-stream', 'remote refused stream reset'), true);
  assert.equal(onReset('refused-stream', 'remote reset'), false);
  assert.equal(onReset('reset-before-request', 'connection termination'), false);
  assert.equal(onReset('reset-before-request', 'connection termination', false), true);
  assert.equal(onReset('reset-before-request', 'remote connection failure'), true);
  assert.equal(onReset('retriable-4xx', 'connection termination'), false);
  assert.equal(state({ retryOn: 'reset' }).onReset('remote reset', true), 'no', 'the client has seen the answer begin');
});

test('the tries are counted', () => {
  const one = state({ retryOn: '5xx' });
  assert.deepEqual(
    [one.onResponseHeaders(500, headers()), one.onResponseHeaders(500, headers())],
    ['retry', 'limit_exceeded'],
  );
  const two = state({ retryOn: '5xx', numRetries: 2 });
  assert.equal(two.onReset('connection termination', false), 'retry');
  assert.equal(two.onResponseHeaders(200, headers()), 'no_after_retry');
  assert.equal(state({ retryOn: '5xx', numRetries: 0 }).onResponseHeaders(500, headers()), 'limit_exceeded');
  assert.equal(
    state({ retryOn: '5xx', numRetries: 3 }, ['x-envoy-max-retries', '0']).onResponseHeaders(500, headers()),
    'limit_exceeded',
  );
});

test('retriable_request_headers narrow a policy down', () => {
  const json: JsonObject = {
    retryOn: '5xx',
    retriableRequestHeaders: [{ name: ':method', stringMatch: { exact: 'GET' } }, { name: 'x-yes' }],
  };
  assert.equal(state(json).onResponseHeaders(500, headers()), 'retry');
  const post = { ...request(), method: 'POST' };
  assert.equal(makeRetryState({ retryPolicy: policy(json) }, post)!.onResponseHeaders(500, headers()), 'no');
});

test('back-off doubles, jittered from 0, up to its maximum', () => {
  const waits = (json: JsonObject) => {
    const retry = state({ retryOn: '5xx', ...json });
    return Array.from({ length: 6 }, () => retry.nextBackoffMs(0.9999));
  };
  assert.deepEqual(waits({}), [24, 49, 99, 199, 249, 249]);
  assert.deepEqual(waits({ retryBackOff: { baseInterval: '0.01s', maxInterval: '0.02s' } }), [9, 19, 19, 19, 19, 19]);
  assert.deepEqual(waits({ retryBackOff: { baseInterval: '0.0001s' } }), [0, 1, 3, 7, 9, 9]);
  assert.equal(state({ retryOn: '5xx' }).nextBackoffMs(0), 0);
});

test('rate-limited back-off follows the upstream', () => {
  const json: JsonObject = {
    retryOn: '5xx',
    numRetries: 9,
    rateLimitedRetryBackOff: {
      resetHeaders: [{ name: 'Retry-After' }, { name: 'X-RateLimit-Reset', format: 'UNIX_TIMESTAMP' }],
      maxInterval: '60s',
    },
  };
  const retry = state(json);
  retry.onResponseHeaders(503, headers(['retry-after', '10']));
  assert.equal(retry.backoffIsRatelimited, true);
  assert.equal(retry.nextBackoffMs(0), 10_000);
  assert.equal(retry.backoffIsRatelimited, false);
  tick();
  const at = String(Math.floor(wallNow() / 1000) + 20);
  retry.onResponseHeaders(503, headers(['retry-after', '61'], ['x-ratelimit-reset', at]));
  const wait = retry.nextBackoffMs(0.9999);
  assert.ok(wait >= 27_000 && wait < 30_000, String(wait));
  retry.onResponseHeaders(503, headers(['retry-after', 'Wed, 21 Oct 2026 07:28:00 GMT']));
  assert.equal(retry.backoffIsRatelimited, false);
  assert.ok(retry.nextBackoffMs(0.9999) < 25);
});

test('the rest of a policy', () => {
  const compiled = policy({
    retryOn: '5xx',
    perTryTimeout: '0.25s',
    perTryIdleTimeout: '1s',
    hostSelectionRetryMaxAttempts: 5,
    retryHostPredicate: [{ name: 'envoy.retry_host_predicates.previous_hosts' }],
  });
  assert.deepEqual([compiled.perTryTimeoutMs, compiled.perTryIdleTimeoutMs], [250, 1000]);
  assert.deepEqual([compiled.hostPredicates.length, compiled.hostSelectionMaxAttempts], [1, 5]);
  assert.deepEqual([policy({}).hostPredicates.length, policy({}).hostSelectionMaxAttempts], [0, 1]);
});

test('a try that is too slow is followed by another one whatever the policy retries, as long as tries are left', () => {
  const retry = makeRetryState({ retryPolicy: policy({ retryOn: 'connect-failure', numRetries: 1 }) }, request())!;
  assert.equal(retry.onSlowTry(), 'retry');
  assert.equal(retry.onSlowTry(), 'limit_exceeded');
  assert.equal(retry.wouldRetry(503, headers()), false);
});
