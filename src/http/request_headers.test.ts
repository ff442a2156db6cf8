import assert from 'node:assert/strict';
import test from 'node:test';
import { HeaderMap, type RequestHead } from '../../native-free/headers/header_map.ts';
import { headerName } from '../../native-free/headers/header_name.ts';
import { ipAddress } from '../common/address.ts';
import type { ConnectionInfo } from '../common/stream_info.ts';
import type { HttpConnectionManagerConfig } from './config.ts';
import { InternalAddresses } from './internal_addresses.ts';
import { compileOriginalIpDetection } from './original_ip.ts';
import { mutateRequestHeaders } from './request_headers.ts';

const connection = {
  remoteAddress: ipAddress('10.0.0.7', 4711),
  localAddress: ipAddress('10.0.0.1', 8080),
} as ConnectionInfo;

const tenNet = new InternalAddresses({
  $typeName: 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.InternalAddressConfig',
  unixSockets: false,
  cidrRanges: [{ $typeName: 'envoy.config.core.v3.CidrRange', addressPrefix: '10.0.0.0', prefixLen: 8 }],
} as never);

const defaults = {
  useRemoteAddress: true,
  xffNumTrustedHops: 0,
  originalIp: compileOriginalIpDetection([], 0),
  localAddress: '192.0.2.2',
  schemeToSet: '',
  userAgent: '',
  nodeName: '',
  via: '',
  routes: { table: undefined },
} as Partial<HttpConnectionManagerConfig>;

function mutated(fields: [string, string][], config: Partial<HttpConnectionManagerConfig>): string[] {
  const headers = new HeaderMap();
  for (const [name, value] of fields) headers.add(headerName(name), value);
  const head: RequestHead = { method: 'GET', path: '/', authority: 'a', scheme: '', protocol: 'HTTP/1.1', headers };
  mutateRequestHeaders(head, { ...defaults, ...config } as HttpConnectionManagerConfig, connection, false);
  return headers.names.map(({ text }, i) => `${text}=${headers.values[i]}`);
}

const claims: [string, string][] = [
  ['x-envoy-internal', 'true'],
  ['x-envoy-retry-on', '5xx'],
  ['x-envoy-original-path', '/o'],
  ['x-forwarded-proto', 'https'],
];

test('a client from outside has no say, and its address is told', () => {
  assert.deepEqual(mutated(claims, {}), [
    'x-forwarded-proto=http',
    'x-forwarded-for=10.0.0.7',
    'x-envoy-external-address=10.0.0.7',
  ]);
});

test('one of our own steers the proxy, unless somebody stands between', () => {
  assert.deepEqual(mutated(claims, { internalAddresses: tenNet }), [
    'x-envoy-retry-on=5xx',
    'x-envoy-original-path=/o',
    'x-forwarded-proto=http',
    'x-forwarded-for=10.0.0.7',
    'x-envoy-internal=true',
  ]);
  const proxied = mutated([...claims, ['x-forwarded-for', '10.0.0.9']], { internalAddresses: tenNet });
  assert.ok(proxied.includes('x-forwarded-for=10.0.0.9,10.0.0.7'));
  assert.ok(proxied.includes('x-envoy-external-address=10.0.0.7'));
  assert.ok(!proxied.includes('x-envoy-retry-on=5xx'));
});

test('behind another proxy what it says of scheme, port and path is believed', () => {
  const inner = mutated(claims, { useRemoteAddress: false, appendXForwardedPort: true });
  assert.deepEqual(inner, ['x-envoy-original-path=/o', 'x-forwarded-proto=https', 'x-forwarded-port=8080']);
});

test('fields that Envoy keeps as one value are joined where the first stood; Connection takes others out', () => {
  const fields = mutated(
    [
      ['accept', 'a'],
      ['x-two', '1'],
      ['accept', 'b'],
      ['x-two', '2'],
      ['x-hop', '1'],
      ['connection', 'x-hop, close'],
      ['te', 'gzip, trailers'],
    ],
    { useRemoteAddress: false },
  );
  assert.deepEqual(fields, ['accept=a,b', 'x-two=1', 'x-two=2', 'te=trailers', 'x-forwarded-proto=http']);
});

test('the order of what is added is Envoy’s', () => {
  const all = mutated([], {
    appendXForwardedPort: true,
    userAgent: 'edge',
    nodeName: 'n',
    via: 'v',
    generateRequestId: true,
  });
  assert.deepEqual(
    all.map((field) => field.split('=')[0]),
    [
      'x-forwarded-for',
      'x-forwarded-proto',
      'x-forwarded-port',
      'x-envoy-downstream-service-cluster',
      'user-agent',
      'x-envoy-downstream-service-node',
      'via',
      'x-envoy-external-address',
      'x-request-id',
    ],
  );
});

test('an id from outside is kept on request, without a word on tracing', () => {
  const id = (value: string, config: Partial<HttpConnectionManagerConfig>) =>
    mutated([['x-request-id', value]], { generateRequestId: true, ...config })
      .find((field) => field.startsWith('x-request-id='))
      ?.slice('x-request-id='.length);
  const traced = '11111111-1111-9111-9111-111111111111';
  const keep = { preserveExternalRequestId: true, packTraceReason: true };
  assert.notEqual(id(traced, {}), traced);
  assert.equal(id(traced, keep), '11111111-1111-4111-9111-111111111111');
  assert.equal(id('short', keep), 'short');
  assert.equal(id(traced, { ...keep, packTraceReason: false }), traced);
  assert.equal(id(traced, { useRemoteAddress: false }), traced);
  assert.match(id('', { useRemoteAddress: false }) ?? '', /^[\da-f-]{36}$/);
});

test('te may say trailers in lower case alone, unless Connection names it', () => {
  assert.ok(mutated([['te', 'gzip, trailers']], {}).includes('te=trailers'));
  for (const value of ['Trailers', 'traileRS', 'trailers;q=1', 'xtrailers']) {
    assert.ok(!mutated([['te', value]], {}).some((field) => field.startsWith('te=')), value);
  }
  const nominated = (value: string) =>
    mutated(
      [
        ['connection', 'TE'],
        ['te', value],
      ],
      {},
    );
  assert.ok(nominated('traileRS').includes('te=trailers'));
  assert.ok(!nominated('gzip').some((field) => field.startsWith('te=')));
});

test('an empty value among repeated ones adds nothing to a joined header', () => {
  const accept = (...values: string[]) =>
    mutated(
      values.map((value) => ['accept', value] as [string, string]),
      {},
    )[0];
  assert.equal(accept('', '*/*'), 'accept=*/*');
  assert.equal(accept('a', '', 'b'), 'accept=a,b');
  assert.equal(accept('', ''), 'accept=');
});
