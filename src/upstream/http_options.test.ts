/** Which protocol and options a cluster message means: the extension, and the deprecated fields it replaces. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson } from '@bufbuild/protobuf';
import { HeaderMap, type RequestHead } from '../../native-free/headers/header_map.ts';
import { headerName } from '../../native-free/headers/header_name.ts';
import { messageType, registry } from '../api/registry.ts';
import { clusterOptions } from './cluster_options.ts';
import { serverNameOf } from './server_name.ts';

const extension = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

function optionsOf(cluster: object, options?: object) {
  const typedExtensionProtocolOptions =
    options === undefined ? {} : { [extension]: { '@type': `type.googleapis.com/${extension}`, ...options } };
  const json = { name: 'c', ...cluster, typedExtensionProtocolOptions };
  return clusterOptions(fromJson(messageType('envoy.config.cluster.v3.Cluster'), json as never, { registry }) as never);
}

test('deprecated fields', () => {
  assert.equal(optionsOf({}).protocol, 'http1');
  assert.equal(optionsOf({}).http2, undefined);
  assert.equal(optionsOf({ http2ProtocolOptions: {} }).protocol, 'http2');
  assert.equal(optionsOf({ protocolSelection: 'USE_DOWNSTREAM_PROTOCOL' }).protocol, 'downstream');
  assert.equal(optionsOf({ upstreamHttpProtocolOptions: { autoSni: true } }).autoSni, true);
});

test('the extension replaces them', () => {
  const old = { http2ProtocolOptions: { maxConcurrentStreams: 1 }, commonHttpProtocolOptions: { idleTimeout: '1s' } };
  const http1 = optionsOf(old, { explicitHttpConfig: { httpProtocolOptions: {} } });
  assert.deepEqual([http1.protocol, http1.http2, http1.idleTimeout], ['http1', undefined, 3_600_000]);
  const http2 = optionsOf(old, { explicitHttpConfig: { http2ProtocolOptions: {} } });
  assert.deepEqual([http2.protocol, http2.http2?.maxConcurrentStreams], ['http2', 1024]);
  assert.equal(optionsOf(old, { autoConfig: {} }).protocol, 'auto');
  const same = optionsOf(old, { useDownstreamProtocolConfig: { http2ProtocolOptions: { maxConcurrentStreams: 7 } } });
  assert.deepEqual([same.protocol, same.http2?.maxConcurrentStreams], ['downstream', 7]);
});

test('options of HTTP/2 and their defaults', () => {
  const { http2, http2Keepalive } = optionsOf({
    perConnectionBufferLimitBytes: 1000,
    commonHttpProtocolOptions: { maxHeadersCount: 5, maxResponseHeadersKb: 2 },
    http2ProtocolOptions: { connectionKeepalive: { interval: '2s', timeout: '1s' }, initialStreamWindowSize: 70_000 },
  });
  assert.equal(http2?.initialStreamWindowSize, 70_000);
  assert.equal(http2?.initialConnectionWindowSize, 24 * 1024 * 1024);
  assert.deepEqual([http2?.maxHeaders, http2?.maxHeaderBytes, http2?.streamBufferLimit], [5, 2048, 1000]);
  assert.deepEqual(http2Keepalive, { interval: 2000, timeout: 1000, jitter: 15, idleInterval: 0 });
});

test('the name that TLS asks for', () => {
  const headers = new HeaderMap();
  headers.add(headerName('x-name'), 'other.test:1');
  const head = (authority: string): RequestHead => ({
    method: 'GET',
    path: '/',
    authority,
    scheme: 'https',
    protocol: 'HTTP/2',
    headers,
  });
  assert.equal(serverNameOf(head('a.test'), ''), 'a.test');
  assert.equal(serverNameOf(head('a.test:443'), ''), 'a.test');
  assert.equal(serverNameOf(head('a.test'), 'x-name'), 'other.test');
  assert.equal(serverNameOf(head('a.test'), 'x-none'), 'a.test');
  for (const address of ['127.0.0.1', '127.0.0.1:80', '[::1]:80', '[::1]', '']) {
    assert.equal(serverNameOf(head(address), ''), undefined, address);
  }
});
