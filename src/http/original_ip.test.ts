import assert from 'node:assert/strict';
import test from 'node:test';
import { fromJson } from '@bufbuild/protobuf';
import { HeaderMap } from '../../native-free/headers/header_map.ts';
import { headerName } from '../../native-free/headers/header_name.ts';
import type { envoy } from '../api/envoy_types.ts';
import { messageType, registry } from '../api/registry.ts';
import { ipAddress } from '../common/address.ts';
import { appendForwardedFor } from './forwarded_for.ts';
import { compileOriginalIpDetection } from './original_ip.ts';

const peer = ipAddress('192.0.2.9', 4711);

function headers(fields: Record<string, string>): HeaderMap {
  const map = new HeaderMap();
  for (const [name, value] of Object.entries(fields)) map.add(headerName(name), value);
  return map;
}

function detection(type: string, json: object) {
  const any = { '@type': `t/envoy.extensions.http.original_ip_detection.${type}`, ...json };
  const extension = fromJson(
    messageType('envoy.config.core.v3.TypedExtensionConfig'),
    { name: 'x', typedConfig: any } as never,
    { registry },
  ) as unknown as envoy.config.core.v3.TypedExtensionConfig;
  return compileOriginalIpDetection([extension], 0)[0];
}

test('without extensions the last address of X-Forwarded-For before the trusted hops counts', () => {
  const [last] = compileOriginalIpDetection([], 0);
  const [second] = compileOriginalIpDetection([], 1);
  const list = headers({ 'x-forwarded-for': '1.1.1.1, 2.2.2.2' });
  assert.deepEqual(last.detect(list, peer), { address: { ip: '2.2.2.2', port: 0, text: '2.2.2.2:0' }, alone: false });
  assert.equal(second.detect(list, peer)?.address.ip, '1.1.1.1');
  assert.equal(second.detect(headers({ 'x-forwarded-for': '1.1.1.1' }), peer), undefined);
  assert.equal(last.detect(headers({ 'x-forwarded-for': '::1' }), peer)?.address.text, '[::1]:0');
  for (const value of ['', 'unknown', '1.1.1.1:80', '1.1.1.1,']) {
    assert.equal(last.detect(headers({ 'x-forwarded-for': value }), peer), undefined, value);
  }
});

test('trusted ranges are skipped from the right, but only for a trusted peer', () => {
  const range = { addressPrefix: '192.0.2.0', prefixLen: 24 };
  const ranges = detection('xff.v3.XffConfig', { xffTrustedCidrs: { cidrs: [range] } });
  const list = headers({ 'x-forwarded-for': '1.1.1.1, 192.0.2.1, 192.0.2.2' });
  assert.equal(ranges.detect(list, peer)?.address.ip, '1.1.1.1');
  assert.equal(ranges.detect(headers({ 'x-forwarded-for': '192.0.2.1, 192.0.2.2' }), peer)?.address.ip, '192.0.2.1');
  assert.equal(ranges.detect(list, ipAddress('8.8.8.8', 1)), undefined);
  assert.equal(ranges.appendsForwardedFor(peer), false);
  assert.equal(ranges.appendsForwardedFor(ipAddress('8.8.8.8', 1)), true);
});

test('a header of its own makes a client trusted only where that is allowed, and may be required', () => {
  const config = { headerName: 'X-Real-Ip', allowExtensionToSetAddressAsTrusted: true };
  const own = detection('custom_header.v3.CustomHeaderConfig', { ...config, rejectWithStatus: { code: 401 } });
  assert.equal(own.detect(headers({ 'x-real-ip': ' 10.0.0.1 ' }), peer)?.alone, true);
  assert.equal(own.detect(headers({ 'x-real-ip': 'no' }), peer), undefined);
  assert.equal(own.rejectStatus, 401);
  const odd = detection('custom_header.v3.CustomHeaderConfig', { headerName: 'a', rejectWithStatus: { code: 200 } });
  assert.equal(odd.rejectStatus, 403);
  assert.equal(detection('custom_header.v3.CustomHeaderConfig', { headerName: 'a' }).rejectStatus, 0);
});

test('the peer is appended without a blank, our own address for one on this machine, nothing for a UNIX socket', () => {
  const list = headers({ 'x-forwarded-for': '1.1.1.1' });
  appendForwardedFor(list, peer, '192.0.2.2');
  appendForwardedFor(list, ipAddress('127.0.0.1', 1), '192.0.2.2');
  appendForwardedFor(list, { ip: '', port: 0, text: '/run/x' }, '192.0.2.2');
  assert.deepEqual(list.values, ['1.1.1.1,192.0.2.9,192.0.2.2']);
});
