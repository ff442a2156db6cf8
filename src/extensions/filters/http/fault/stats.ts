/** What the fault filter counts below `http.<stat_prefix>.fault.` */
import { defineLayout } from '../../../../common/stats/layout.ts';
import type { StatHandle, StatsStore } from '../../../../spi/stats.ts';

const FAULT = defineLayout(
  'http_fault',
  ['aborts_injected', 'delays_injected', 'faults_overflow', 'response_rl_injected'],
  ['active_faults'],
);

/** Calling clusters that are counted by name; they come from a header, so there must be an end to them. */
const mostClusters = 1000;

type Injected = 'aborts_injected' | 'delays_injected';

export class FaultStats {
  private readonly store: StatsStore;
  private readonly prefix: string;
  private readonly slots: Float64Array;
  private readonly byCluster = new Map<string, StatHandle>();

  constructor(store: StatsStore, statPrefix: string) {
    this.store = store;
    this.prefix = `http.${statPrefix}.fault.`;
    this.slots = store.block(FAULT, this.prefix);
  }

  count(name: Exclude<keyof typeof FAULT.slot, 'active_faults'>): void {
    this.slots[FAULT.slot[name]]++;
  }

  addActive(difference: number): void {
    this.slots[FAULT.slot.active_faults] += difference;
  }

  countOfCluster(cluster: string, what: Injected): void {
    const name = `${cluster}.${what}`;
    let handle = this.byCluster.get(name);
    if (handle === undefined) {
      if (this.byCluster.size >= 2 * mostClusters) return;
      handle = this.store.counter(this.prefix + name);
      this.byCluster.set(name, handle);
    }
    handle.values[handle.index]++;
  }
}
