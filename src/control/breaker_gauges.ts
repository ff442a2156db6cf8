/** The gauges of circuit breakers, computed from the counts all workers share when somebody looks at the statistics. */
import type { envoy } from '../api/envoy_types.ts';
import { breakerLimits, mostRetries, Priority } from '../common/breaker_limits.ts';
import type { Runtime } from '../common/runtime.ts';
import { CIRCUIT_BREAKERS, CIRCUIT_BREAKERS_REMAINING } from '../common/stats/layouts.ts';
import { ClusterWord, clusterBase } from '../snapshot/layout.ts';
import type { StatsStore } from '../spi/stats.ts';

/** From here on a limit is none: Envoy's gauge of pools then counts down from the largest number of 64 bits, here from -1. */
const unlimitedPools = 2 ** 53;

export class BreakerGauges {
  private readonly store: StatsStore;
  private readonly words: Int32Array;
  private readonly runtime: Runtime | undefined;
  private readonly counted: (name: string) => number;

  /** `counted` reads a counter as all threads have it by now. */
  constructor(store: StatsStore, words: Int32Array, runtime: Runtime | undefined, counted: (name: string) => number) {
    this.counted = counted;
    this.runtime = runtime;
    this.store = store;
    this.words = words;
  }

  refresh(message: envoy.config.cluster.v3.Cluster, slot: number): void {
    this.refreshPriority(message, clusterBase(slot), Priority.Default, 'default');
    this.refreshPriority(message, clusterBase(slot) + ClusterWord.Priority, Priority.High, 'high');
  }

  private refreshPriority(
    message: envoy.config.cluster.v3.Cluster,
    base: number,
    priority: number,
    name: string,
  ): void {
    const limits = breakerLimits(message, priority, this.runtime);
    const scope = `cluster.${message.altStatName || message.name}.`;
    const prefix = `${scope}circuit_breakers.${name}.`;
    const count = (word: number): number => Atomics.load(this.words, base + word);
    const requests = count(ClusterWord.Requests);
    const retries = mostRetries(limits, requests + count(ClusterWord.PendingRequests));
    const open = (word: number, limit: number): number => (count(word) > 0 && count(word) >= limit ? 1 : 0);
    const block = this.store.block(CIRCUIT_BREAKERS, prefix);
    const { slot } = CIRCUIT_BREAKERS;
    // As in Envoy they count as used once their resource was.
    const isNew = priority === Priority.Default && Object.is(block[slot.cx_open], -0);
    const taken = isNew && this.counted(`${scope}upstream_cx_total`) > 0;
    const set = (at: number, value: number, used = taken): void => {
      if (used || block[at] !== value) block[at] = value;
    };
    set(slot.cx_open, open(ClusterWord.Connections, limits.maxConnections));
    set(slot.rq_pending_open, open(ClusterWord.PendingRequests, limits.maxPendingRequests));
    const requested =
      priority === Priority.Default &&
      Object.is(block[slot.rq_open], -0) &&
      this.counted(`${scope}upstream_rq_total`) > 0;
    set(slot.rq_open, open(ClusterWord.Requests, limits.maxRequests), requested);
    set(slot.rq_retry_open, open(ClusterWord.Retries, retries), false);
    set(slot.cx_pool_open, open(ClusterWord.Pools, limits.maxConnectionPools));
    if (!limits.trackRemaining) return;
    const left = (word: number, limit: number): number => Math.max(0, limit - count(word));
    const remaining = this.store.block(CIRCUIT_BREAKERS_REMAINING, prefix);
    const at = CIRCUIT_BREAKERS_REMAINING.slot;
    remaining[at.remaining_cx] = left(ClusterWord.Connections, limits.maxConnections);
    remaining[at.remaining_pending] = left(ClusterWord.PendingRequests, limits.maxPendingRequests);
    remaining[at.remaining_rq] = left(ClusterWord.Requests, limits.maxRequests);
    remaining[at.remaining_retries] = left(ClusterWord.Retries, retries);
    remaining[at.remaining_cx_pools] =
      limits.maxConnectionPools < unlimitedPools
        ? left(ClusterWord.Pools, limits.maxConnectionPools)
        : -1 - count(ClusterWord.Pools);
  }
}
