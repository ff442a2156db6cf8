import assert from 'node:assert/strict';
import { test } from 'node:test';
import { equals, fromJson } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { splitMessage } from '../api/message_parts.ts';
import { type AnyMessage, decode, encode, messageType, registry } from '../api/registry.ts';
import { decodeLargeMessage, encodeLargeMessage } from './large_messages.ts';
import { Slices } from './slices.ts';

const type = 'envoy.config.route.v3.RouteConfiguration';

function table(hosts: number, changed = -1): AnyMessage {
  const virtual_hosts = Array.from({ length: hosts }, (_, i) => ({
    name: `host${i}`,
    domains: [`host${i}.test`],
    routes: Array.from({ length: i === 0 ? 2000 : 5 }, (_, k) => ({
      match: { prefix: `/${k}` },
      route: { cluster: i === changed ? 'other' : 'a-cluster-with-a-long-name-so-that-the-part-is-worth-a-hash' },
    })),
  }));
  const json = {
    name: 'r',
    virtual_hosts,
    internal_only_headers: ['x-a'],
    vhds: undefined,
    ignore_port_in_host_matching: true,
  };
  return fromJson(messageType(type), JSON.parse(JSON.stringify(json)), { registry }) as unknown as AnyMessage;
}

test('the same message either way, and parts that stayed are the same objects', async () => {
  const slices = new Slices(1);
  const first = table(50);
  const bytes = encode(type, first);
  const decoded = await decodeLargeMessage(type, bytes, slices, undefined);
  assert.ok(equals(messageType(type), decoded, first));
  const second = await decodeLargeMessage(type, encode(type, table(50, 7)), slices, decoded);
  const [before, after] = [decoded, second].map((each) => each['virtualHosts'] as object[]);
  const same = after.flatMap((host, i) => (host === before[i] ? [i] : []));
  assert.equal(same.length, 48, 'all but the changed one and the large one, whose routes are its parts');
  assert.ok(!same.includes(7) && !same.includes(0));
  assert.ok(equals(messageType(type), decode(type, await encodeLargeMessage(second, slices)), second));
});

test('what is not protobuf is refused as it is by decode', async () => {
  const bytes = encode(type, table(3));
  await assert.rejects(decodeLargeMessage(type, bytes.subarray(0, bytes.length - 3), new Slices(1), undefined));
});

test('a message is taken apart without a loss, and anything else without an end', () => {
  const whole = encode(type, table(3));
  const { rest, parts } = splitMessage(whole, 2)!;
  assert.equal(parts.length, 3);
  assert.deepEqual(decode(type, rest)['virtualHosts'], []);
  const seed = Date.now();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const split = splitMessage(bytes, 2);
      if (split === undefined) return;
      const length = split.parts.reduce((sum, part) => sum + part.length, split.rest.length);
      assert.ok(length <= bytes.length);
    }),
    { seed },
  );
});
