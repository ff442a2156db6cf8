/** The clusters of the process on the main thread: their hosts, resolved and published, and what is known of them. */
import { create } from '@bufbuild/protobuf';
import type { envoy } from '../api/envoy_types.ts';
import { messageType } from '../api/registry.ts';
import { addressOfMessage } from '../common/address.ts';
import { breakerLimits } from '../common/breaker_limits.ts';
import { CIRCUIT_BREAKERS, CLUSTER, CLUSTER_MANAGER } from '../common/stats/layouts.ts';
import type { Address } from '../common/stream_info.ts';
import type { DnsResolver } from '../dns/resolver.ts';
import { type StrictDnsCluster, strictDnsCluster } from '../dns/strict_dns_cluster.ts';
import { ClusterWord, clusterBase } from '../snapshot/layout.ts';
import type { SnapshotPublisher } from '../snapshot/publisher.ts';
import type { StatsStore } from '../spi/stats.ts';

type ClusterMessage = envoy.config.cluster.v3.Cluster;
type Assignment = envoy.config.endpoint.v3.ClusterLoadAssignment;

/** Numbers of envoy.config.cluster.v3.Cluster.DiscoveryType. */
const DiscoveryType = { Static: 0, StrictDns: 1, Eds: 3 };

/** A host as the main thread knows it. */
export interface KnownHost {
  readonly address: Address;
  readonly hostname: string;
  readonly weight: number;
  readonly priority: number;
  readonly canary: boolean;
  readonly locality: { readonly region: string; readonly zone: string; readonly subZone: string } | undefined;
}

export interface KnownCluster {
  readonly message: ClusterMessage;
  readonly hosts: readonly KnownHost[];
  readonly assignment: Assignment;
}

interface Entry extends KnownCluster {
  hosts: KnownHost[];
  assignment: Assignment;
  readonly stats: Float64Array;
  dns: StrictDnsCluster | undefined;
}

export interface ClusterSetParts {
  readonly publisher: SnapshotPublisher;
  readonly resolver: DnsResolver;
  readonly stats: StatsStore;
  readonly words: Int32Array;
  /** Hosts changed after the start: a new generation is due. */
  readonly onChange: () => void;
}

export class ClusterSet {
  private readonly parts: ClusterSetParts;
  private readonly entries = new Map<string, Entry>();
  private readonly managerStats: Float64Array;
  private starting = true;

  constructor(parts: ClusterSetParts) {
    this.parts = parts;
    this.managerStats = parts.stats.block(CLUSTER_MANAGER, 'cluster_manager.');
  }

  /** Adds all clusters; resolves when each has its first hosts, or knows that there are none. */
  async start(messages: readonly ClusterMessage[]): Promise<void> {
    await Promise.all(messages.map((message) => this.add(message)));
    this.starting = false;
  }

  stop(): void {
    for (const entry of this.entries.values()) entry.dns?.stop();
  }

  all(): readonly KnownCluster[] {
    return [...this.entries.values()];
  }

  /** Sets the gauges of circuit breakers from the shared counts; before a look at the statistics. */
  refreshBreakers(): void {
    for (const { message } of this.entries.values()) {
      const slot = this.parts.publisher.clusterSlot(message.name);
      if (slot === undefined) continue;
      this.refreshPriority(message, clusterBase(slot), 0, 'default');
      this.refreshPriority(message, clusterBase(slot) + ClusterWord.Priority, 1, 'high');
    }
  }

  private add(message: ClusterMessage): Promise<void> {
    const { publisher, stats } = this.parts;
    const empty = create(messageType('envoy.config.endpoint.v3.ClusterLoadAssignment')) as unknown as Assignment;
    const block = stats.block(CLUSTER, `cluster.${message.altStatName || message.name}.`);
    const entry: Entry = { message, hosts: [], assignment: empty, stats: block, dns: undefined };
    this.entries.set(message.name, entry);
    publisher.setCluster(message);
    this.managerStats[CLUSTER_MANAGER.slot.cluster_added]++;
    this.managerStats[CLUSTER_MANAGER.slot.active_clusters]++;
    const type = message.clusterDiscoveryType.case === 'type' ? message.clusterDiscoveryType.value : 0;
    if (type === DiscoveryType.StrictDns) return this.resolve(entry);
    if (type === DiscoveryType.Static && message.loadAssignment !== undefined) {
      this.setHosts(entry, message.loadAssignment);
    } else this.setHosts(entry, empty);
    return Promise.resolve();
  }

  private resolve(entry: Entry): Promise<void> {
    const { message, stats } = entry;
    return new Promise((resolve) => {
      entry.dns = strictDnsCluster(message, {
        resolver: this.parts.resolver,
        onHosts: (assignment) => this.setHosts(entry, assignment),
        onReady: resolve,
        count: (stat) => {
          stats[CLUSTER.slot[stat]]++;
        },
      });
    });
  }

  private setHosts(entry: Entry, assignment: Assignment): void {
    const { message, stats } = entry;
    const named = { ...assignment, clusterName: message.name };
    entry.assignment = named;
    entry.hosts = knownHosts(named);
    this.parts.publisher.setEndpoints(named);
    const { slot } = CLUSTER;
    stats[slot.membership_change]++;
    stats[slot.membership_total] = entry.hosts.length;
    stats[slot.membership_healthy] = entry.hosts.length;
    stats[slot.max_host_weight] = entry.hosts.reduce((most, host) => Math.max(most, host.weight), 0);
    if (!this.starting) this.parts.onChange();
  }

  private refreshPriority(message: ClusterMessage, base: number, priority: number, name: string): void {
    const { words, stats } = this.parts;
    const limits = breakerLimits(message, priority);
    const block = stats.block(
      CIRCUIT_BREAKERS,
      `cluster.${message.altStatName || message.name}.circuit_breakers.${name}.`,
    );
    const { slot } = CIRCUIT_BREAKERS;
    const open = (word: number, limit: number) => (Atomics.load(words, base + word) >= limit ? 1 : 0);
    block[slot.cx_open] = open(ClusterWord.Connections, limits.maxConnections);
    block[slot.rq_pending_open] = open(ClusterWord.PendingRequests, limits.maxPendingRequests);
    block[slot.rq_open] = open(ClusterWord.Requests, limits.maxRequests);
    block[slot.rq_retry_open] = open(ClusterWord.Retries, limits.maxRetries);
  }
}

function knownHosts(assignment: Assignment): KnownHost[] {
  const hosts: KnownHost[] = [];
  for (const { locality, lbEndpoints, priority } of assignment.endpoints) {
    for (const { hostIdentifier, loadBalancingWeight, metadata } of lbEndpoints) {
      if (hostIdentifier.case !== 'endpoint') continue;
      hosts.push({
        address: addressOfMessage(hostIdentifier.value.address),
        hostname: hostIdentifier.value.hostname,
        weight: loadBalancingWeight ?? 1,
        priority,
        canary: metadata?.filterMetadata['envoy.lb']?.['canary'] === true,
        locality: locality && { region: locality.region, zone: locality.zone, subZone: locality.subZone },
      });
    }
  }
  return hosts;
}
