/** Step 4 of the control path, worker: clusters nobody has asked for yet, kept as they came: of thousands few get requests. */
import type { envoy } from '../api/envoy_types.ts';
import type { ResourceEntry } from '../snapshot/layout.ts';
import { readResource } from '../snapshot/reader.ts';
import type { ClusterManager } from '../upstream/cluster_manager.ts';
import { manyHostsBytes } from './apply_endpoints.ts';

/** What a cluster needs loaded first is named in its bytes. */
const extensions = 'envoy.extensions.transport_sockets.';

interface Pending {
  readonly cluster: ResourceEntry;
  endpoints: ResourceEntry | undefined;
}

export class LazyClusters {
  private readonly manager: ClusterManager;
  private readonly pending = new Map<string, Pending>();

  constructor(manager: ClusterManager) {
    this.manager = manager;
    manager.onMissing = (name) => this.compile(name);
  }

  /** False when it must be compiled at once: it is in use, needs what is loaded with time, or has too many hosts for one turn. */
  add(cluster: ResourceEntry, endpoints: ResourceEntry | undefined): boolean {
    const { name, bytes } = cluster;
    const present = this.pending.get(name);
    const hosts = endpoints ?? present?.endpoints;
    if (Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(extensions)) this.compile(name);
    else if (hosts !== undefined && hosts.bytes.length >= manyHostsBytes) this.compile(name);
    else if (this.manager.live(name) === undefined) {
      this.pending.set(name, { cluster, endpoints: hosts });
      return true;
    }
    return false;
  }

  /** Other hosts; false when the cluster has been compiled, or is by now, and they are to be applied to it. */
  setEndpoints(endpoints: ResourceEntry): boolean {
    const pending = this.pending.get(endpoints.name);
    if (pending === undefined) return false;
    if (endpoints.bytes.length < manyHostsBytes) {
      pending.endpoints = endpoints;
      return true;
    }
    pending.endpoints = undefined;
    this.compile(endpoints.name);
    return false;
  }

  remove(name: string): void {
    this.pending.delete(name);
  }

  private compile(name: string): void {
    const pending = this.pending.get(name);
    if (pending === undefined) return;
    this.pending.delete(name);
    const { cluster, endpoints } = pending;
    this.manager.addCluster(readResource(cluster) as envoy.config.cluster.v3.Cluster, cluster.slot);
    if (endpoints === undefined) return;
    const assignment = readResource(endpoints) as envoy.config.endpoint.v3.ClusterLoadAssignment;
    this.manager.setEndpoints(assignment, endpoints.hostSlots);
  }
}
