/** The clusters of the process on the main thread: their hosts, resolved and published, and what is known of them. */
import { create } from '@bufbuild/protobuf';
import { Cluster_DiscoveryType } from '../api/enums.ts';
import type { envoy } from '../api/envoy_types.ts';
import { messageType } from '../api/registry.ts';
import { addressOfMessage } from '../common/address.ts';
import { CLUSTER, CLUSTER_MANAGER, DNS_CARES } from '../common/stats/layouts.ts';
import type { Address } from '../common/stream_info.ts';
import { chooseResolver, type ResolverOf } from '../dns/choose_resolver.ts';
import { type DnsCluster, dnsCluster } from '../dns/dns_cluster.ts';
import { dnsSettings } from '../dns/dns_settings.ts';
import type { DnsResolver } from '../dns/resolver.ts';
import { flagsOfHealthStatus, HealthFlag, healthOfFlags, isExcluded } from '../snapshot/layout.ts';
import type { SnapshotPublisher } from '../snapshot/publisher.ts';
import type { StatsStore } from '../spi/stats.ts';
import type { HealthFlagName } from './admin/context.ts';
import { BreakerGauges } from './breaker_gauges.ts';

type ClusterMessage = envoy.config.cluster.v3.Cluster;
type Assignment = envoy.config.endpoint.v3.ClusterLoadAssignment;

/** A host as the main thread knows it. */
export interface KnownHost {
  readonly address: Address;
  readonly hostname: string;
  readonly weight: number;
  readonly priority: number;
  readonly canary: boolean;
  /** Bits of `HealthFlag`. */
  readonly healthFlags: number;
  /** What workers keep its counts under where that is not its address. */
  readonly countsKey: string | undefined;
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
  /** What workers are told: with what the bootstrap says of all clusters. */
  readonly published: ClusterMessage;
  dns: DnsCluster | undefined;
}

export interface ClusterSetParts {
  readonly publisher: SnapshotPublisher;
  readonly resolver: DnsResolver;
  readonly stats: StatsStore;
  readonly words: Int32Array;
  /** What it says of all clusters. */
  readonly bootstrap?: envoy.config.bootstrap.v3.Bootstrap;
  /** Hosts changed after the start: a new generation is due. */
  readonly onChange: () => void;
}

export class ClusterSet {
  private readonly parts: ClusterSetParts;
  private readonly entries = new Map<string, Entry>();
  private readonly managerStats: Float64Array;
  private readonly resolverOf: ResolverOf;
  private readonly gauges: BreakerGauges;
  private starting = true;

