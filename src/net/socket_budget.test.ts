/** Clients stop at three quarters of the budget, hosts at all of it; every worker sees what all of them hold. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { countSocket, roomForClient, roomForHost, setSocketBudget } from './socket_budget.ts';

const words = new Int32Array(new SharedArrayBuffer(8));
const ledger = new Int32Array(2);
after(() => setSocketBudget({ words, ledger, index: 1, most: Number.POSITIVE_INFINITY }));

test('the budget is shared', () => {
  setSocketBudget({ words, ledger, index: 1, most: 8 });
  for (let i = 0; i < 6; i++) countSocket(1);
  assert.deepEqual([roomForClient(), roomForHost()], [true, true]);
  countSocket(1);
  assert.deepEqual([roomForClient(), roomForHost()], [false, true]);
  Atomics.add(words, 1, 2); // another worker
  assert.deepEqual([roomForClient(), roomForHost()], [false, false]);
  assert.deepEqual([...ledger], [0, 7]);
  for (let i = 0; i < 7; i++) countSocket(-1);
  assert.deepEqual([...ledger, ...words], [0, 0, 0, 2]);
});
