import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson } from '@bufbuild/protobuf';
import type { envoy } from '../../api/envoy_types.ts';
import { messageType } from '../../api/registry.ts';
import { headerMap, type TestContext, testContext } from '../formatter/test_context.ts';
import { ResponseFlag } from '../response_flags.ts';
import { Runtime } from '../runtime.ts';
import { compileAccessLogFilter } from './filter.ts';

function filter(json: object): (context: TestContext) => boolean {
  const message = fromJson(messageType('envoy.config.accesslog.v3.AccessLogFilter'), json as never);
  return compileAccessLogFilter(message as unknown as envoy.config.accesslog.v3.AccessLogFilter);
}

function context(change: (context: TestContext) => void = () => {}): TestContext {
  const made = testContext();
  change(made);
  return made;
}

const failed = context(({ info, request }) => {
  info.responseCode = 503;
  info.setFlag(ResponseFlag.UpstreamConnectionFailure);
  info.healthCheck = true;
  info.dynamicMetadata = new Map([['a', { b: true, s: 'text', n: 5, l: [1, 'x'] }]]);
  request.headers = headerMap([['x-a', '1']]);
});
const fine = context();
const compare = (op: string, value: number) => ({
  comparison: { op, value: { defaultValue: value, runtimeKey: 'x' } },
});
const metadata = (key: string, value: object, more = {}) => ({
  metadataFilter: { matcher: { filter: 'a', path: [{ key }], value }, matchIfKeyNotFound: false, ...more },
});

// What is logged of [a 503 for want of a connection, a plain 200], as Envoy 1.40 did.
const cases: [object, boolean, boolean][] = [
  [{ statusCodeFilter: compare('GE', 400) }, true, false],
  [{ statusCodeFilter: compare('LE', 400) }, false, true],
  [{ statusCodeFilter: compare('NE', 200) }, true, false],
  [{ statusCodeFilter: compare('EQ', 200) }, false, true],
  [{ durationFilter: compare('GE', 5) }, true, true],
  [{ durationFilter: compare('GE', 6) }, false, false],
  [{ notHealthCheckFilter: {} }, false, true],
  [{ traceableFilter: {} }, false, false],
  [{ runtimeFilter: { runtimeKey: 'k' } }, false, false],
  [{ runtimeFilter: { runtimeKey: 'k', percentSampled: { numerator: 100 } } }, true, true],
  [{ andFilter: { filters: [{ statusCodeFilter: compare('GE', 400) }, { notHealthCheckFilter: {} }] } }, false, false],
  [{ orFilter: { filters: [{ statusCodeFilter: compare('GE', 400) }, { notHealthCheckFilter: {} }] } }, true, true],
  [{ headerFilter: { header: { name: 'x-a', stringMatch: { exact: '1' } } } }, true, false],
  [{ responseFlagFilter: {} }, true, false],
  [{ responseFlagFilter: { flags: ['UF', 'DC'] } }, true, false],
  [{ responseFlagFilter: { flags: ['DC'] } }, false, false],
  [{ grpcStatusFilter: { statuses: ['UNAVAILABLE'] } }, true, false],
  [{ grpcStatusFilter: { statuses: ['UNAVAILABLE'], exclude: true } }, false, true],
  [{ grpcStatusFilter: {} }, false, false],
  [{ logTypeFilter: { types: ['DownstreamEnd'] } }, true, true],
  [{ logTypeFilter: { types: ['DownstreamEnd'], exclude: true } }, false, false],
  [{ metadataFilter: {} }, true, true],
  [metadata('b', { boolMatch: true }), true, false],
  [metadata('b', { boolMatch: true }, { matchIfKeyNotFound: true }), true, true],
  [metadata('s', { stringMatch: { prefix: 'te' } }), true, false],
  [metadata('n', { doubleMatch: { range: { start: 1, end: 6 } } }), true, false],
  [metadata('l', { listMatch: { oneOf: { stringMatch: { exact: 'x' } } } }), true, false],
];
for (const [json, onFailed, onFine] of cases) {
  test(JSON.stringify(json), () => {
    const matches = filter(json);
    assert.deepEqual([matches(failed), matches(fine)], [onFailed, onFine]);
  });
}

test('a sampled request is chosen by its id, unless the choice is to be independent', () => {
  const half = { runtimeKey: 'k', percentSampled: { numerator: 50 } };
  const matches = filter({ runtimeFilter: half });
  const withId = (id: string) => context(({ request }) => (request.headers = headerMap([['x-request-id', id]])));
  assert.equal(matches(withId('00000031-0000-4000-8000-000000000000')), true);
  assert.equal(matches(withId('00000032-0000-4000-8000-000000000000')), false);
  const random = filter({ runtimeFilter: { ...half, useIndependentRandomness: true } });
  const seen = new Set(Array.from({ length: 100 }, () => random(withId('00000032-0000-4000-8000-000000000000'))));
  assert.equal(seen.size, 2);
});

test('limits and shares come from the runtime when it has the key', () => {
  const runtime = new Runtime();
  const filter = (json: object) => {
    const message = fromJson(messageType('envoy.config.accesslog.v3.AccessLogFilter'), json as never);
    return compileAccessLogFilter(message as unknown as envoy.config.accesslog.v3.AccessLogFilter, { runtime });
  };
  const code = filter({
    statusCodeFilter: { comparison: { op: 'GE', value: { defaultValue: 500, runtimeKey: 'log.code' } } },
  });
  const share = filter({ runtimeFilter: { runtimeKey: 'log.share', percentSampled: { numerator: 0 } } });
  assert.deepEqual([code(testContext()), share(testContext())], [false, false]);
  runtime.load(
    new Map([
      ['log.code', { text: '200', number: 200 }],
      ['log.share', { text: '100', number: 100 }],
    ]),
  );
  assert.deepEqual([code(testContext()), share(testContext())], [true, true]);
});
