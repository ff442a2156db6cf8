/** Step 4 of the control path, worker: the hosts of a cluster that has very many are read and taken over bit by bit. */
import type { envoy } from '../api/envoy_types.ts';
import { decodeInSlices } from '../common/large_messages.ts';
import type { Slices } from '../common/slices.ts';
import type { ResourceEntry } from '../snapshot/layout.ts';
import { readResource } from '../snapshot/reader.ts';
import type { ClusterManager } from '../upstream/cluster_manager.ts';

type Assignment = envoy.config.endpoint.v3.ClusterLoadAssignment;

/** Bytes of some hundred hosts: 2 ms of work. */
export const manyHostsBytes = 16 * 1024;

export async function applyEndpoints(entry: ResourceEntry, clusters: ClusterManager, slices: Slices): Promise<void> {
  const { bytes, hostSlots } = entry;
  if (bytes.length < manyHostsBytes) {
    clusters.setEndpoints(readResource(entry) as Assignment, hostSlots);
    return;
  }
  // A copy: protobuf strings cannot be decoded out of shared memory.
  const copy = new Uint8Array(bytes);
  const assignment = await decodeInSlices('envoy.config.endpoint.v3.ClusterLoadAssignment', copy, slices);
  await clusters.setEndpointsInSlices(assignment as unknown as Assignment, hostSlots, slices);
}
