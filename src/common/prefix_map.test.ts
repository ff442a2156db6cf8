import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PrefixMap } from './prefix_map.ts';

test('the most specific range wins, each version for itself', () => {
  const map = new PrefixMap<string>();
  assert.equal(map.find('10.1.2.3'), undefined);
  map.at('', () => 'all');
  assert.equal(map.find('10.1.2.3'), 'all');
  for (const cidr of ['10.0.0.0/8', '10.1.0.0/16', '10.1.2.3/32', '2001:db8::/32', '::1/128']) map.at(cidr, () => cidr);
  assert.equal(
    map.at('10.9.9.9/8', () => 'never'),
    '10.0.0.0/8',
    'bits behind the prefix do not count',
  );
  assert.equal(map.find('10.1.2.3'), '10.1.2.3/32');
  assert.equal(map.find('10.1.2.4'), '10.1.0.0/16');
  assert.equal(map.find('10.2.0.0'), '10.0.0.0/8');
  assert.equal(map.find('11.0.0.0'), 'all');
  assert.equal(map.find('2001:db8::5'), '2001:db8::/32');
  assert.equal(map.find('::1'), '::1/128');
  assert.equal(map.find('::2'), 'all');
  assert.equal(map.find(''), 'all');
  map.at('0.0.0.0/0', () => 'all of version 4');
  assert.equal(map.find('11.0.0.0'), 'all of version 4');
  assert.equal(map.find(''), 'all of version 4');
  assert.equal(map.find('::2'), 'all');
});
