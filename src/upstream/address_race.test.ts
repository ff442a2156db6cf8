import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ipAddress } from '../common/address.ts';
import type { Address } from '../common/stream_info.ts';
import type { Connection, ConnectionCallbacks } from '../net/connection.ts';
import { AddressRace, attemptOrder } from './address_race.ts';

const [a, b, c] = ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((ip) => ipAddress(ip, 80));
const [x, y] = ['::1', '::2'].map((ip) => ipAddress(ip, 80));

/** A connection under way, as far as the race knows it. */
class Attempt {
  callbacks: ConnectionCallbacks;
  readonly name: string;
  closed = false;
  constructor(name: string, callbacks: ConnectionCallbacks) {
    this.name = name;
    this.callbacks = callbacks;
  }
  closeNow(): void {
    if (this.closed) return;
    this.closed = true;
    this.callbacks.onClosed(true, '');
  }
  fail(): void {
    this.closed = true;
    this.callbacks.onClosed(false, 'ECONNREFUSED');
  }
}

function race(...addresses: readonly Address[]) {
  const attempts: Attempt[] = [];
  const events: string[] = [];
  const owner = {
    connection: undefined as unknown as Connection,
    onConnected: () => void events.push(`connected ${(owner.connection as unknown as Attempt).name}`),
    onClosed: (local: boolean, reason: string) => void events.push(`closed ${local} ${reason}`),
    onData() {},
    onEnd() {},
    onBlocked() {},
    onWritable() {},
  };
  const running = new AddressRace(owner, addresses, (address, callbacks) => {
    attempts.push(new Attempt(address.ip, callbacks));
    return attempts[attempts.length - 1] as unknown as Connection;
  });
  owner.connection = running.first;
  return { attempts, events, owner, later: () => running.onTimer() };
}

test('the next address follows a failure at once, and the last failure is that of the host', () => {
  const { attempts, events } = race(a, b);
  attempts[0].fail();
  assert.deepEqual([attempts.length, events], [2, []]);
  attempts[1].fail();
  assert.deepEqual(events, ['closed false ECONNREFUSED']);
});

test('a slow address goes on beside the next one; who connects first is taken, the others are closed', () => {
  const { attempts, events, owner, later } = race(a, b, c);
  later();
  later();
  attempts[0].callbacks.onConnected?.();
  assert.deepEqual(events, ['connected 10.0.0.1']);
  assert.deepEqual(
    attempts.map(({ closed }) => closed),
    [false, true, true],
  );
  assert.equal(attempts[0].callbacks, owner);
});

test('the owner that gives up closes them all, also when the last one begun has failed', () => {
  const { attempts, events, owner, later } = race(a, b);
  later();
  attempts[1].fail();
  assert.deepEqual(events, []);
  owner.connection.closeNow();
  assert.deepEqual(events, ['closed true ']);
  assert.ok(attempts.every(({ closed }) => closed));
});

test('families take turns, from that of the first address on or from the configured one', () => {
  const order = (config?: object) => attemptOrder([a, b, c, x, y], config as never).map(({ ip }) => ip);
  assert.deepEqual(order(), ['10.0.0.1', '::1', '10.0.0.2', '::2', '10.0.0.3']);
  assert.deepEqual(order({ firstAddressFamilyVersion: 2 }), ['::1', '10.0.0.1', '::2', '10.0.0.2', '10.0.0.3']);
  const two = { firstAddressFamilyVersion: 1, firstAddressFamilyCount: 2 };
  assert.deepEqual(order(two), ['10.0.0.1', '10.0.0.2', '::1', '10.0.0.3', '::2']);
});
