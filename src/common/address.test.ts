import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatIp, ipAddress, ipVersion, isPipe, parseAddress } from './address.ts';

test('IP literals and only these have a version', () => {
  for (const ip of ['0.0.0.0', '127.0.0.1', '255.255.255.255', '10.20.30.40']) assert.equal(ipVersion(ip), 4, ip);
  for (const ip of ['::', '::1', 'fe80::1%eth0', '2001:db8::8:800:200c:417a', '::ffff:1.2.3.4'])
    assert.equal(ipVersion(ip), 6, ip);
  for (const text of [
    '',
    '1',
    '1.2.3',
    '1.2.3.4.',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4',
    'service1',
    'a:b',
    ':::',
    '1::2::3',
  ])
    assert.equal(ipVersion(text), 0, text);
});

test('addresses are written and read in Envoy’s forms', () => {
  assert.equal(formatIp('1.2.3.4', 80), '1.2.3.4:80');
  assert.equal(formatIp('::1', 80), '[::1]:80');
  assert.deepEqual(ipAddress('::ffff:10.0.0.1', 5), { ip: '10.0.0.1', port: 5, text: '10.0.0.1:5' });
  for (const text of ['1.2.3.4:80', '[::1]:0', '[2001:db8::1]:65535', '/run/a.sock', '@abstract'])
    assert.equal(parseAddress(text)?.text, text);
  assert.equal(isPipe(parseAddress('/run/a.sock')!), true);
  assert.equal(isPipe(parseAddress('[::1]:1')!), false);
  for (const text of ['', 'service1:80', '1.2.3.4', '1.2.3.4:65536', '::1:80', '[1.2.3.4]:80', '1.2.3.4:-1'])
    assert.equal(parseAddress(text), undefined, text);
});
