/** The gauges of circuit breakers, computed from the counts all workers share when somebody looks at the statistics. */
import type { envoy } from '../api/envoy_types.ts';
import { breakerLimits, mostRetries, Priority } from '../common/breaker_limits.ts';
import type { Runtime } from '../common/runtime.ts';
import { CIRCUIT_BREAKERS, CIRCUIT_BREAKERS_REMAINING } from '../common/stats/layouts.ts';
import { ClusterWord, clusterBase } from '../snapshot/layout.ts';
import type { StatsStore } from '../spi/stats.ts';

/** Envoy's word for "no limit", which its gauge of pools counts down from. */
const unlimitedPools = 2 ** 64;

export class BreakerGauges {
  private readonly store: StatsStore;
  private readonly words: Int32Array;
  private readonly runtime: Runtime | undefined;

  constructor(store: StatsStore, words: Int32Array, runtime: Runtime | undefined) {
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
    const prefix = `cluster.${message.altStatName || message.name}.circuit_breakers.${name}.`;
    const count = (word: number): number => Atomics.load(this.words, base + word);
    const requests = count(ClusterWord.Requests);
    const retries = mostRetries(limits, requests + count(ClusterWord.PendingRequests));
    const open = (word: number, limit: number): number => (count(word) > 0 && count(word) >= limit ? 1 : 0);
    const block = this.store.block(CIRCUIT_BREAKERS, prefix);
    const { slot } = CIRCUIT_BREAKERS;
    block[slot.cx_open] = open(ClusterWord.Connections, limits.maxConnections);
    block[slot.rq_pending_open] = open(ClusterWord.PendingRequests, limits.maxPendingRequests);
    block[slot.rq_open] = open(ClusterWord.Requests, limits.maxRequests);
    block[slot.rq_retry_open] = open(ClusterWord.Retries, retries);
    block[slot.cx_pool_open] = open(ClusterWord.Pools, limits.maxConnectionPools);
    if (!limits.trackRemaining) return;
    const left = (word: number, limit: number): number => Math.max(0, limit - count(word));
    const remaining = this.store.block(CIRCUIT_BREAKERS_REMAINING, prefix);
    const at = CIRCUIT_BREAKERS_REMAINING.slot;
    remaining[at.remaining_cx] = left(ClusterWord.Connections, limits.maxConnections);
    remaining[at.remaining_pending] = left(ClusterWord.PendingRequests, limits.maxPendingRequests);
    remaining[at.remaining_rq] = left(ClusterWord.Requests, limits.maxRequests);
    remaining[at.remaining_retries] = left(ClusterWord.Retries, retries);
    remaining[at.remaining_cx_pools] = left(ClusterWord.Pools, Math.min(limits.maxConnectionPools, unlimitedPools));
  }
}
