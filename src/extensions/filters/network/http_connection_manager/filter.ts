/** envoy.filters.network.http_connection_manager: takes a connection and speaks HTTP on it. */
import type { envoy } from '../../../../api/envoy_types.ts';
import type { ConnectionInfo } from '../../../../common/stream_info.ts';
import { compileConfig, type HttpConnectionManagerConfig } from '../../../../http/config.ts';
import { ConnectionManager } from '../../../../http/connection_manager.ts';
import type { Connection } from '../../../../net/connection.ts';
import type { HttpFilterFactory } from '../../../../spi/http_filter.ts';
import type { ConnectionTaker, DrainState, ListenerInfo, WorkerContext } from '../../../../spi/worker_context.ts';

type Message = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager;

class HttpConnections implements ConnectionTaker {
  private readonly config: HttpConnectionManagerConfig;
  private readonly drainState: DrainState;
  private readonly managers = new Set<ConnectionManager>();

  constructor(config: HttpConnectionManagerConfig, drainState: DrainState) {
    this.config = config;
    this.drainState = drainState;
  }

  accept(connection: Connection, info: ConnectionInfo, onGone: () => void): void {
    const manager = new ConnectionManager(this.config, connection, info, this.drainState, () => {
      this.managers.delete(manager);
      onGone();
    });
    this.managers.add(manager);
  }

  drain(): void {
    for (const manager of this.managers) manager.drain();
  }

  close(): void {
    for (const manager of this.managers) manager.closeNow();
  }
}

export default function create(message: Message, context: WorkerContext, listener: ListenerInfo): ConnectionTaker {
  const filters = message.httpFilters.map(({ name, configType }) => {
    const typedConfig = configType.case === 'typedConfig' ? configType.value : undefined;
    const extension = context.extension({ name, typedConfig });
    return (extension.create as HttpFilterFactory)(extension.message, context, message.statPrefix);
  });
  return new HttpConnections(compileConfig(message, context, listener, filters), context.drain);
}
