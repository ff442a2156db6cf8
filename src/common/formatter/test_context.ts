/** A finished stream for tests of formats and access logs, as Envoy saw it when the expected texts were recorded. */
import { HeaderMap, type RequestHead, type ResponseHead } from '../../../native-free/headers/header_map.ts';
import { headerName } from '../../../native-free/headers/header_name.ts';
import type { FormatContext } from '../../spi/format.ts';
import { type Address, type ConnectionInfo, StreamInfo } from '../stream_info.ts';

export function headerMap(fields: readonly (readonly [string, string])[]): HeaderMap {
  const map = new HeaderMap();
  for (const [name, value] of fields) map.add(headerName(name), value);
  return map;
}

function testAddress(ip: string, port: number): Address {
  return { ip, port, text: `${ip}:${port}` };
}

export function testConnection(): ConnectionInfo {
  return {
    id: 7,
    localAddress: testAddress('127.0.0.1', 8080),
    directRemoteAddress: testAddress('127.0.0.1', 53088),
    remoteAddress: testAddress('10.1.1.1', 53088),
    requestedServerName: '',
    terminationDetails: '',
    transportFailureReason: '',
    tls: undefined,
  };
}

export type TestContext = FormatContext & { request: RequestHead; response: ResponseHead };

/** `GET /a?y=12…` answered with 200 by an upstream after 5.7 ms; change what a test is about. */
export function testContext(): TestContext {
  const info = new StreamInfo(testConnection(), 1795248389345.401, 1000.2);
  info.endMonotonic = 1005.9;
  info.lastDownstreamByteReceived = 1000.9;
  info.firstUpstreamByteSent = 1001.1;
  info.lastUpstreamByteSent = 1001.3;
  info.firstUpstreamByteReceived = 1003.4;
  info.lastUpstreamByteReceived = 1004;
  info.firstDownstreamByteSent = 1004.1;
  info.lastDownstreamByteSent = 1005.5;
  info.protocol = 'HTTP/1.1';
  info.responseCode = 200;
  info.responseCodeDetails = 'via_upstream';
  info.bytesSent = 17;
  info.upstreamCluster = 'a';
  info.upstreamHost = { address: '127.0.0.1:36329', hostname: '', clusterName: 'a' };
  info.upstreamLocalAddress = testAddress('127.0.0.1', 47814);
  info.upstreamConnectionId = 2;
  info.upstreamRequestAttemptCount = 1;
  info.routeName = 'rest';
  return {
    info,
    request: {
      method: 'GET',
      path: '/new/a?y=12&e=%41+b&y=3',
      authority: 'example.test',
      scheme: 'http',
      protocol: 'HTTP/1.1',
      headers: headerMap([
        ['x-a', 'val"\\x'],
        ['x-empty', ''],
        ['x-a', 'second'],
        ['user-agent', 'u1'],
        ['user-agent', 'u2'],
        ['x-envoy-original-path', '/a?y=12&e=%41+b&y=3'],
        ['x-request-id', '91cc2c2b-fcfb-42b0-b28e-156d292618c2'],
      ]),
    },
    response: {
      status: 200,
      protocol: 'HTTP/1.1',
      headers: headerMap([
        ['x-backend', 'b1'],
        ['x-backend', 'b2'],
        ['x-envoy-upstream-service-time', '3'],
      ]),
    },
    responseTrailers: undefined,
    localReplyBody: '',
  };
}
