/** Circuit breakers count over all workers, exactly. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BreakerLimits } from '../common/breaker_limits.ts';
import { clusterBase, makeWords } from '../snapshot/layout.ts';
import { CircuitBreaker } from './circuit_breaker.ts';

const words = new Int32Array(makeWords());
const limits: BreakerLimits = {
  maxConnections: 1,
  maxPendingRequests: 0,
  maxRequests: 3,
  maxRetries: 1,
  maxConnectionPools: 1,
  retryBudget: undefined,
  trackRemaining: false,
};
const breaker = () => new CircuitBreaker(limits, { words, ledger: new Int32Array(words.length) }, clusterBase(3));

test('two workers together take no more than the limit', () => {
  const workers = [breaker(), breaker()];
  const taken = Array.from({ length: 10 }, (_, i) => workers[i % 2].tryRequest());
  assert.deepEqual(taken, [true, true, true, ...Array(7).fill(false)]);
  workers[0].releaseRequest();
  assert.equal(workers[1].tryRequest(), true);
  assert.equal(workers[0].tryRequest(), false);
});

test('a limit of 0 lets nothing through', () => assert.equal(breaker().tryPending(), false));

test('a connection beyond the limit counts like the others', () => {
  const one = breaker();
  assert.equal(one.tryConnection(), true);
  one.takeConnection();
  one.releaseConnection();
  assert.equal(one.tryConnection(), false);
  one.releaseConnection();
  assert.equal(one.tryConnection(), true);
});

test('what a worker took is told apart from the rest by its ledger', () => {
  const ledgers = [new Int32Array(words.length), new Int32Array(words.length)];
  const workers = ledgers.map((ledger) => new CircuitBreaker(limits, { words, ledger }, clusterBase(4)));
  workers[0].tryRetry();
  assert.equal(workers[1].tryRetry(), false);
  for (const [i, value] of ledgers[0].entries()) if (value !== 0) Atomics.sub(words, i, value);
  assert.equal(workers[1].tryRetry(), true);
});

test('a retry budget grows with the requests under way, from its minimum', () => {
  const budget = { ...limits, maxRequests: 100, retryBudget: { percent: 20, min: 1 } };
  const one = new CircuitBreaker(budget, { words, ledger: new Int32Array(words.length) }, clusterBase(5));
  assert.deepEqual([one.tryRetry(), one.tryRetry()], [true, false]);
  for (let i = 0; i < 10; i++) one.tryRequest();
  assert.deepEqual([one.tryRetry(), one.tryRetry()], [true, false]);
});

test('pools are counted', () => {
  const one = new CircuitBreaker(limits, { words, ledger: new Int32Array(words.length) }, clusterBase(6));
  assert.deepEqual([one.tryPool(), one.tryPool()], [true, false]);
  one.releasePool();
  assert.equal(one.tryPool(), true);
});