  constructor(parts: ClusterSetParts) {
    this.parts = parts;
    const { stats, words, resolver, bootstrap } = parts;
    this.managerStats = stats.block(CLUSTER_MANAGER, 'cluster_manager.');
    this.resolverOf = chooseResolver(resolver, bootstrap ?? {}, stats.block(DNS_CARES, 'dns.cares.'));
    this.gauges = new BreakerGauges(stats, words);
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
      if (slot !== undefined) this.gauges.refresh(message, slot);
    }
  }

  private add(message: ClusterMessage): Promise<void> {
    const { publisher, stats } = this.parts;
    const empty = create(messageType('envoy.config.endpoint.v3.ClusterLoadAssignment')) as unknown as Assignment;
    const block = stats.block(CLUSTER, `cluster.${message.altStatName || message.name}.`);
    const published = this.published(message);
    const entry: Entry = { message, published, hosts: [], assignment: empty, stats: block, dns: undefined };
    this.entries.set(message.name, entry);
    publisher.setCluster(published);
    this.gauges.refresh(message, publisher.clusterSlot(message.name)!);
    this.managerStats[CLUSTER_MANAGER.slot.cluster_added]++;
    this.managerStats[CLUSTER_MANAGER.slot.active_clusters]++;
    if (dnsSettings(message) !== undefined) return this.resolve(entry);
    const isEds = message.clusterDiscoveryType.value === Cluster_DiscoveryType.EDS;
    this.setHosts(entry, isEds ? empty : (message.loadAssignment ?? empty));
    return Promise.resolve();
  }

  /** The message workers get: the source address of all clusters stands in each that has none of its own. */
  private published(message: ClusterMessage): ClusterMessage {
    const general = this.parts.bootstrap?.clusterManager?.upstreamBindConfig;
    if (general === undefined || message.upstreamBindConfig !== undefined) return message;
    return { ...message, upstreamBindConfig: general };
  }

  private resolve(entry: Entry): Promise<void> {
    const { message, stats } = entry;
    return new Promise((resolve) => {
      entry.dns = dnsCluster(message, {
        resolver: this.resolverOf(message),
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
    const logical = dnsSettings(message)?.logical === true;
    const named = { ...assignment, clusterName: message.name };
    const before = memberKeys(entry.hosts);
    entry.assignment = named;
    entry.hosts = knownHosts(named, logical);
    this.parts.publisher.setEndpoints(named, logical);
    const after = memberKeys(entry.hosts);
    const { slot } = CLUSTER;
    if (after.size !== before.size || [...after].some((key) => !before.has(key))) stats[slot.membership_change]++;
    const count = (matches: (flags: number) => boolean): number =>
      entry.hosts.filter(({ healthFlags }) => matches(healthFlags)).length;
    stats[slot.membership_total] = entry.hosts.length;
    stats[slot.membership_healthy] = count((flags) => healthOfFlags(flags) === 'healthy');
    stats[slot.membership_degraded] = count((flags) => healthOfFlags(flags) === 'degraded');
    stats[slot.membership_excluded] = count(isExcluded);
    // Envoy keeps it for clusters whose hosts come and go.
    if (message.clusterDiscoveryType.value !== Cluster_DiscoveryType.STATIC && !logical) {
      stats[slot.max_host_weight] = entry.hosts.reduce((most, host) => Math.max(most, host.weight), 0);
    }
    if (!this.starting) this.parts.onChange();
  }
}

function memberKeys(hosts: readonly KnownHost[]): Set<string> {
  return new Set(hosts.map((host) => `${host.priority}/${host.address.text}/${host.hostname}`));
}

function knownHosts(assignment: Assignment, logical: boolean): KnownHost[] {
  const hosts: KnownHost[] = [];
  for (const { locality, lbEndpoints, priority } of assignment.endpoints) {
    for (const { hostIdentifier, loadBalancingWeight, metadata, healthStatus } of lbEndpoints) {
      if (hostIdentifier.case !== 'endpoint') continue;
      const { hostname } = hostIdentifier.value;
      hosts.push({
        address: addressOfMessage(hostIdentifier.value.address),
        hostname,
        weight: loadBalancingWeight ?? 1,
        priority,
        canary: metadata?.filterMetadata['envoy.lb']?.['canary'] === true,
        healthFlags: flagsOfHealthStatus(healthStatus),
        countsKey: logical ? hostname : undefined,
        locality: locality && { region: locality.region, zone: locality.zone, subZone: locality.subZone },
      });
    }
  }
  return hosts;
}

/** The flags by their names in /clusters, in Envoy's order. */
const flagNames = [
  [HealthFlag.FailedActiveHc, 'failed_active_hc'],
  [HealthFlag.FailedOutlierCheck, 'failed_outlier_check'],
  [HealthFlag.FailedEdsHealth, 'failed_eds_health'],
  [HealthFlag.DegradedActiveHc, 'degraded_active_hc'],
  [HealthFlag.DegradedEdsHealth, 'degraded_eds_health'],
  [HealthFlag.PendingDynamicRemoval, 'pending_dynamic_removal'],
  [HealthFlag.PendingActiveHc, 'pending_active_hc'],
  [HealthFlag.ExcludedViaImmediateHcFail, 'excluded_via_immediate_hc_fail'],
  [HealthFlag.ActiveHcTimeout, 'active_hc_timeout'],
  [HealthFlag.EdsStatusDraining, 'eds_status_draining'],
] as const;

export function healthFlagNames(flags: number): HealthFlagName[] {
  return flagNames.filter(([flag]) => (flags & flag) !== 0).map(([, name]) => name);
}
