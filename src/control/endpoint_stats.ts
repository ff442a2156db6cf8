/** `cluster.<name>.endpoint.<address>.`: what is counted of each host, for clusters with `per_endpoint_stats`. */
import { HOST, statNamePart } from '../common/stats/layouts.ts';
import type { TaggedName } from '../common/stats/tag_extraction.ts';
import { healthOfFlags } from '../snapshot/layout.ts';
import type { ClusterEntry } from './cluster_entry.ts';
import type { StatsMerge, StatValue } from './stats_merge.ts';

/** One of a host: it is made when somebody looks, and has its tags from the start. */
export interface EndpointStat extends StatValue {
  readonly tagged: TaggedName;
}

/** In the order of clusters and hosts: counters, gauges, then whether the host is healthy. */
export function endpointStats(clusters: readonly ClusterEntry[], stats: StatsMerge): EndpointStat[] {
  return clusters
    .filter(({ message }) => message.trackClusterStats?.perEndpointStats === true)
    .flatMap((cluster) => ofCluster(cluster, stats));
}

function ofCluster(cluster: ClusterEntry, stats: StatsMerge): EndpointStat[] {
  const { message, hosts } = cluster;
  const observed = message.altStatName || message.name;
  const flags = cluster.healthFlags();
  return hosts.flatMap(({ address, hostname, countsKey }, i) => {
    const counts = stats.internalBlock(`cluster.${message.name}.host.${countsKey ?? address.text}.`);
    const prefix = `cluster.${statNamePart(observed)}.endpoint.${statNamePart(address.text)}.`;
    const tags: (readonly [string, string])[] = [
      ...stats.fixedTags(),
      ['envoy.cluster_name', observed],
      ['envoy.endpoint_address', address.text],
      ...(hostname === '' ? [] : [['envoy.endpoint_hostname', hostname] as const]),
    ];
    const stat = (name: string, kind: StatValue['kind'], value: number): EndpointStat => ({
      name: prefix + name,
      kind,
      value,
      used: true,
      tagged: { base: `cluster.endpoint.${name}`, tags },
    });
    const healthy = healthOfFlags(flags[i]) === 'healthy' ? 1 : 0;
    return [
      ...HOST.names.map((name, slot) => stat(name, HOST.gauges[slot] ? 'gauge' : 'counter', counts?.[slot] ?? 0)),
      stat('healthy', 'gauge', healthy),
    ];
  });
}
