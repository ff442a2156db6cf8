/** Where a cluster's hosts come from, whether its message says so by `type` or by the name of a cluster extension. */
import { Cluster_DiscoveryType } from '../api/enums.ts';
import type { envoy } from '../api/envoy_types.ts';

/** Extensions that take no configuration of their own, by Envoy's names. */
export const namedTypes: Readonly<Record<string, number>> = {
  'envoy.cluster.static': Cluster_DiscoveryType.STATIC,
  'envoy.cluster.strict_dns': Cluster_DiscoveryType.STRICT_DNS,
  'envoy.cluster.logical_dns': Cluster_DiscoveryType.LOGICAL_DNS,
  'envoy.cluster.eds': Cluster_DiscoveryType.EDS,
};

/** A value of `Cluster_DiscoveryType`; undefined for an extension with a configuration of its own, which decides alone. */
export function discoveryType({ clusterDiscoveryType }: envoy.config.cluster.v3.Cluster): number | undefined {
  const { case: kind, value } = clusterDiscoveryType;
  if (kind !== 'clusterType') return value ?? Cluster_DiscoveryType.STATIC;
  return value.typedConfig === undefined ? namedTypes[value.name] : undefined;
}
