import assert from 'node:assert/strict';
import test from 'node:test';
import { acceptedSocketOptions, socketOptionProblem } from './socket_options.ts';

const option = (level: number, name: number, value: number) =>
  ({ level: BigInt(level), name: BigInt(name), value: { case: 'intValue', value: BigInt(value) } }) as never;

test('what Node can set is taken, the rest is named', () => {
  assert.equal(socketOptionProblem(option(1, 9, 1)), undefined);
  assert.equal(socketOptionProblem(option(6, 1, 1)), undefined);
  assert.equal(socketOptionProblem(option(1, 8, 1)), 'socket option level 1 name 8 cannot be set by Node.js');
  assert.equal(
    socketOptionProblem({ level: 1n, name: 9n, value: { case: 'bufValue', value: new Uint8Array() } } as never),
    'socket option level 1 name 9: only int_value is supported',
  );
});

test('keepalive by options and by message, type of service', () => {
  assert.deepEqual(acceptedSocketOptions([]), {});
  assert.deepEqual(acceptedSocketOptions([option(1, 9, 0), option(1, 2, 1)]), {});
  assert.deepEqual(acceptedSocketOptions([option(1, 9, 1), option(6, 4, 30), option(6, 6, 3), option(0, 1, 16)]), {
    keepAlive: { time: 30, interval: 0, probes: 3 },
    typeOfService: 16,
  });
  assert.deepEqual(acceptedSocketOptions([], { keepaliveTime: 5, keepaliveInterval: 2 } as never), {
    keepAlive: { time: 5, interval: 2, probes: 0 },
  });
});
