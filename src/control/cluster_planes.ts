/** Where control planes are: the hosts of their clusters, as the main thread connects to them. */
import type { envoy } from '../api/envoy_types.ts';
import { unpackAny } from '../api/registry.ts';
import { durationMs } from '../common/duration.ts';
import { compileKeepalive } from '../common/http2_keepalive.ts';
import { healthOfFlags } from '../snapshot/layout.ts';
import type { ControlPlaneHost, ControlPlanes } from '../xds/control_plane.ts';
import type { ClusterSet } from './cluster_set.ts';
import { controlPlaneTls } from './secrets/control_plane_tls.ts';
import type { SecretSet } from './secrets/secret_set.ts';

type ClusterMessage = envoy.config.cluster.v3.Cluster;

/** Envoy's default, milliseconds. */
const defaultConnectTimeout = 5000;

export class ClusterPlanes implements ControlPlanes {
  private readonly clusters: ClusterSet;
  private readonly secrets: Pick<SecretSet, 'contentOf'>;
  private readonly turns = new Map<string, number>();

  constructor(clusters: ClusterSet, secrets: Pick<SecretSet, 'contentOf'>) {
    this.clusters = clusters;
    this.secrets = secrets;
  }

  /** Healthy hosts in turn; when none is, all of them. */
  nextHost(name: string): ControlPlaneHost | undefined {
    const cluster = this.clusters.get(name);
    if (cluster === undefined || cluster.hosts.length === 0) return undefined;
    const flags = cluster.healthFlags();
    const healthy = cluster.hosts.filter((_, i) => healthOfFlags(flags[i]) !== 'unhealthy');
    const hosts = healthy.length > 0 ? healthy : cluster.hosts;
    const turn = this.turns.get(name) ?? 0;
    this.turns.set(name, turn + 1);
    const connectTimeout = durationMs(cluster.message.connectTimeout) ?? defaultConnectTimeout;
    const { address, hostname } = hosts[turn % hosts.length];
    const tls = controlPlaneTls(cluster.message, hostname, (ref) => this.secrets.contentOf(ref));
    return { address, tls, connectTimeout, stats: cluster.stats, ...keepalives(cluster.message) };
  }
}

const httpOptionsType = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
/** Seconds; Linux' own where the message leaves it open: tcp(7). */
const defaultTcpKeepalive = 7200;

function keepalives(message: ClusterMessage): Pick<ControlPlaneHost, 'keepalive' | 'tcpKeepalive'> {
  const found = compileKeepalive(http2Options(message)?.connectionKeepalive);
  const tcp = message.upstreamConnectionOptions?.tcpKeepalive;
  return {
    keepalive: found === undefined || found.interval === 0 ? undefined : found,
    tcpKeepalive: tcp === undefined ? undefined : (tcp.keepaliveTime ?? defaultTcpKeepalive) * 1000,
  };
}

function http2Options(message: ClusterMessage): envoy.config.core.v3.Http2ProtocolOptions | undefined {
  const any = message.typedExtensionProtocolOptions[httpOptionsType];
  if (any === undefined) return message.http2ProtocolOptions;
  const { case: kind, value } = unpackAny(any, httpOptionsType).upstreamProtocolOptions;
  if (kind === 'autoConfig' || kind === 'useDownstreamProtocolConfig') return value.http2ProtocolOptions;
  const { case: protocol, value: chosen } = value?.protocolConfig ?? { case: undefined };
  return protocol === 'http2ProtocolOptions' ? chosen : undefined;
}
