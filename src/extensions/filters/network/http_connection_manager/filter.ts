/** envoy.filters.network.http_connection_manager: takes a connection and speaks HTTP on it. */
import type { envoy } from '../../../../api/envoy_types.ts';
import type { ConnectionInfo } from '../../../../common/stream_info.ts';
import { compileConfig, type HttpConnectionManagerConfig } from '../../../../http/config.ts';
import { ConnectionManager } from '../../../../http/connection_manager.ts';
import { compileUpgrades } from '../../../../http/upgrades.ts';
import type { Connection } from '../../../../net/connection.ts';
import type { HttpFilterFactory } from '../../../../spi/http_filter.ts';
import type { ConnectionTaker, DrainState, ListenerInfo, WorkerContext } from '../../../../spi/worker_context.ts';

type Message = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager;
type HttpFilter = envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter;

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
  const makeFilters = (list: readonly HttpFilter[]) =>
    list.map(({ name, configType, disabled }) => {
      const typedConfig = configType.case === 'typedConfig' ? configType.value : undefined;
      const extension = context.extension({ name, typedConfig });
      const create = (extension.create as HttpFilterFactory)(extension.message, context, message.statPrefix);
      return { name, disabled, create };
    });
  const upgrades = compileUpgrades(message.upgradeConfigs, makeFilters);
  const filters = makeFilters(message.httpFilters);
  return new HttpConnections(compileConfig(message, context, listener, filters, upgrades), listener.drain);
}
