/** Step 8 of the data path: the clusters of one worker by name, kept as the snapshots say. */
import type { envoy } from '../api/envoy_types.ts';
import { addressOfMessage } from '../common/address.ts';
import type { SharedWords } from '../common/counted_words.ts';
import type { Runtime } from '../common/runtime.ts';
import type { StatsStore } from '../spi/stats.ts';
import { Cluster } from './cluster.ts';
import type { HostOptions } from './host.ts';
import { type MakeTransport, matchNamespace } from './transport_sockets.ts';

export class ClusterManager {
  private readonly clusters = new Map<string, Cluster>();
  private readonly shared: SharedWords;
  private readonly store: StatsStore;
  private readonly makeTransport: MakeTransport;
  private readonly runtime: Runtime | undefined;

  constructor(
    shared: SharedWords,
    store: StatsStore,
    makeTransport: MakeTransport = () => undefined,
    runtime?: Runtime,
  ) {
    this.runtime = runtime;
    this.shared = shared;
    this.store = store;
    this.makeTransport = makeTransport;
  }

  /** Called when nobody knows a cluster of this name: it may be one that is compiled with its first request. */
  onMissing: ((name: string) => void) | undefined;

  get(name: string): Cluster | undefined {
    const cluster = this.clusters.get(name);
    if (cluster !== undefined || this.onMissing === undefined) return cluster;
    this.onMissing(name);
    return this.clusters.get(name);
  }

  /** One that has been compiled. */
  live(name: string): Cluster | undefined {
    return this.clusters.get(name);
  }

  /** Adds a cluster, or replaces it: the old one ends its exchanges, the new one begins with its hosts. */
  setCluster(message: envoy.config.cluster.v3.Cluster, slot: number): void {
    const former = this.clusters.get(message.name);
    const cluster = new Cluster(message, slot, this.shared, this.store, this.makeTransport, this.runtime);
    this.clusters.set(message.name, cluster);
    if (former === undefined) return;
    cluster.adoptHosts(former);
    if (former.slot !== slot) former.leaveWords();
    former.drain();
  }

  /** After the runtime has changed. */
  refreshLimits(): void {
    for (const cluster of this.clusters.values()) cluster.refreshLimits();
  }

  removeCluster(name: string): void {
    const cluster = this.clusters.get(name);
    if (cluster === undefined) return;
    this.clusters.delete(name);
    cluster.drain();
    cluster.leaveWords();
  }

  /** The hosts of a cluster as resolved addresses; `slots` in the order of all endpoints. */
  setEndpoints(assignment: envoy.config.endpoint.v3.ClusterLoadAssignment, slots: readonly number[]): void {
    const cluster = this.clusters.get(assignment.clusterName);
    if (cluster === undefined) return;
    const hosts: HostOptions[] = [];
    let index = 0;
    for (const [place, locality] of assignment.endpoints.entries()) {
      const ownLocality = { index: place, weight: locality.loadBalancingWeight ?? 0 };
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
          locality: ownLocality,
          slot,
          metadata: entry.metadata,
          lbMetadata: entry.metadata?.filterMetadata['envoy.lb'],
          transportMatch:
            entry.metadata?.filterMetadata[matchNamespace] ?? locality.metadata?.filterMetadata[matchNamespace],
        });
      }
    }
    cluster.updateHosts(hosts, assignment.policy);
  }
}
