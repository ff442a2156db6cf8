/** Step 8 of the data path: the clusters of one worker by name, kept as the snapshots say. */
import type { envoy } from '../api/envoy_types.ts';
import { addressOfMessage } from '../common/address.ts';
import type { SharedWords } from '../common/counted_words.ts';
import type { Runtime } from '../common/runtime.ts';
import type { Slices } from '../common/slices.ts';
import type { StatsStore } from '../spi/stats.ts';
import { addressesOf } from './address_race.ts';
import { Cluster } from './cluster.ts';
import type { HostOptions } from './host.ts';
import { type MakeTransport, matchNamespace } from './transport_sockets.ts';

type Assignment = envoy.config.endpoint.v3.ClusterLoadAssignment;

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

  /** One that is not there yet. */
  addCluster(message: envoy.config.cluster.v3.Cluster, slot: number): void {
    this.clusters.set(message.name, this.make(message, slot));
  }

  /** Adds a cluster, or replaces it, in slices: until the new one has all its hosts the old one serves, then it ends its exchanges. */
  async setCluster(message: envoy.config.cluster.v3.Cluster, slot: number, slices: Slices): Promise<void> {
    const former = this.clusters.get(message.name);
    const cluster = this.make(message, slot);
    if (former !== undefined) await cluster.adoptHosts(former, slices);
    this.clusters.set(cluster.name, cluster);
    if (former === undefined) return;
    if (former.slot !== slot) former.leaveWords();
    former.drain();
  }

  private make(message: envoy.config.cluster.v3.Cluster, slot: number): Cluster {
    return new Cluster(message, slot, this.shared, this.store, this.makeTransport, this.runtime);
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
  setEndpoints(assignment: Assignment, slots: readonly number[]): void {
    const hosts = [...hostsOf(assignment, slots)];
    this.clusters.get(assignment.clusterName)?.updateHosts(hosts, assignment.policy);
  }

  /** The same in slices. */
  async setEndpointsInSlices(assignment: Assignment, slots: readonly number[], slices: Slices): Promise<void> {
    const hosts: HostOptions[] = [];
    for (const host of hostsOf(assignment, slots)) {
      if (slices.over) await slices.next();
      hosts.push(host);
    }
    await this.clusters.get(assignment.clusterName)?.updateHostsInSlices(hosts, assignment.policy, slices);
  }
}

function* hostsOf({ clusterName, endpoints }: Assignment, slots: readonly number[]): Generator<HostOptions> {
  let index = 0;
  for (const [place, { lbEndpoints, loadBalancingWeight, priority, metadata }] of endpoints.entries()) {
    const locality = { index: place, weight: loadBalancingWeight ?? 0 };
    for (const entry of lbEndpoints) {
      const endpoint = entry.hostIdentifier.case === 'endpoint' ? entry.hostIdentifier.value : undefined;
      const slot = slots[index++];
      if (endpoint === undefined) continue;
      yield {
        clusterName,
        address: addressOfMessage(endpoint.address),
        addresses: addressesOf(endpoint),
        hostname: endpoint.hostname,
        weight: entry.loadBalancingWeight ?? 1,
        priority,
        locality,
        slot,
        metadata: entry.metadata,
        lbMetadata: entry.metadata?.filterMetadata['envoy.lb'],
        transportMatch: entry.metadata?.filterMetadata[matchNamespace] ?? metadata?.filterMetadata[matchNamespace],
      };
    }
  }
}
