/** The proxy that attacks are made on, with the settings of an edge, and a host behind it. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { bootstrap, cluster, httpListener, type Json, route } from './bootstrap.ts';
import { TestAuthority } from './certificates.ts';
import { type RunningProxy, startProxy } from './proxy.ts';
import { certificateFiles, downstreamTls } from './tls.ts';

export type AttackedListener = 'main' | 'tls';

export interface AttackedProxy {
  readonly proxy: RunningProxy;
  readonly listener: AttackedListener;
  stop(): Promise<void>;
}

/** `/large` gives 1 MiB, everything else a word. */
export async function attackedProxy(listener: AttackedListener = 'main'): Promise<AttackedProxy> {
  const upstream = new Worker(new URL('./attacked_upstream.ts', import.meta.url));
  const [port] = (await once(upstream, 'message')) as [number];
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
      [cluster('a', [port], { ...limit, ...breaker })],
    ),
    { concurrency: 2 },
  );
  return {
    proxy,
    listener,
    async stop() {
      await proxy.stop();
      await upstream.terminate();
      authority.remove();
    },
  };
}
