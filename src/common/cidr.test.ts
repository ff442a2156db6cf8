import assert from 'node:assert/strict';
import test from 'node:test';
import type { envoy } from '../api/envoy_types.ts';
import { CidrRanges, cidrProblem } from './cidr.ts';

const range = (addressPrefix: string, prefixLen: number | undefined) =>
  ({ $typeName: 'envoy.config.core.v3.CidrRange', addressPrefix, prefixLen }) as envoy.config.core.v3.CidrRange;

test('an address is in a range by its leading bits', () => {
  const ranges = new CidrRanges([range('10.1.128.0', 17), range('fd00::', 8), range('192.0.2.7', 32)]);
  for (const ip of ['10.1.128.1', '10.1.255.255', 'fd12::1', '192.0.2.7']) assert.equal(ranges.includes(ip), true, ip);
  for (const ip of ['10.1.127.255', 'fe80::1', '192.0.2.8', '', 'name', '1.2.3']) {
    assert.equal(ranges.includes(ip), false, ip);
  }
});

test('a range without a length holds every address of its family', () => {
  assert.equal(new CidrRanges([range('0.0.0.0', undefined)]).includes('8.8.8.8'), true);
  assert.equal(new CidrRanges([range('::', 0)]).includes('8.8.8.8'), false);
  assert.equal(new CidrRanges([range('::', 0)]).includes('1::'), true);
});

test('all spellings of an IPv6 address are one', () => {
  const ranges = new CidrRanges([range('2001:db8::ff00:1.2.3.4', 128)]);
  assert.equal(ranges.includes('2001:0DB8:0:0:0:ff00:102:304'), true);
  assert.equal(ranges.includes('2001:db8::ff00:1.2.3.5'), false);
});

test('a prefix that is no address is a problem', () => {
  assert.equal(cidrProblem(range('10.0.0.0', 8)), undefined);
  assert.equal(cidrProblem(range('10.0.0', 8)), "invalid ip/mask combo '10.0.0/8' (format is <ip>/<# mask bits>)");
});
