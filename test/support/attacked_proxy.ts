/** The proxy that attacks are made on, with the settings of an edge, and a host behind it. */
import { bootstrap, cluster, httpListener, type Json, route } from './bootstrap.ts';
import { TestAuthority } from './certificates.ts';
import { type RunningProxy, startProxy } from './proxy.ts';
import { certificateFiles, downstreamTls } from './tls.ts';
import { respond, startUpstream } from './upstream.ts';

export type AttackedListener = 'main' | 'tls';

export interface AttackedProxy {
  readonly proxy: RunningProxy;
  readonly listener: AttackedListener;
  /** Requests a host has seen. */
  readonly seen: () => number;
  stop(): Promise<void>;
}

const large = 'x'.repeat(1024 * 1024);

/** `/large` gives 1 MiB; a request with a host other than the well-behaved client's gets no answer unless it asks for that. */
export async function attackedProxy(listener: AttackedListener = 'main'): Promise<AttackedProxy> {
  const upstream = await startUpstream({
    respond: (request, socket) => respond(socket, { body: request.path === '/large' ? large : 'well' }),
  });
  const authority = new TestAuthority();
  const certificate = authority.make('a', { names: ['DNS:a.test'] });
  const manager = {
    request_headers_timeout: '2s',
    delayed_close_timeout: '0.2s',
    http2_protocol_options: {
      max_concurrent_streams: 100,
      initial_stream_window_size: 65_536,
      initial_connection_window_size: 1_048_576,
    },
  };
  const limit = { per_connection_buffer_limit_bytes: 32_768 };
  const main = httpListener('main', [route('/', 'a')], manager, limit);
  const secured = httpListener('tls', [route('/', 'a')], manager, limit);
  const [chain] = secured['filter_chains'] as Json[];
  const common = { tls_certificates: [certificateFiles(certificate)], alpn_protocols: ['h2', 'http/1.1'] };
  const breaker = {
    circuit_breakers: { thresholds: [{ max_connections: 5000, max_pending_requests: 5000, max_requests: 5000 }] },
  };
  const proxy = await startProxy(
    bootstrap(
      [
        main,
        {
          ...secured,
          filter_chains: [
            { ...chain, transport_socket: downstreamTls(common), transport_socket_connect_timeout: '2s' },
          ],
        },
      ],
      [cluster('a', [upstream.port], { ...limit, ...breaker })],
    ),
    { concurrency: 2 },
  );
  return {
    proxy,
    listener,
    seen: () => upstream.requests.length,
    async stop() {
      await proxy.stop();
      await upstream.close();
      authority.remove();
    },
  };
}
