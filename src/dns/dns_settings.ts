/** How a cluster wants its names resolved: the fields of its message, or those of its `envoy.cluster.dns` extension. */
import type { Any } from '@bufbuild/protobuf/wkt';
import { Cluster_DiscoveryType, Cluster_DnsLookupFamily } from '../api/enums.ts';
import type { envoy } from '../api/envoy_types.ts';
import { unpackAny } from '../api/registry.ts';
import { discoveryType } from '../common/discovery_type.ts';
import { durationMs } from '../common/duration.ts';
import type { DnsLookupFamily } from './resolver.ts';

type Cluster = envoy.config.cluster.v3.Cluster;
type Duration = Parameters<typeof durationMs>[0];

const dnsCluster = 'envoy.extensions.clusters.dns.v3.DnsCluster';
const defaultRefresh = 5000;

export interface DnsSettings {
  readonly family: DnsLookupFamily;
  /** Milliseconds between an answer and the next question. */
  readonly refresh: number;
  /** Milliseconds: base and longest wait after failures; undefined: `refresh`. */
  readonly failureRefresh: { readonly base: number; readonly max: number } | undefined;
  readonly respectTtl: boolean;
  /** Milliseconds below which no TTL is taken. */
  readonly minRefresh: number;
  /** Milliseconds that are added by chance. */
  readonly jitter: number;
  /** All addresses of the one name are one host (LOGICAL_DNS), not a host each (STRICT_DNS). */
  readonly logical: boolean;
  readonly typedResolver: Any | undefined;
}

interface RefreshRate {
  baseInterval?: Duration;
  maxInterval?: Duration;
}

interface DnsClusterMessage {
  dnsRefreshRate?: Duration;
  dnsFailureRefreshRate?: RefreshRate;
  respectDnsTtl: boolean;
  dnsJitter?: Duration;
  dnsMinRefreshRate?: Duration;
  /** UNSPECIFIED, AUTO, V4_ONLY, V6_ONLY, V4_PREFERRED, ALL */
  dnsLookupFamily: number;
  allAddressesInSingleEndpoint: boolean;
  typedDnsResolverConfig?: { typedConfig?: Any };
}

/** Undefined for clusters that do not resolve names. */
export function dnsSettings(cluster: Cluster): DnsSettings | undefined {
  const { case: kind, value } = cluster.clusterDiscoveryType;
  const type = discoveryType(cluster);
  if (type !== undefined) {
    if (type !== Cluster_DiscoveryType.STRICT_DNS && type !== Cluster_DiscoveryType.LOGICAL_DNS) return undefined;
    return {
      ...rates(cluster),
      family: cluster.dnsLookupFamily,
      respectTtl: cluster.respectDnsTtl,
      minRefresh: 0,
      logical: type === Cluster_DiscoveryType.LOGICAL_DNS,
      typedResolver: cluster.typedDnsResolverConfig?.typedConfig,
    };
  }
  if (kind !== 'clusterType' || value.typedConfig?.typeUrl.endsWith(dnsCluster) !== true) return undefined;
  const message = unpackAny(value.typedConfig) as unknown as DnsClusterMessage;
  return {
    ...rates(message),
    family: message.dnsLookupFamily === 0 ? Cluster_DnsLookupFamily.AUTO : message.dnsLookupFamily - 1,
    respectTtl: message.respectDnsTtl,
    minRefresh: durationMs(message.dnsMinRefreshRate) ?? 0,
    logical: message.allAddressesInSingleEndpoint,
    typedResolver: message.typedDnsResolverConfig?.typedConfig,
  };
}

function rates(
  message: Pick<DnsClusterMessage, 'dnsRefreshRate' | 'dnsFailureRefreshRate' | 'dnsJitter'>,
): Pick<DnsSettings, 'refresh' | 'failureRefresh' | 'jitter'> {
  const base = durationMs(message.dnsFailureRefreshRate?.baseInterval);
  const max = durationMs(message.dnsFailureRefreshRate?.maxInterval);
  return {
    refresh: durationMs(message.dnsRefreshRate) ?? defaultRefresh,
    failureRefresh: base === undefined ? undefined : { base, max: max ?? base * 10 },
    jitter: durationMs(message.dnsJitter) ?? 0,
  };
}
