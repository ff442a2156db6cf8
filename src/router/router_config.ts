/** The settings of a router filter and the parts of the worker it uses. */
import type { envoy } from '../api/envoy_types.ts';
import { HTTP } from '../common/stats/layouts.ts';
import type { WorkerContext } from '../spi/worker_context.ts';
import type { ClusterManager } from '../upstream/cluster_manager.ts';

export interface RouterConfig {
  readonly clusters: ClusterManager;
  /** The block of the connection manager: `http.<stat_prefix>.`. */
  readonly stats: Float64Array;
  /** The router adds no x-envoy-* headers. */
  readonly suppressEnvoyHeaders: boolean;
}

export function compileRouterConfig(
  message: envoy.extensions.filters.http.router.v3.Router,
  context: WorkerContext,
  statPrefix: string,
): RouterConfig {
  return {
    clusters: context.clusters,
    stats: context.stats.block(HTTP, `http.${statPrefix}.`),
    suppressEnvoyHeaders: message.suppressEnvoyHeaders,
  };
}
