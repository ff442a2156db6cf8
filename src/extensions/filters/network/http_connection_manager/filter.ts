/** envoy.filters.network.http_connection_manager: takes a connection and speaks HTTP on it. */
import type { envoy } from '../../../../api/envoy_types.ts';
import { CompiledExtension } from '../../../../common/compiled_extension.ts';
import type { ConnectionInfo } from '../../../../common/stream_info.ts';
import { compileConfig, type HttpConnectionManagerConfig } from '../../../../http/config.ts';
import { ConnectionManager } from '../../../../http/connection_manager.ts';
import { MissingConfigFilter } from '../../../../http/missing_config.ts';
import { compileUpgrades } from '../../../../http/upgrades.ts';
import type { Connection } from '../../../../net/connection.ts';
import type { HttpFilterFactory } from '../../../../spi/http_filter.ts';
import type {
  ConnectionTaker,
  DrainState,
  ListenerInfo,
  LoadedExtension,
  WorkerContext,
} from '../../../../spi/worker_context.ts';

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
      const compile = ({ create, message: config }: LoadedExtension) =>
        (create as HttpFilterFactory)(config, context, message.statPrefix);
      if (configType.case === 'configDiscovery') {
        const filter = new CompiledExtension(
          context.discoveredExtension('http_filter', name, configType.value),
          compile,
        );
        return { name, disabled, create: () => filter.current?.() ?? new MissingConfigFilter() };
      }
      const typedConfig = configType.case === 'typedConfig' ? configType.value : undefined;
      return { name, disabled, create: compile(context.extension({ name, typedConfig })) };
    });
  const upgrades = compileUpgrades(message.upgradeConfigs, makeFilters);
  const filters = makeFilters(message.httpFilters);
  return new HttpConnections(compileConfig(message, context, listener, filters, upgrades), listener.drain);
}
