/** The duration of a stream: its route's, or the client's grpc-timeout under the route's cap. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeaderMap, type RequestHead } from '../../native-free/headers/header_map.ts';
import { headerName } from '../../native-free/headers/header_name.ts';
import type { Route } from '../router/route_table.ts';
import { maxStreamDuration, noLimit } from './max_stream_duration.ts';

function duration(grpcTimeout: string, own?: number, max?: number, offset?: number): number | undefined {
  const headers = new HeaderMap();
  if (grpcTimeout !== '') headers.add(headerName('grpc-timeout'), grpcTimeout);
  const route = { maxStreamDurationMs: own, grpcTimeoutHeaderMaxMs: max, grpcTimeoutHeaderOffsetMs: offset };
  return maxStreamDuration(route as Route, { headers } as RequestHead, 0);
}

test("the route's own limit, and none", () => {
  assert.equal(duration(''), undefined);
  assert.equal(duration('', 5), 5);
  assert.equal(duration('', 0), noLimit);
  assert.equal(duration('1S', 5), 5);
});

test('grpc-timeout counts where the route caps it', () => {
  assert.equal(duration('1S', undefined, 0), 1000);
  assert.equal(duration('2M', 5, 0), 120_000);
  assert.equal(duration('1S', undefined, 300), 300);
  assert.equal(duration('200m', undefined, 300, 50), 150);
  assert.equal(duration('10m', undefined, 300, 50), 0);
  assert.equal(duration('1500u', undefined, 300), 2);
  for (const bad of ['1', 'S', '1x', '123456789S', '-1S']) assert.equal(duration(bad, 5, 300), 5);
});
