import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mostSockets } from './descriptor_limit.ts';

test('the sockets a limit leaves', () => {
  const limits = (soft: string) => `Limit  Soft  Hard  Units\nMax open files            ${soft}      4096   files\n`;
  assert.equal(mostSockets(2, limits('256')), 160);
  assert.equal(mostSockets(4, limits('1048576')), 1_048_448);
  assert.equal(mostSockets(8, limits('128')), 8);
  assert.equal(mostSockets(2, limits('unlimited')), Number.POSITIVE_INFINITY);
  assert.equal(mostSockets(2, ''), Number.POSITIVE_INFINITY);
});
