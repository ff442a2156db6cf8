/** The `server.` gauges: read from the process whenever somebody looks at the statistics. */
import { COMPILATION_SETTINGS, LISTENER_ADMIN, RUNTIME, SERVER } from '../common/stats/layouts.ts';
import type { StatsStore } from '../spi/stats.ts';
import type { ServerState } from './admin/context.ts';
import type { StatsMerge } from './stats_merge.ts';

const stateNumbers: Record<ServerState, number> = { LIVE: 0, DRAINING: 1, PRE_INITIALIZING: 2, INITIALIZING: 3 };

export class ServerStats {
  private readonly block: Float64Array;

  constructor(store: StatsStore, merge: StatsMerge, concurrency: number, state: () => ServerState) {
    const { slot } = SERVER;
    const block = store.block(SERVER, 'server.');
    this.block = block;
    store.block(COMPILATION_SETTINGS, 'server.compilation_settings.');
    store.block(RUNTIME, 'runtime.');
    store.block(LISTENER_ADMIN, 'listener.admin.');
    block[slot.concurrency] = concurrency;
    block[slot.hot_restart_generation] = 1;
    block[slot.days_until_first_cert_expiring] = 4294967295;
    merge.onLook(() => {
      const memory = process.memoryUsage();
      block[slot.uptime] = Math.floor(process.uptime());
      block[slot.state] = stateNumbers[state()];
      block[slot.live] = state() === 'LIVE' ? 1 : 0;
      block[slot.memory_allocated] = memory.heapUsed + memory.external;
      block[slot.memory_heap_size] = memory.heapTotal + memory.external;
      block[slot.memory_physical_size] = memory.rss;
    });
  }

  onWorkerRestart(): void {
    this.block[SERVER.slot.worker_restarts]++;
  }
}
