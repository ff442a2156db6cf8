/** The limits of a cluster's circuit breaker, as the runtime, its message or Envoy's defaults say. */
import type { envoy } from '../api/envoy_types.ts';
import { Runtime } from './runtime.ts';

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

const noRuntime = new Runtime();

/** What the runtime says goes before the message; it has to be asked anew when it changes. */
export function breakerLimits(
  cluster: envoy.config.cluster.v3.Cluster,
  priority: number,
  runtime: Runtime = noRuntime,
): BreakerLimits {
  const limits = messageLimits(cluster, priority);
  if (runtime.size === 0) return limits;
  const prefix = `circuit_breakers.${cluster.name}.${priority === Priority.High ? 'high' : 'default'}.`;
  const get = (key: string, fallback: number) => runtime.integer(prefix + key, fallback);
  const percent = runtime.number(`${prefix}retry_budget.budget_percent`);
  const min = runtime.number(`${prefix}retry_budget.min_retry_concurrency`);
  const budget = limits.retryBudget;
  // A key of the budget switches it on.
  const budgeted = budget !== undefined || percent !== undefined || min !== undefined;
  return {
    ...limits,
    maxConnections: get('max_connections', limits.maxConnections),
    maxPendingRequests: get('max_pending_requests', limits.maxPendingRequests),
    maxRequests: get('max_requests', limits.maxRequests),
    maxRetries: get('max_retries', limits.maxRetries),
    maxConnectionPools: get('max_connection_pools', limits.maxConnectionPools),
    retryBudget: budgeted
      ? { percent: percent ?? budget?.percent ?? defaultBudget, min: min ?? budget?.min ?? defaultRetries }
      : undefined,
  };
}

const defaultBudget = 20;
const defaultRetries = 3;

function messageLimits(cluster: envoy.config.cluster.v3.Cluster, priority: number): BreakerLimits {
  const found = cluster.circuitBreakers?.thresholds.find((threshold) => threshold.priority === priority);
  return {
    maxConnections: found?.maxConnections ?? 1024,
    maxPendingRequests: found?.maxPendingRequests ?? 1024,
    maxRequests: found?.maxRequests ?? 1024,
    maxRetries: found?.maxRetries ?? defaultRetries,
    maxConnectionPools: found?.maxConnectionPools ?? Number.POSITIVE_INFINITY,
    retryBudget: found?.retryBudget && {
      percent: found.retryBudget.budgetPercent?.value ?? defaultBudget,
      min: found.retryBudget.minRetryConcurrency ?? defaultRetries,
    },
    trackRemaining: found?.trackRemaining ?? false,
  };
}

/** How many retries may be under way while `requests` are under way or wait. */
export function mostRetries({ maxRetries, retryBudget }: BreakerLimits, requests: number): number {
  if (retryBudget === undefined) return maxRetries;
  return Math.max(retryBudget.min, Math.floor((requests * retryBudget.percent) / 100));
}
