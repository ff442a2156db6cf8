/** Step 8 of the data path: the clusters of one worker by name, kept as the snapshots say. */
import type { envoy } from '../api/envoy_types.ts';
import { addressOfMessage } from '../common/address.ts';
import type { SharedWords } from '../common/counted_words.ts';
import type { Runtime } from '../common/runtime.ts';
import type { Slices } from '../common/slices.ts';
import type { StatsStore } from '../spi/stats.ts';
import { addressesOf } from './address_race.ts';
import { Cluster } from './cluster.ts';
import type { HostLocality, HostOptions } from './host.ts';
import { type MakeTransport, matchNamespace } from './transport_sockets.ts';

type LocalityEndpoints = envoy.config.endpoint.v3.LocalityLbEndpoints;

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
    const cluster = this.make(message, slot);
    if (former !== undefined) cluster.adoptHosts(former);
    this.take(cluster, former);
  }

  /** The same in slices: until the new one has all its hosts, the old one serves. */
  async setClusterInSlices(message: envoy.config.cluster.v3.Cluster, slot: number, slices: Slices): Promise<void> {
    const former = this.clusters.get(message.name);
    const cluster = this.make(message, slot);
    if (former !== undefined) await cluster.adoptHostsInSlices(former, slices);
    this.take(cluster, former);
  }

  private make(message: envoy.config.cluster.v3.Cluster, slot: number): Cluster {
    return new Cluster(message, slot, this.shared, this.store, this.makeTransport, this.runtime);
  }

  private take(cluster: Cluster, former: Cluster | undefined): void {
    this.clusters.set(cluster.name, cluster);
    if (former === undefined) return;
    if (former.slot !== cluster.slot) former.leaveWords();
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
      const ownLocality = localityOf(locality, place);
      for (const entry of locality.lbEndpoints) {
        const host = hostOptionsOf(cluster.name, entry, locality, ownLocality, slots[index++]);
        if (host !== undefined) hosts.push(host);
      }
    }
    cluster.updateHosts(hosts, assignment.policy);
  }
}

/** `place`: among the localities of its assignment. */
export function localityOf({ loadBalancingWeight }: LocalityEndpoints, place: number): HostLocality {
  return { index: place, weight: loadBalancingWeight ?? 0 };
}

/** Undefined: not a host of this assignment. */
export function hostOptionsOf(
  clusterName: string,
  entry: envoy.config.endpoint.v3.LbEndpoint,
  { priority, metadata }: LocalityEndpoints,
  locality: HostLocality,
  slot: number,
): HostOptions | undefined {
  const endpoint = entry.hostIdentifier.case === 'endpoint' ? entry.hostIdentifier.value : undefined;
  if (endpoint === undefined) return undefined;
  return {
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
