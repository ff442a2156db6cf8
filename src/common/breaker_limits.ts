/** The limits of a cluster's circuit breaker, as its message or Envoy's defaults say. */
import type { envoy } from '../api/envoy_types.ts';

/** Limits of one priority (envoy.config.cluster.v3.CircuitBreakers.Thresholds). */
export interface BreakerLimits {
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
  /** Infinity: no limit. */
  readonly maxConnectionPools: number;
  /** Replaces `maxRetries`: percent of the requests under way and waiting, but never fewer than `min`. */
  readonly retryBudget: { readonly percent: number; readonly min: number } | undefined;
  /** The gauges of what is left are wanted. */
  readonly trackRemaining: boolean;
}

/** Number of envoy.config.core.v3.RoutingPriority. */
export const Priority = { Default: 0, High: 1 } as const;

export function breakerLimits(cluster: envoy.config.cluster.v3.Cluster, priority: number): BreakerLimits {
  const found = cluster.circuitBreakers?.thresholds.find((threshold) => threshold.priority === priority);
  return {
    maxConnections: found?.maxConnections ?? 1024,
    maxPendingRequests: found?.maxPendingRequests ?? 1024,
    maxRequests: found?.maxRequests ?? 1024,
    maxRetries: found?.maxRetries ?? 3,
    maxConnectionPools: found?.maxConnectionPools ?? Number.POSITIVE_INFINITY,
    retryBudget: found?.retryBudget && {
      percent: found.retryBudget.budgetPercent?.value ?? 20,
      min: found.retryBudget.minRetryConcurrency ?? 3,
    },
    trackRemaining: found?.trackRemaining ?? false,
  };
}

/** How many retries may be under way while `requests` are under way or wait. */
export function mostRetries({ maxRetries, retryBudget }: BreakerLimits, requests: number): number {
  if (retryBudget === undefined) return maxRetries;
  return Math.max(retryBudget.min, Math.floor((requests * retryBudget.percent) / 100));
}
