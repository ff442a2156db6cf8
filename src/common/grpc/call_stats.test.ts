/** Counters of gRPC calls: their names, and an end to the names that clients can make. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ThreadStats } from '../stats/store.ts';
import { CallStats } from './call_stats.ts';

test('a call is counted by its status, with its method or without', () => {
  const store = new ThreadStats(() => {});
  const value = (name: string) => {
    const { values, index } = store.counter(name);
    return values[index];
  };
  const stats = new CallStats(store, 'grpc');
  const scope = stats.scope('cluster.a.', { service: 's.B', method: 'Get' });
  for (const status of ['0', '0', '5', undefined, 'text']) scope.chargeStatus(status);
  scope.addRequestMessages(3);
  stats.scope('cluster.a.', undefined).chargeStatus('14');
  const method = 'cluster.a.grpc.s.B.Get.';
  const counted = ['0', '5', 'success', 'failure', 'total', 'request_message_count'].map((name) =>
    value(method + name),
  );
  assert.deepEqual(counted, [2, 1, 2, 2, 4, 3]);
  assert.deepEqual([value('cluster.a.grpc.14'), value('cluster.a.grpc.failure')], [1, 1]);
});

test('beyond 10,000 methods calls are counted for their cluster alone', () => {
  const stats = new CallStats(new ThreadStats(() => {}), 'grpc-web');
  const scopes = new Set();
  for (let i = 0; i < 11_000; i++) scopes.add(stats.scope('cluster.a.', { service: 's', method: `m${i}` }));
  assert.equal(scopes.size, 10_001);
  assert.equal(stats.scope('cluster.a.', { service: 's', method: 'm10999' }), stats.scope('cluster.a.', undefined));
});
