/** The settings of a TCP proxy, compiled once from its message; defaults are Envoy's. */
import type { envoy } from '../api/envoy_types.ts';
import { durationMs } from '../common/duration.ts';
import { TCP } from '../common/stats/layouts.ts';
import type { AccessLogger } from '../spi/format.ts';
import type { WorkerContext } from '../spi/worker_context.ts';
import type { ClusterManager } from '../upstream/cluster_manager.ts';

export interface TcpProxyConfig {
  readonly clusters: ClusterManager;
  readonly stats: Float64Array;
  readonly accessLoggers: readonly AccessLogger[];
  /** Milliseconds; 0: none. */
  readonly idleTimeout: number;
  readonly maxConnectionDuration: number;
  readonly maxConnectAttempts: number;
  /** The cluster of the next connection. */
  chooseCluster(): string;
}

export function compileTcpProxyConfig(
  message: envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy,
  context: WorkerContext,
): TcpProxyConfig {
  return {
    clusters: context.clusters,
    stats: context.stats.block(TCP, `tcp.${message.statPrefix}.`),
    accessLoggers: context.accessLoggers(message.accessLog),
    idleTimeout: durationMs(message.idleTimeout) ?? 3_600_000,
    maxConnectionDuration: durationMs(message.maxDownstreamConnectionDuration) ?? 0,
    maxConnectAttempts: message.maxConnectAttempts ?? 1,
    chooseCluster: clusterChooser(message),
  };
}

function clusterChooser(message: envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy): () => string {
  const { clusterSpecifier } = message;
  if (clusterSpecifier.case !== 'weightedClusters') {
    const name = clusterSpecifier.case === 'cluster' ? clusterSpecifier.value : '';
    return () => name;
  }
  const { clusters } = clusterSpecifier.value;
  const total = clusters.reduce((sum, cluster) => sum + cluster.weight, 0);
  return () => {
    let point = Math.random() * total;
    for (const cluster of clusters) {
      point -= cluster.weight;
      if (point < 0) return cluster.name;
    }
    return clusters[clusters.length - 1].name;
  };
}
