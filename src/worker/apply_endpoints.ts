/** Step 4 of the control path, worker: the hosts of a cluster that has very many are read and taken over bit by bit. */
import type { envoy } from '../api/envoy_types.ts';
import { splitMessage } from '../api/message_parts.ts';
import { decode } from '../api/registry.ts';
import type { Slices } from '../common/slices.ts';
import type { ResourceEntry } from '../snapshot/layout.ts';
import { readResource } from '../snapshot/reader.ts';
import { type ClusterManager, hostOptionsOf, localityOf } from '../upstream/cluster_manager.ts';
import type { HostOptions } from '../upstream/host.ts';

const assignmentType = 'envoy.config.endpoint.v3.ClusterLoadAssignment';
const localitiesField = 2;
const localityType = 'envoy.config.endpoint.v3.LocalityLbEndpoints';
const endpointsField = 2;
const endpointType = 'envoy.config.endpoint.v3.LbEndpoint';

/** Bytes of some hundred hosts: 2 ms of work. */
export const manyHostsBytes = 16 * 1024;

export async function applyEndpoints(entry: ResourceEntry, clusters: ClusterManager, slices: Slices): Promise<void> {
  const cluster = clusters.live(entry.name);
  const split =
    entry.bytes.length < manyHostsBytes ? undefined : splitMessage(new Uint8Array(entry.bytes), localitiesField);
  if (cluster === undefined || split === undefined) {
    clusters.setEndpoints(readResource(entry) as envoy.config.endpoint.v3.ClusterLoadAssignment, entry.hostSlots);
    return;
  }
  const hosts: HostOptions[] = [];
  let index = 0;
  for (const [place, part] of split.parts.entries()) {
    const { rest, parts } = splitMessage(part, endpointsField) ?? { rest: part, parts: [] };
    const locality = decode(localityType, rest);
    const ownLocality = localityOf(locality, place);
    for (const bytes of parts) {
      if (slices.over) await slices.next();
      const host = hostOptionsOf(
        cluster.name,
        decode(endpointType, bytes),
        locality,
        ownLocality,
        entry.hostSlots[index++],
      );
      if (host !== undefined) hosts.push(host);
    }
  }
  const { policy } = decode(assignmentType, split.rest);
  await cluster.updateHostsInSlices(hosts, policy, slices);
}
