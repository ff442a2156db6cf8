/** envoy.filters.network.connection_limit: as many connections at once as it says, over all workers; the others end, at once or late. */
import type { envoy } from '../../../../api/envoy_types.ts';
import { durationMs } from '../../../../common/duration.ts';
import type { SharedCount } from '../../../../common/named_words.ts';
import { runtimeFlag } from '../../../../common/runtime_flag.ts';
import { CONNECTION_LIMIT } from '../../../../common/stats/layouts.ts';
import { Timer } from '../../../../common/timers.ts';
import {
  NetworkFilterStatus,
  type ReadFilter,
  type ReadFilterCallbacks,
  type ReadFilterMaker,
} from '../../../../spi/network_filter.ts';
import type { ListenerInfo, WorkerContext } from '../../../../spi/worker_context.ts';

interface Settings {
  readonly enabled: () => boolean;
  readonly stats: Float64Array;
  readonly count: SharedCount;
  readonly most: number;
  /** Milliseconds a connection over the limit is held before it ends. */
  readonly delay: number;
}

const { slot } = CONNECTION_LIMIT;

class ConnectionLimitFilter implements ReadFilter {
  private readonly settings: Settings;
  private readonly callbacks: ReadFilterCallbacks;
  private counted = false;
  private timer: Timer | undefined;

  constructor(settings: Settings, callbacks: ReadFilterCallbacks) {
    this.settings = settings;
    this.callbacks = callbacks;
  }

  onNewConnection(): NetworkFilterStatus {
    const { enabled, stats, count, most, delay } = this.settings;
    if (!enabled()) return NetworkFilterStatus.Continue;
    this.counted = true;
    stats[slot.active_connections]++;
    if (count.add(1) < most) return NetworkFilterStatus.Continue;
    stats[slot.limited_connections]++;
    if (delay === 0) this.callbacks.connection.closeNow();
    else {
      this.timer = new Timer(this, 0);
      this.timer.start(delay);
    }
    return NetworkFilterStatus.StopIteration;
  }

  onTimer(): void {
    this.callbacks.connection.closeNow();
  }

  onClosed(): void {
    this.timer?.stop();
    if (!this.counted) return;
    this.settings.stats[slot.active_connections]--;
    this.settings.count.add(-1);
  }
}

export default function create(
  message: envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit,
  { stats, named, runtime }: WorkerContext,
  listener: ListenerInfo,
): ReadFilterMaker {
  const { statPrefix, maxConnections, delay, runtimeEnabled } = message;
  const settings: Settings = {
    enabled: runtimeFlag(runtimeEnabled, runtime),
    stats: stats.block(CONNECTION_LIMIT, `connection_limit.${statPrefix}.`),
    count: named.count(`connection_limit ${listener.name} ${statPrefix}`),
    most: Number(maxConnections ?? 0n),
    delay: durationMs(delay) ?? 0,
  };
  return (callbacks) => new ConnectionLimitFilter(settings, callbacks);
}
