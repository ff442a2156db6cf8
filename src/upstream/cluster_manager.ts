/** Step 8 of the data path: the clusters of one worker by name, kept as the snapshots say. */
import type { envoy } from '../api/envoy_types.ts';
import { addressOfMessage } from '../common/address.ts';
import type { StatsStore } from '../spi/stats.ts';
import type { SharedWords } from './circuit_breaker.ts';
import { Cluster } from './cluster.ts';
import type { HostOptions } from './host.ts';

export class ClusterManager {
  private readonly clusters = new Map<string, Cluster>();
  private readonly shared: SharedWords;
  private readonly store: StatsStore;

  constructor(shared: SharedWords, store: StatsStore) {
    this.shared = shared;
    this.store = store;
  }

  get(name: string): Cluster | undefined {
    return this.clusters.get(name);
  }

  /** Adds a cluster, or replaces it: the old one ends its exchanges, the new one begins with its hosts. */
  setCluster(message: envoy.config.cluster.v3.Cluster, slot: number): void {
    const former = this.clusters.get(message.name);
    const cluster = new Cluster(message, slot, this.shared, this.store);
    this.clusters.set(message.name, cluster);
    if (former === undefined) return;
    cluster.adoptHosts(former);
    former.drain();
  }

  removeCluster(name: string): void {
    this.clusters.get(name)?.drain();
    this.clusters.delete(name);
  }

  /** The hosts of a cluster as resolved addresses; `slots` in the order of all endpoints. */
  setEndpoints(assignment: envoy.config.endpoint.v3.ClusterLoadAssignment, slots: readonly number[]): void {
    const cluster = this.clusters.get(assignment.clusterName);
    if (cluster === undefined) return;
    const hosts: HostOptions[] = [];
    let index = 0;
    for (const locality of assignment.endpoints) {
      for (const entry of locality.lbEndpoints) {
        const endpoint = entry.hostIdentifier.case === 'endpoint' ? entry.hostIdentifier.value : undefined;
        const slot = slots[index++];
        if (endpoint === undefined) continue;
        hosts.push({
          clusterName: cluster.name,
          address: addressOfMessage(endpoint.address),
          hostname: endpoint.hostname,
          weight: entry.loadBalancingWeight ?? 1,
          priority: locality.priority,
          slot,
          lbMetadata: entry.metadata?.filterMetadata['envoy.lb'],
        });
      }
    }
    cluster.updateHosts(hosts, assignment.policy);
  }
}
