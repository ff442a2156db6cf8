import assert from 'node:assert/strict';
import { test } from 'node:test';
import { googleTarget } from './google_grpc_target.ts';

test("targets in gRPC's syntax", () => {
  const seen = (uri: string) => {
    const target = googleTarget(uri);
    if (typeof target === 'string') return target;
    return [target.authority, ...target.addresses.map(({ ip, port, text }) => `${ip}|${port || text}`)].join(' ');
  };
  const cases = {
    'xds.test:18000': 'xds.test:18000 xds.test|18000',
    'xds.test': 'xds.test xds.test|443',
    'dns:xds.test:1': 'xds.test:1 xds.test|1',
    'dns:///xds.test:1': 'xds.test:1 xds.test|1',
    'dns://8.8.8.8/xds.test:1': 'xds.test:1 xds.test|1',
    '127.0.0.1:2': '127.0.0.1:2 127.0.0.1|2',
    '[::1]:3': '[::1]:3 ::1|3',
    'ipv4:10.0.0.1:1,10.0.0.2:2': '10.0.0.1:1 10.0.0.1|1 10.0.0.2|2',
    'ipv6:[::1]:4': '[::1]:4 ::1|4',
    'unix:/run/x.sock': 'localhost |/run/x.sock',
    'unix:///run/x.sock': 'localhost |/run/x.sock',
    'unix-abstract:x': 'localhost |@x',
  };
  for (const [uri, expected] of Object.entries(cases)) assert.equal(seen(uri), expected, uri);
});

test('what is no target', () => {
  for (const uri of ['a:b', 'a:99999', 'xds:///a', 'unix:', '::1', ''])
    assert.equal(typeof googleTarget(uri), 'string', uri);
});
