/** envoy.filters.network.tcp_proxy: takes a connection and joins it to one of a cluster's hosts. */
import type { envoy } from '../../../../api/envoy_types.ts';
import type { ConnectionInfo } from '../../../../common/stream_info.ts';
import type { Connection } from '../../../../net/connection.ts';
import type { ConnectionTaker, ListenerInfo, WorkerContext } from '../../../../spi/worker_context.ts';
import { compileTcpProxyConfig, type TcpProxyConfig } from '../../../../tcp/config.ts';
import { TcpProxy } from '../../../../tcp/tcp_proxy.ts';

class TcpConnections implements ConnectionTaker {
  private readonly config: TcpProxyConfig;
  private readonly proxies = new Set<TcpProxy>();

  constructor(config: TcpProxyConfig) {
    this.config = config;
  }

  accept(connection: Connection, info: ConnectionInfo, onGone: () => void): void {
    const proxy = new TcpProxy(this.config, connection, info, () => {
      this.proxies.delete(proxy);
      onGone();
    });
    this.proxies.add(proxy);
  }

  /** Bytes of an unknown protocol have no end we could wait for: connections end when their peers do. */
  drain(): void {}

  close(): void {
    for (const proxy of this.proxies) proxy.close();
  }
}

export default function create(
  message: envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy,
  context: WorkerContext,
  listener: ListenerInfo,
): ConnectionTaker {
  return new TcpConnections(compileTcpProxyConfig(message, context, listener));
}
