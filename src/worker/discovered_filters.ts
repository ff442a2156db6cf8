/** Step 4 of the control path, worker: network and listener filters whose configuration is discovered. */
import type { envoy } from '../api/envoy_types.ts';
import { CompiledExtension } from '../common/compiled_extension.ts';
import { LISTENER } from '../common/stats/layouts.ts';
import type { Connection } from '../net/connection.ts';
import {
  type ListenerFilter,
  type ListenerFilterFactory,
  type ListenerFilterMaker,
  ListenerFilterStatus,
} from '../spi/listener_filter.ts';
import { NetworkFilterStatus, type ReadFilterFactory, type ReadFilterMaker } from '../spi/network_filter.ts';
import type { ConnectionTaker, ListenerInfo, NetworkFilterFactory, WorkerContext } from '../spi/worker_context.ts';

type ExtensionConfigSource = envoy.config.core.v3.ExtensionConfigSource;

/** A filter that names where its configuration comes from. */
export interface DiscoveredFilter {
  readonly name: string;
  readonly source: ExtensionConfigSource;
}

/** Without a configuration the connection ends, as in Envoy. */
export function discoveredListenerFilter(
  { name, source }: DiscoveredFilter,
  context: WorkerContext,
  info: ListenerInfo,
): ListenerFilterMaker {
  const filter = new CompiledExtension(
    context.discoveredExtension('tcp_listener_filter', name, source),
    ({ create, message }) => (create as ListenerFilterFactory)(message, context, info),
  );
  const stats = context.stats.block(LISTENER, info.statPrefix);
  const missing: ListenerFilter = {
    maxReadBytes: 0,
    onAccept() {
      stats[LISTENER.slot.extension_config_missing]++;
      return ListenerFilterStatus.Close;
    },
  };
  return (callbacks) => filter.current?.(callbacks) ?? missing;
}

export function discoveredReadFilter(
  { name, source }: DiscoveredFilter,
  context: WorkerContext,
  info: ListenerInfo,
): ReadFilterMaker {
  const filter = new CompiledExtension(
    context.discoveredExtension('network_filter', name, source),
    ({ create, message }) => (create as ReadFilterFactory)(message, context, info),
  );
  const stats = context.stats.block(LISTENER, info.statPrefix);
  return (callbacks) =>
    filter.current?.(callbacks) ?? {
      onNewConnection() {
        endWithoutFilters(callbacks.connection, stats);
        return NetworkFilterStatus.StopIteration;
      },
    };
}

/** The last filter of a chain. Connections stay with the configuration they began with. */
export class DiscoveredTaker implements ConnectionTaker {
  private readonly filter: CompiledExtension<ConnectionTaker>;
  private readonly stats: Float64Array;
  /** Every one that was made, until all of its connections have gone. */
  private readonly takers = new Map<ConnectionTaker, number>();

  constructor({ name, source }: DiscoveredFilter, context: WorkerContext, info: ListenerInfo) {
    this.filter = new CompiledExtension(
      context.discoveredExtension('network_filter', name, source),
      ({ create, message }) => (create as NetworkFilterFactory)(message, context, info),
    );
    this.stats = context.stats.block(LISTENER, info.statPrefix);
  }

  accept(...[connection, info, onGone]: Parameters<ConnectionTaker['accept']>): void {
    const taker = this.filter.current;
    if (taker === undefined) {
      connection.callbacks = { ...connection.callbacks, onClosed: onGone };
      endWithoutFilters(connection, this.stats);
      return;
    }
    this.takers.set(taker, (this.takers.get(taker) ?? 0) + 1);
    taker.accept(connection, info, () => {
      const left = this.takers.get(taker)! - 1;
      if (left > 0) this.takers.set(taker, left);
      else this.takers.delete(taker);
      onGone();
    });
  }

  drain(): void {
    for (const taker of this.takers.keys()) taker.drain();
  }

  close(): void {
    for (const taker of this.takers.keys()) taker.close();
  }
}

function endWithoutFilters(connection: Connection, stats: Float64Array): void {
  stats[LISTENER.slot.network_extension_config_missing]++;
  connection.closeNow();
}
