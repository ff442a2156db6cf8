/** The settings of a TCP proxy, compiled once from its message; defaults are Envoy's. */
import type { envoy } from '../api/envoy_types.ts';
import { durationMs } from '../common/duration.ts';
import { TCP } from '../common/stats/layouts.ts';
import type { AccessLogger } from '../spi/format.ts';
import type { DrainState, ListenerInfo, WorkerContext } from '../spi/worker_context.ts';
import type { ClusterManager } from '../upstream/cluster_manager.ts';
import { ClustersOnDemand } from './on_demand.ts';
import { type ClientState, compileClientState } from './proxy_tlvs.ts';
import { compileTunnelHead, type TunnelHead } from './tunnel_side.ts';

type Message = envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy;

export interface TcpProxyConfig {
  readonly clusters: ClusterManager;
  readonly stats: Float64Array;
  readonly accessLoggers: readonly AccessLogger[];
  /** Milliseconds; 0: none. */
  readonly idleTimeout: number;
  readonly maxConnectionDuration: number;
  /** Up to this share (0 to 1) of the duration is added by chance. */
  readonly durationJitter: number;
  readonly maxConnectAttempts: number;
  /** Milliseconds before another connect attempt; undefined: at once. */
  readonly backOff: { readonly base: number; readonly max: number } | undefined;
  readonly logOnStart: boolean;
  readonly logOnConnected: boolean;
  /** Milliseconds between entries of a connection; 0: none. */
  readonly logInterval: number;
  /** Asked with every piece of data whether to close; undefined: never. */
  readonly drain: DrainState | undefined;
  /** When to connect to a host (`ConnectMode`). */
  readonly connectMode: number;
  /** What hosts that want to know are told of the client. */
  readonly clientState: ClientState;
  /** The request that carries a connection through another proxy; undefined: bytes go to hosts as they are. */
  readonly tunnel: TunnelHead | undefined;
  /** Asked for clusters that are not there; undefined: nobody is. */
  readonly onDemand: ClustersOnDemand | undefined;
  /** The cluster of the next connection. */
  chooseCluster(): string;
}

/** envoy.extensions.filters.network.tcp_proxy.v3.UpstreamConnectMode. */
export const ConnectMode = { Immediate: 0, OnDownstreamData: 1, OnDownstreamTlsHandshake: 2 } as const;

export function compileTcpProxyConfig(
  message: Message,
  context: WorkerContext,
  listener: ListenerInfo,
): TcpProxyConfig {
  const log = message.accessLogOptions;
  return {
    clusters: context.clusters,
    stats: context.stats.block(TCP, `tcp.${message.statPrefix}.`),
    accessLoggers: context.accessLoggers(message.accessLog),
    idleTimeout: durationMs(message.idleTimeout) ?? 3_600_000,
    maxConnectionDuration: durationMs(message.maxDownstreamConnectionDuration) ?? 0,
    durationJitter: (message.maxDownstreamConnectionDurationJitterPercentage?.value ?? 0) / 100,
    maxConnectAttempts: message.maxConnectAttempts ?? 1,
    backOff: backOff(message),
    logOnStart: log?.flushAccessLogOnStart ?? false,
    logOnConnected: log?.flushAccessLogOnConnected ?? message.flushAccessLogOnConnected,
    logInterval: durationMs(log?.accessLogFlushInterval ?? message.accessLogFlushInterval) ?? 0,
    drain: message.checkDrainClose ? listener.drain : undefined,
    connectMode: message.upstreamConnectMode,
    clientState: compileClientState(message),
    tunnel: message.tunnelingConfig && compileTunnelHead(message.tunnelingConfig),
    onDemand: message.onDemand && new ClustersOnDemand(message.onDemand, context, message.statPrefix),
    chooseCluster: clusterChooser(message),
  };
}

function backOff({ backoffOptions }: Message): TcpProxyConfig['backOff'] {
  if (backoffOptions === undefined) return undefined;
  const base = Math.max(1, durationMs(backoffOptions.baseInterval) ?? 1);
  return { base, max: durationMs(backoffOptions.maxInterval) ?? 10 * base };
}

function clusterChooser(message: Message): () => string {
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
