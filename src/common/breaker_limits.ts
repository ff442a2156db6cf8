/** The limits of a cluster's circuit breaker, as its message or Envoy's defaults say. */
import type { envoy } from '../api/envoy_types.ts';

/** Limits of one priority (envoy.config.cluster.v3.CircuitBreakers.Thresholds). */
export interface BreakerLimits {
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
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
  };
}
