/** What hosts had to do, for load reports: the counts of all workers, by cluster (main thread). */
import { create } from '@bufbuild/protobuf';
import type { envoy } from '../api/envoy_types.ts';
import { messageType } from '../api/registry.ts';
import { HOST } from '../common/stats/layouts.ts';
import type { Address } from '../common/stream_info.ts';
import type { ClusterLoad } from '../xds/load_reports.ts';
import type { ClusterEntry } from './cluster_entry.ts';
import { memberKey } from './known_hosts.ts';
import type { StatsMerge } from './stats_merge.ts';

export function clusterLoads(clusters: readonly ClusterEntry[], stats: StatsMerge): ClusterLoad[] {
  return clusters.map(({ message, hosts }) => ({
    name: message.name,
    serviceName: message.edsClusterConfig?.serviceName ?? '',
    hosts: hosts.map((host) => {
      const where = host.countsKey ?? host.address.text;
      const counts = stats.internalBlock(`cluster.${message.name}.host.${where}.`);
      const count = (name: keyof typeof HOST.slot) => counts?.[HOST.slot[name]] ?? 0;
      return {
        key: memberKey(host),
        address: addressMessage(host.address),
        locality: host.locality,
        priority: host.priority,
        success: count('rq_success'),
        error: count('rq_error'),
        issued: count('rq_total'),
        active: count('rq_active'),
      };
    }),
  }));
}

function addressMessage({ ip, port, text }: Address): envoy.config.core.v3.Address {
  const socket = { address: ip, portSpecifier: { case: 'portValue', value: port } };
  const value =
    ip === ''
      ? { case: 'pipe', value: create(messageType('envoy.config.core.v3.Pipe'), { path: text } as never) }
      : { case: 'socketAddress', value: create(messageType('envoy.config.core.v3.SocketAddress'), socket as never) };
  return create(messageType('envoy.config.core.v3.Address'), { address: value } as never) as never;
}
