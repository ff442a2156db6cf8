/** The clusters of the process on the main thread: added, warmed, replaced and removed, and what is known of them. */
import { Cluster_DiscoveryType } from '../api/enums.ts';
import type { envoy } from '../api/envoy_types.ts';
import { encode } from '../api/registry.ts';
import { discoveryType } from '../common/discovery_type.ts';
import type { Runtime } from '../common/runtime.ts';
import { namesOfClusters } from '../common/stats/cluster_names.ts';
import { CLUSTER, CLUSTER_MANAGER, DNS_CARES } from '../common/stats/layouts.ts';
import { chooseResolver } from '../dns/choose_resolver.ts';
import type { DnsResolver } from '../dns/resolver.ts';
import { resourceType } from '../snapshot/layout.ts';
import type { SnapshotPublisher } from '../snapshot/publisher.ts';
import type { StatsStore } from '../spi/stats.ts';
import type { SubscriptionFactory } from '../xds/subscription.ts';
import { BreakerGauges } from './breaker_gauges.ts';
import { ClusterEntry, type ClusterEntryParts, type ResourceSource } from './cluster_entry.ts';

type ClusterMessage = envoy.config.cluster.v3.Cluster;

export interface ClusterSetParts {
  /** What it says of the limits of circuit breakers. */
  readonly runtime?: Runtime;
  readonly publisher: SnapshotPublisher;
  readonly resolver: DnsResolver;
  readonly stats: StatsStore;
  /** A counter as all threads have it by now. */
  readonly counted: (name: string) => number;
  /** Statistics that are texts, by name. */
  readonly texts: Map<string, string>;
  readonly words: Int32Array;
  /** What it says of all clusters. */
  readonly bootstrap?: envoy.config.bootstrap.v3.Bootstrap;
  readonly subscriptions: () => SubscriptionFactory;
  readonly health: ClusterEntryParts['health'];
  readonly secrets: ClusterEntryParts['secrets'];
  readonly onHealthChange: (clusterName: string) => void;
  /** Something changed after the start: a new generation is due. */
  readonly onChange: () => void;
}

/** Of one name: what serves, and what is to take its place. */
interface Place {
  active: ClusterEntry | undefined;
  warming: ClusterEntry | undefined;
  /** Resolves when what was given last serves, or has gone again. */
  settled?: Promise<void>;
}

const clusterHistograms = ['upstream_cx_connect_ms', 'upstream_cx_length_ms', 'upstream_rq_per_cx'] as const;

export class ClusterSet {
  private readonly parts: ClusterSetParts;
  private readonly entryParts: ClusterEntryParts;
  private readonly places = new Map<string, Place>();
  private readonly managerStats: Float64Array;
  private readonly gauges: BreakerGauges;
  private activeCount = 0;
  private warmingCount = 0;
  /** Removed in this turn. */
  private gone = new Set<string>();

  constructor(parts: ClusterSetParts) {
    this.parts = parts;
    const { stats, words, resolver, bootstrap } = parts;
    this.managerStats = stats.block(CLUSTER_MANAGER, 'cluster_manager.');
    this.gauges = new BreakerGauges(stats, words, parts.runtime, parts.counted);
    this.entryParts = {
      publisher: parts.publisher,
      words,
      resolverOf: chooseResolver(resolver, bootstrap ?? {}, stats.block(DNS_CARES, 'dns.cares.')),
      subscriptions: parts.subscriptions,
      health: parts.health,
      secrets: parts.secrets,
      onChange: parts.onChange,
      onHealthChange: parts.onHealthChange,
    };
  }

  /**
   * Adds all clusters of the bootstrap; resolves when each has its first hosts, or knows that there are none. Those whose
   * hosts are discovered come last: control planes are reached by the others.
   */
  async start(messages: readonly ClusterMessage[]): Promise<void> {
    const source = { dynamic: false, version: '' };
    const isEds = (message: ClusterMessage) => discoveryType(message) === Cluster_DiscoveryType.EDS;
    await Promise.all(messages.filter((each) => !isEds(each)).map((message) => this.apply(message, source)));
    await Promise.all(messages.filter(isEds).map((message) => this.apply(message, source)));
  }

  stop(): void {
    for (const { active, warming } of this.places.values()) {
      active?.stop();
      warming?.stop();
    }
  }

  /** Those that serve, in the order they came. */
  all(): readonly ClusterEntry[] {
    return [...this.places.values()].flatMap(({ active }) => active ?? []);
  }

  /** Those that wait for hosts, checks or their place. */
  warming(): readonly ClusterEntry[] {
    return [...this.places.values()].flatMap(({ warming }) => warming ?? []);
  }

  get(name: string): ClusterEntry | undefined {
    return this.places.get(name)?.active;
  }

