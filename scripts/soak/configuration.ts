/** The bootstrap of a soak: two HTTP listeners, plain and TLS, and a TCP one, in front of hosts of all kinds. */
import { bootstrap, cluster, httpListener, type Json, route, tcpListener } from '../../test/support/bootstrap.ts';
import type { Certificate } from '../../test/support/certificates.ts';
import { certificateFiles, downstreamTls, upstreamTls } from '../../test/support/tls.ts';
import type { UpstreamName } from './upstreams.ts';

const options = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** Gauges of it tell what is left of each limit. */
const limits = { max_connections: 5000, max_pending_requests: 5000, max_requests: 5000, max_retries: 5000 };
const circuit_breakers = { thresholds: [{ ...limits, track_remaining: true }] };
/** What the gauges of a cluster must be back to when nothing is under way. */
export const idleLimits: Readonly<Record<string, number>> = {
  remaining_cx: limits.max_connections,
  remaining_pending: limits.max_pending_requests,
  remaining_rq: limits.max_requests,
  remaining_retries: limits.max_retries,
};

/** Windows smaller than Envoy's defaults: slow readers are felt soon. */
const windows = { initial_stream_window_size: 65_535, initial_connection_window_size: 262_144 };

export function configuration(ports: Readonly<Record<UpstreamName, number>>, certificate: Certificate): Json {
  const http2 = (more: Json = {}) => ({
    circuit_breakers,
    typed_extension_protocol_options: {
      [options]: {
        '@type': `type.googleapis.com/${options}`,
        explicit_http_config: { http2_protocol_options: { ...windows, allow_connect: true } },
      },
    },
    ...more,
  });
  const tls = (protocol: string) => ({
    transport_socket: upstreamTls({ alpn_protocols: [protocol] }, { sni: 'a.test' }),
  });
  const again = {
    retry_policy: {
      retry_on: 'reset,refused-stream,connect-failure',
      num_retries: 10,
      retry_back_off: { base_interval: '0.001s', max_interval: '0.01s' },
    },
  };
  const long = { timeout: '60s' };
  const to = (name: UpstreamName, action: Json = long) => [
    route(`/${name}/`, name, action),
    route(`/slow/${name}/`, name, action),
  ];
  // A host that does not read holds up the request: its timeout begins behind the whole of it.
  const short = { timeout: '0.5s', idle_timeout: '2s' };
  const routes = [
    { match: { prefix: '/test.Echo/' }, route: { cluster: 'grpc', timeout: '0s' } },
    ...to('h1'),
    ...to('h2'),
    ...to('h1s'),
    ...to('h2s'),
    ...to('restless1', { ...long, ...again }),
    ...to('restless2', { ...long, ...again }),
    ...to('rude1', short),
    ...to('rude2', short),
  ];
  const manager = {
    http2_protocol_options: { ...windows, allow_connect: true },
    upgrade_configs: [{ upgrade_type: 'websocket' }],
    request_headers_timeout: '5s',
    delayed_close_timeout: '0.2s',
    generate_request_id: true,
  };
  const secured = httpListener('tls', routes, manager);
  const [chain] = secured['filter_chains'] as Json[];
  const common = { tls_certificates: [certificateFiles(certificate)], alpn_protocols: ['h2', 'http/1.1'] };
  const named = (name: UpstreamName, more: Json) => cluster(name, [ports[name]], more);
  return bootstrap(
    [
      httpListener('plain', routes, manager),
      {
        ...secured,
        filter_chains: [{ ...chain, transport_socket: downstreamTls(common), transport_socket_connect_timeout: '2s' }],
      },
      tcpListener('tcp', 'tcp'),
    ],
    [
      named('h1', { circuit_breakers }),
      named('h1s', { circuit_breakers, ...tls('http/1.1') }),
      named('h2', http2()),
      named('h2s', http2(tls('h2'))),
      named('restless1', { circuit_breakers }),
      named('restless2', http2()),
      named('rude1', { circuit_breakers }),
      named('rude2', http2()),
      named('grpc', http2()),
      named('tcp', { circuit_breakers }),
    ],
  );
}
