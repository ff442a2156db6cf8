/** The settings of a router filter and the parts of the worker it uses. */

import { type HeaderName, headerName } from '../../native-free/headers/header_name.ts';
import type { envoy } from '../api/envoy_types.ts';
import type { Runtime } from '../common/runtime.ts';
import { HTTP, HTTP_ROUTER } from '../common/stats/layouts.ts';
import type { WorkerContext } from '../spi/worker_context.ts';
import type { ClusterManager } from '../upstream/cluster_manager.ts';
import type { ShadowSettings } from './shadow_request.ts';

export interface RouterConfig {
  readonly clusters: ClusterManager;
  /** The block of the connection manager: `http.<stat_prefix>.`. */
  readonly stats: Float64Array;
  /** The router adds no x-envoy-* headers. */
  readonly suppressEnvoyHeaders: boolean;
  /** The timeout is what the proxy before this one expects, by x-envoy-expected-rq-timeout-ms. */
  readonly respectExpectedTimeout: boolean;
  /** The codes of answers to gRPC requests are not counted. */
  readonly suppressGrpcFailureCodes: boolean;
  /** Requests whose values of these headers make no sense are refused. */
  readonly strictHeaders: readonly HeaderName[];
  readonly runtime: Runtime;
  readonly shadow: ShadowSettings;
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
    respectExpectedTimeout: message.respectExpectedRqTimeout,
    suppressGrpcFailureCodes: message.suppressGrpcRequestFailureCodeStats,
    strictHeaders: message.strictCheckHeaders.map(headerName),
    runtime: context.runtime,
    shadow: {
      stats: context.stats.block(HTTP_ROUTER, 'http.async-client.'),
      suppressEnvoyHeaders: message.suppressEnvoyHeaders,
    },
  };
}