  /** What the cluster of this name was given last. */
  latest(name: string): ClusterMessage | undefined {
    const place = this.places.get(name);
    return (place?.warming ?? place?.active)?.message;
  }

  known(): ReadonlyMap<string, { readonly dynamic: boolean }> {
    return new Map([...this.places].map(([name, place]) => [name, (place.warming ?? place.active)!.source]));
  }

  names(): Set<string> {
    return new Set([...this.places].filter(([, place]) => place.active !== undefined).map(([name]) => name));
  }

  /**
   * Adds a cluster or puts it in the place of the one of its name, which serves until the new one is warm. Resolves when it
   * serves, or has been replaced or removed itself; at once when it is what serves already.
   */
  async apply(message: ClusterMessage, source: ResourceSource): Promise<void> {
    const place = this.places.get(message.name) ?? { active: undefined, warming: undefined };
    const latest = place.warming ?? place.active;
    if (latest !== undefined && sameCluster(latest.message, message)) return place.settled;
    place.settled = this.warmUp(place, message, source);
    await place.settled;
  }

  private async warmUp(place: Place, message: ClusterMessage, source: ResourceSource): Promise<void> {
    const { stats } = this.parts;
    const latest = place.warming ?? place.active;
    const counted = CLUSTER_MANAGER.slot;
    this.managerStats[latest === undefined ? counted.cluster_added : counted.cluster_modified]++;
    if (place.warming !== undefined) place.warming.stop();
    else this.warmingCount++;
    const block = stats.block(CLUSTER, `cluster.${message.altStatName || message.name}.`);
    // Workers make them with the first request; they are there before.
    for (const name of clusterHistograms) stats.histogram(`cluster.${message.altStatName || message.name}.${name}`);
    const entry = new ClusterEntry(message, this.published(message), source, block, this.entryParts);
    place.warming = entry;
    this.places.set(message.name, place);
    this.countPlaces();
    block[CLUSTER.slot.warming_state] = 1;
    await entry.warm();
    block[CLUSTER.slot.warming_state] = 0;
    if (place.warming !== entry) return;
    place.warming = undefined;
    this.warmingCount--;
    if (place.active !== undefined) place.active.stop();
    else this.activeCount++;
    place.active = entry;
    entry.activate();
    const slot = this.parts.publisher.clusterSlot(message.name);
    if (slot !== undefined) this.gauges.refresh(message, slot);
    this.countPlaces();
    this.parts.onChange();
  }

  /** Takes a cluster away; its connections end with their exchanges. */
  remove(name: string): void {
    const place = this.places.get(name);
    if (place === undefined) return;
    this.places.delete(name);
    for (const entry of [place.warming, place.active]) entry?.stop();
    if (place.warming !== undefined) this.warmingCount--;
    if (place.active !== undefined) this.activeCount--;
    this.managerStats[CLUSTER_MANAGER.slot.cluster_removed]++;
    if (place.active !== undefined) this.parts.publisher.remove(resourceType.cluster, name);
    this.dropStatsSoon(name);
    this.countPlaces();
    this.parts.onChange();
  }

  /** Sets the gauges of circuit breakers from the shared counts; before a look at the statistics. */
  refreshBreakers(): void {
    for (const { message } of this.all()) {
      const slot = this.parts.publisher.clusterSlot(message.name);
      if (slot !== undefined) this.gauges.refresh(message, slot);
    }
  }

  /** As Envoy's, the statistics of a cluster go with it. */
  private dropStatsSoon(name: string): void {
    if (this.gone.size === 0) {
      setImmediate(() => {
        const { gone } = this;
        this.gone = new Set();
        for (const back of this.places.keys()) gone.delete(back);
        if (gone.size === 0) return;
        const { stats, texts } = this.parts;
        const isGone = namesOfClusters(gone, (other) => this.places.has(other));
        stats.drop(isGone);
        for (const statName of texts.keys()) if (isGone(statName)) texts.delete(statName);
      });
    }
    this.gone.add(name);
  }

  private countPlaces(): void {
    const { slot } = CLUSTER_MANAGER;
    this.managerStats[slot.active_clusters] = this.activeCount;
    this.managerStats[slot.warming_clusters] = this.warmingCount;
  }

  /** The message workers get: the source address of all clusters stands in each that has none of its own. */
  private published(message: ClusterMessage): ClusterMessage {
    const general = this.parts.bootstrap?.clusterManager?.upstreamBindConfig;
    if (general === undefined || message.upstreamBindConfig !== undefined) return message;
    return { ...message, upstreamBindConfig: general };
  }
}

function sameCluster(one: ClusterMessage, other: ClusterMessage): boolean {
  if (one === other) return true;
  return Buffer.compare(encode(resourceType.cluster, one), encode(resourceType.cluster, other)) === 0;
}
