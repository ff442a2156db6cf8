import assert from 'node:assert/strict';
import { isIPv6 } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatIpv6, parseIpv4, parseIpv6 } from './ipv6.ts';

test('text and bytes', () => {
  for (const [text, canonical] of [
    ['::', '::'],
    ['::1', '::1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1:0:0:0:1', '2001:db8:0:1::1'],
    ['1:0:2:0:3:0:4:0', '1:0:2:0:3:0:4:0'],
    ['::ffff:1.2.3.4', '::ffff:1.2.3.4'],
    ['fe80::', 'fe80::'],
    ['1::8', '1::8'],
  ]) {
    const bytes = parseIpv6(text);
    assert.ok(bytes, text);
    assert.equal(formatIpv6(bytes), canonical);
  }
  for (const bad of [
    '',
    ':',
    ':::',
    '1',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    '12345::',
    '::1.2.3',
    '1:2:3:4:5:6:7:8::',
    'g::',
  ])
    assert.equal(parseIpv6(bad), undefined, bad);
  assert.deepEqual(parseIpv4('1.2.3.255'), [1, 2, 3, 255]);
  for (const bad of ['1.2.3', '1.2.3.256', '1.2.3.04', '1.2.3.4.5', 'a.b.c.d'])
    assert.equal(parseIpv4(bad), undefined, bad);
});

test('every address survives the way to text and back; what Node takes for an address is one', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      assert.deepEqual(parseIpv6(formatIpv6(bytes)), bytes);
    }),
  );
  fc.assert(
    fc.property(fc.stringMatching(/^[0-9a-f:.]{0,24}$/), (text) => {
      assert.equal(parseIpv6(text) !== undefined, isIPv6(text), text);
    }),
  );
});
