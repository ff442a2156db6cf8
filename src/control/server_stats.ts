/** The `server.` gauges: read from the process whenever somebody looks at the statistics. */
import {
  COMPILATION_SETTINGS,
  DNS_CARES,
  LISTENER_ADMIN,
  OVERLOAD,
  SERVER,
  THREAD_LOCAL_CLUSTER_MANAGER,
  WATCHDOG,
} from '../common/stats/layouts.ts';
import type { Histogram, StatsStore } from '../spi/stats.ts';
import type { ServerState } from './admin/context.ts';
import { memoryFigures } from './admin/memory.ts';
import type { StatsMerge } from './stats_merge.ts';

const stateNumbers: Record<ServerState, number> = { LIVE: 0, DRAINING: 1, PRE_INITIALIZING: 2, INITIALIZING: 3 };

const fromTheStart = [
  'hot_restart_epoch',
  'parent_connections',
  'version',
  'stats_recent_lookups',
  'total_connections',
  'dynamic_unknown_fields',
  'static_unknown_fields',
  'wip_protos',
] as const;

export class ServerStats {
  private readonly block: Float64Array;
  private readonly initialization: Histogram;
  private readonly inflated: Float64Array[];

  constructor(store: StatsStore, merge: StatsMerge, concurrency: number, state: () => ServerState) {
    const { slot } = SERVER;
    const block = store.block(SERVER, 'server.');
    this.block = block;
    store.block(COMPILATION_SETTINGS, 'server.compilation_settings.')[COMPILATION_SETTINGS.slot.fips_mode] = 0;
    store.block(DNS_CARES, 'dns.cares.');
    store.block(OVERLOAD, 'envoy.overload_actions.');
    store.histogram('overload.refresh_interval_delay');
    this.initialization = store.histogram('server.initialization_time_ms');
    const threads = ['main_thread', ...Array.from({ length: concurrency }, (_, index) => `worker_${index}`)];
    this.inflated = threads.map((name) =>
      store.block(THREAD_LOCAL_CLUSTER_MANAGER, `thread_local_cluster_manager.${name}.`),
    );
    for (const name of threads) store.block(WATCHDOG, `server.${name}.`);
    for (const name of ['main_thread', 'workers']) store.block(WATCHDOG, `${name}.`);
    store.block(LISTENER_ADMIN, 'listener.admin.');
    block[slot.concurrency] = concurrency;
    // Known from the start on, as in Envoy.
    for (const name of fromTheStart) block[slot[name]] = 0;
    block[slot.hot_restart_generation] = 1;
    this.setExpiry(undefined);
    merge.onLook(() => {
      const memory = memoryFigures();
      block[slot.uptime] = Math.floor(process.uptime());
      block[slot.state] = stateNumbers[state()];
      block[slot.live] = state() === 'LIVE' ? 1 : 0;
      block[slot.memory_allocated] = memory.allocated;
      block[slot.memory_heap_size] = memory.heapSize;
      block[slot.memory_physical_size] = memory.physical;
    });
  }

  /** Days until the first certificate expires; undefined when there is none, which Envoy shows as the largest number. */
  setExpiry(days: number | undefined): void {
    this.block[SERVER.slot.days_until_first_cert_expiring] = days ?? 4_294_967_295;
  }

  /** Clusters that every thread has. */
  setClusters(active: number): void {
    for (const block of this.inflated) block[THREAD_LOCAL_CLUSTER_MANAGER.slot.clusters_inflated] = active;
  }

  /** `milliseconds` from the start of the process until it serves. */
  onInitialized(milliseconds: number): void {
    this.initialization.record(milliseconds);
  }

  onUnknownField(): void {
    this.block[SERVER.slot.dynamic_unknown_fields]++;
  }

  onWorkerRestart(): void {
    this.block[SERVER.slot.worker_restarts]++;
  }
}
