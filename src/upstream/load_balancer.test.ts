/** The contract of load balancing: which hosts are picked, how often, and that all workers share one rotation. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SharedWords } from '../common/counted_words.ts';
import { ThreadStats } from '../common/stats/store.ts';
import { makeWords } from '../snapshot/layout.ts';
import { Host } from './host.ts';
import { type LoadBalancingPolicy, makePicker } from './load_balancer.ts';

const store = new ThreadStats(() => {});
const words = new Int32Array(makeWords());

function worker(): SharedWords {
  return { words, ledger: new Int32Array(words.length) };
}

function hosts(weights: readonly number[], shared: SharedWords): Host[] {
  return weights.map((weight, i) => {
    const address = { ip: '127.0.0.1', port: 1000 + i, text: `127.0.0.1:${1000 + i}` };
    return new Host({ clusterName: 'a', address, hostname: '', weight, priority: 0, slot: i }, shared, store);
  });
}

function picks(policy: LoadBalancingPolicy, weights: readonly number[], count: number, slot: number): string {
  const shared = worker();
  const list = hosts(weights, shared);
  const picker = makePicker(policy, list, shared, slot);
  return Array.from({ length: count }, () => list.indexOf(picker.pick()!)).join('');
}

const roundRobin: LoadBalancingPolicy = { kind: 'round_robin' };

test('every policy: no host, no pick', () => {
  for (const kind of ['round_robin', 'random', 'least_request'] as const) {
    const policy = { kind, choiceCount: 2, activeRequestBias: 1 } as LoadBalancingPolicy;
    assert.equal(makePicker(policy, [], worker(), 9).pick(), undefined);
  }
});

test('round robin turns strictly', () => assert.equal(picks(roundRobin, [1, 1, 1], 7, 1), '0120120'));

test('round robin by weights has a period with the exact counts, spread out', () => {
  const order = picks(roundRobin, [1, 2, 3], 12, 2);
  assert.equal(order.slice(0, 6), order.slice(6));
  const counts = [0, 1, 2].map((host) => [...order.slice(0, 6)].filter((pick) => pick === String(host)).length);
  assert.deepEqual(counts, [1, 2, 3]);
  assert.doesNotMatch(order, /222/);
});

test('large weights are scaled down and keep their proportion', () => {
  const order = picks(roundRobin, [1_000_000, 3_000_000], 8, 3);
  assert.equal([...order].filter((pick) => pick === '1').length, 6);
});

test('two workers share one rotation', () => {
  const [first, second] = [worker(), worker()];
  const one = makePicker(roundRobin, hosts([1, 1, 1], first), first, 4);
  const two = makePicker(roundRobin, hosts([1, 1, 1], second), second, 4);
  const order = [one.pick(), two.pick(), two.pick(), one.pick()].map((host) => host!.target.port - 1000);
  assert.deepEqual(order, [0, 1, 2, 0]);
});

test('random reaches all hosts evenly', () => {
  const order = picks({ kind: 'random' }, [1, 1, 1, 1], 4000, 5);
  for (const host of '0123') {
    const share = [...order].filter((pick) => pick === host).length;
    assert.ok(share > 850 && share < 1150, `${host}: ${share}`);
  }
});

test('least request takes the idle host of two, whichever worker keeps the other busy', () => {
  const [here, there] = [worker(), worker()];
  const policy: LoadBalancingPolicy = { kind: 'least_request', choiceCount: 50, activeRequestBias: 1 };
  const list = hosts([1, 1], here);
  hosts([1, 1], there)[0].addActiveRequest(1);
  const picker = makePicker(policy, list, here, 6);
  for (let i = 0; i < 20; i++) assert.equal(picker.pick(), list[1]);
  hosts([1, 1], there)[0].addActiveRequest(-1);
});

test('least request by weights follows weight / (active + 1)', () => {
  const order = picks({ kind: 'least_request', choiceCount: 2, activeRequestBias: 1 }, [1, 9], 4000, 7);
  const share = [...order].filter((pick) => pick === '1').length / 4000;
  assert.ok(share > 0.86 && share < 0.94, String(share));
});
