import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { envoy } from '../api/envoy_types.ts';
import { ipAddress, pipeAddress } from './address.ts';
import { compileProxyHeader } from './proxy_protocol_header.ts';
import type { ConnectionInfo } from './stream_info.ts';

const header = (version: number, client: Partial<ConnectionInfo> | undefined, tlvs: [number, string][] = []) =>
  compileProxyHeader({
    version,
    addedTlvs: tlvs.map(([type, value]) => ({ type, value: Buffer.from(value) })),
  } as unknown as envoy.config.core.v3.ProxyProtocolConfig)(client as ConnectionInfo | undefined);

const client = { remoteAddress: ipAddress('10.0.0.7', 4711), localAddress: ipAddress('10.0.0.1', 80) };

test('version 1 is a line', () => {
  assert.equal(header(0, client).toString('latin1'), 'PROXY TCP4 10.0.0.7 10.0.0.1 4711 80\r\n');
  const v6 = { remoteAddress: ipAddress('::1', 1), localAddress: ipAddress('::2', 2) };
  assert.equal(header(0, v6).toString('latin1'), 'PROXY TCP6 ::1 ::2 1 2\r\n');
});

test('version 2 is binary, with the TLVs that are added', () => {
  const bytes = header(1, client, [[0xe0, 'ab']]);
  assert.equal(bytes.subarray(12).toString('hex'), `211100110a0000070a000001${(4711).toString(16)}0050e000026162`);
});

test('a client without an address is told as unknown', () => {
  const unix = { remoteAddress: pipeAddress('/tmp/s'), localAddress: pipeAddress('/tmp/s') };
  for (const one of [unix, undefined]) {
    assert.equal(header(0, one).toString('latin1'), 'PROXY UNKNOWN\r\n');
    assert.equal(header(1, one).subarray(12).toString('hex'), '20000000');
  }
});
