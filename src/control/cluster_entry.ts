/** One cluster on the main thread: where its hosts come from (file, DNS, EDS), their health, and whether it may serve yet. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { Cluster_DiscoveryType } from '../api/enums.ts';
import type { envoy } from '../api/envoy_types.ts';
import { type AnyMessage, messageType } from '../api/registry.ts';
import { discoveryType } from '../common/discovery_type.ts';
import { Slices } from '../common/slices.ts';
import { CLUSTER } from '../common/stats/layouts.ts';
import { checkResourceInSlices, reasonsOf } from '../config/check_resource.ts';
import type { ResolverOf } from '../dns/choose_resolver.ts';
import { type DnsCluster, dnsCluster } from '../dns/dns_cluster.ts';
import { dnsSettings } from '../dns/dns_settings.ts';
import type { HealthChecker } from '../health/health_checker.ts';
import { HealthFlag, HostWord, healthOfFlags, hostBase, isExcluded } from '../snapshot/layout.ts';
import type { SnapshotPublisher } from '../snapshot/publisher.ts';
import { sliceTime } from '../xds/decode.ts';
import type { DecodedResource, Rejection, Subscription, SubscriptionFactory } from '../xds/subscription.ts';
import { type KnownHost, knownHosts, memberKey, memberKeys } from './known_hosts.ts';
import type { HeldSecrets } from './secrets/secret_set.ts';
import { withStaying } from './staying_hosts.ts';

type ClusterMessage = envoy.config.cluster.v3.Cluster;
type Assignment = envoy.config.endpoint.v3.ClusterLoadAssignment;

/** Where a cluster came from. */
export interface ResourceSource {
  /** By discovery: it may be changed and removed by it. */
  readonly dynamic: boolean;
  /** Of the update that brought it. */
  readonly version: string;
}

export interface ClusterEntryParts {
  readonly publisher: SnapshotPublisher;
  readonly words: Int32Array;
  readonly resolverOf: ResolverOf;
  /** Undefined until discovery can be used. */
  readonly subscriptions: () => SubscriptionFactory;
  /** Undefined: the cluster has no checks, or there is nobody to make them. */
  readonly health: (message: ClusterMessage, onChange: () => void) => HealthChecker | undefined;
  readonly secrets: (message: ClusterMessage) => HeldSecrets;
  /** Hosts of a published cluster changed: a new generation is due. */
  readonly onChange: () => void;
  /** Flags in the words of its hosts changed: workers must look at them anew. */
  readonly onHealthChange: (clusterName: string) => void;
}

const assignmentType = 'envoy.config.endpoint.v3.ClusterLoadAssignment';

export class ClusterEntry {
  readonly message: ClusterMessage;
  /** What workers are told: with what the bootstrap says of all clusters. */
  readonly published: ClusterMessage;
  readonly source: ResourceSource;
  readonly updatedAt = Date.now();
  readonly stats: Float64Array;
  hosts: KnownHost[] = [];
  assignment: Assignment = create(messageType(assignmentType)) as unknown as Assignment;
  /** As discovery has it, without the hosts that only stay. */
  private asked: Assignment = this.assignment;
  /** Keys of hosts that discovery names no more and whose checks still pass. */
  private staying: ReadonlySet<string> = new Set();
  /** Workers know it. */
  private active = false;
  private readonly parts: ClusterEntryParts;
  private dns: DnsCluster | undefined;
  private eds: Subscription | undefined;
  private health: HealthChecker | undefined;
  private secrets: HeldSecrets | undefined;
  private stopped = false;
  /** The assignment as it came. */
  private lastTaken: AnyMessage | undefined;
  private readonly hostsKnown = Promise.withResolvers<void>();

  constructor(
    message: ClusterMessage,
    published: ClusterMessage,
    source: ResourceSource,
    stats: Float64Array,
    parts: ClusterEntryParts,
  ) {
    this.message = message;
    this.published = published;
    this.source = source;
    this.stats = stats;
    this.parts = parts;
  }

  /** Resolves when it has its first hosts, or knows that there are none, its secrets, and each host has been checked once. */
  async warm(): Promise<void> {
    const warmed = this.fetch();
    // It serves what it has got at any time.
    if (this.message.waitForWarmOnInit !== false) await warmed;
  }

  private async fetch(): Promise<void> {
    const { message, parts } = this;
    this.health = message.healthChecks.length === 0 ? undefined : parts.health(message, () => this.onHealthChanged());
    if (dnsSettings(message) !== undefined) this.resolve();
    else if (discoveryType(message) === Cluster_DiscoveryType.EDS) this.subscribe();
    else {
      this.setHosts(message.loadAssignment ?? this.assignment);
      this.hostsKnown.resolve();
    }
    await this.hostsKnown.promise;
    await this.fetchSecrets();
    // Also when no hosts came: then there is nobody to wait for.
    this.checkHosts();
    await this.health?.firstRound;
  }

  /** From now on workers serve it. */
  activate(): void {
    if (this.active || this.stopped) return;
    const { publisher } = this.parts;
    this.active = true;
    publisher.setCluster(this.published);
    this.secrets?.release();
    publisher.setEndpoints(this.assignment, this.logical);
    this.countMembers();
  }

  /** Nothing more is looked up or checked for it. */
  stop(): void {
    this.stopped = true;
    this.dns?.stop();
    this.eds?.stop();
    this.health?.stop();
    if (!this.active) {
      this.parts.publisher.dropReservation(this.message.name);
      this.secrets?.release();
    }
    this.hostsKnown.resolve();
  }

  /** Bits of `HealthFlag` of each host, as they are now. */
  healthFlags(): number[] {
    const slots = this.parts.publisher.hostSlotsOf(this.message.name);
    return this.hosts.map(({ healthFlags }, i) =>
      slots[i] === undefined ? healthFlags : Atomics.load(this.parts.words, hostBase(slots[i]) + HostWord.Health),
    );
  }

  /** Gauges of its hosts, after their number or their health changed. */
  countMembers(): void {
    const { stats, message } = this;
    if (this.hosts.length === 0 && stats[CLUSTER.slot.membership_change] === 0) return;
    const { slot } = CLUSTER;
    const flags = this.healthFlags();
    stats[slot.membership_total] = this.hosts.length;
    stats[slot.membership_healthy] = flags.filter((each) => healthOfFlags(each) === 'healthy').length;
    stats[slot.membership_degraded] = flags.filter((each) => healthOfFlags(each) === 'degraded').length;
    stats[slot.membership_excluded] = flags.filter(isExcluded).length;
    // Envoy keeps it for clusters whose hosts come and go.
    if (discoveryType(message) !== Cluster_DiscoveryType.STATIC && !this.logical) {
      stats[slot.max_host_weight] = this.hosts.reduce((most, host) => Math.max(most, host.weight), 0);
    }
  }

  /** In the turn after the clusters that come with it serve: a control plane of secrets may be one of them. */
  private async fetchSecrets(): Promise<void> {
    const { transportSocket, transportSocketMatches } = this.message;
    if (transportSocket === undefined && transportSocketMatches.length === 0) return;
    await nextTurn();
    if (this.stopped) return;
    this.secrets = this.parts.secrets(this.message);
    await this.secrets.settled;
  }

  private get logical(): boolean {
    return dnsSettings(this.message)?.logical === true;
  }

  private resolve(): void {
    const { message, stats, parts } = this;
    this.dns = dnsCluster(message, {
      resolver: parts.resolverOf(message),
      onHosts: (assignment) => this.setHosts(assignment),
      onReady: () => this.hostsKnown.resolve(),
      count: (stat) => {
        stats[CLUSTER.slot[stat]]++;
        if (stat === 'update_no_rebuild') this.countMatches();
      },
    });
  }

  /** An assignment is named by the service, or by the cluster. */
  private subscribe(): void {
    const { name, edsClusterConfig } = this.message;
    const service = edsClusterConfig?.serviceName || name;
    const source = edsClusterConfig!.edsConfig!;
    this.eds = this.parts.subscriptions().subscribe(source, assignmentType, `cluster.${name}.`, {
      onConfigUpdate: (resources) => this.take(resources, service),
      onDeltaUpdate: (added, removed) => {
        // An assignment that is taken away leaves its hosts, as in Envoy: the cluster goes by CDS.
        if (removed.length > 0) this.hostsKnown.resolve();
        return this.take(added, service);
      },
      onConfigUpdateFailed: (why) => {
        if (why !== 'connection failure') this.hostsKnown.resolve();
      },
    });
    this.eds.start(new Set([service]));
  }

  private async take(resources: readonly DecodedResource[], service: string): Promise<Rejection[]> {
    const resource = resources.find(({ name }) => name === service);
    if (resource === undefined) {
      this.stats[CLUSTER.slot.update_empty]++;
      this.hostsKnown.resolve();
      return [];
    }
    if (resource.message === this.lastTaken) {
      this.stats[CLUSTER.slot.update_no_rebuild]++;
      this.countMatches();
      return [];
    }
    const slices = new Slices(sliceTime);
    const diagnostics = await checkResourceInSlices(resource.message as AnyMessage, noClusters, slices);
    if (diagnostics.errors.length > 0) return [{ resource: service, reason: reasonsOf(diagnostics) }];
    this.lastTaken = resource.message;
    this.setHosts(resource.message as unknown as Assignment);
    this.hostsKnown.resolve();
    return [];
  }

  private markStaying(): void {
    const slots = this.parts.publisher.hostSlotsOf(this.message.name);
    this.hosts.forEach((host, i) => {
      const word = hostBase(slots[i]) + HostWord.Health;
      if (this.staying.has(memberKey(host))) Atomics.or(this.parts.words, word, HealthFlag.PendingDynamicRemoval);
      else Atomics.and(this.parts.words, word, ~HealthFlag.PendingDynamicRemoval);
    });
  }

  private checkHosts(): void {
    const slots = this.parts.publisher.hostSlotsOf(this.message.name);
    this.health?.setHosts(this.hosts.map((host, i) => ({ key: memberKey(host), slot: slots[i], ...host.healthCheck })));
  }

  private onHealthChanged(): void {
    const flags = this.staying.size === 0 ? [] : this.healthFlags();
    // One that only stayed while its checks passed goes now.
    if (this.hosts.some((host, i) => this.staying.has(memberKey(host)) && hasFailed(flags[i])))
      this.setHosts(this.asked);
    this.countMembers();
    if (this.active) this.parts.onHealthChange(this.message.name);
  }

  /** Envoy finds the transport socket of each host anew with every update, changed or not. */
  private countMatches(): void {
    if (this.hosts.length > 0) this.stats[CLUSTER.slot['default.total_match_count']] += this.hosts.length;
  }

  private setHosts(assignment: Assignment): void {
    if (this.stopped) return;
    const { stats, parts } = this;
    const flags = this.healthFlags();
    const stays = this.health !== undefined && !this.message.ignoreHealthOnHostRemoval && !this.logical;
    const members = withStaying(assignment, this.assignment, (_, i) => stays && !hasFailed(flags[i]));
    const named = { ...members.assignment, clusterName: this.message.name };
    this.asked = assignment;
    this.staying = members.staying;
    const before = memberKeys(this.hosts);
    this.assignment = named;
    this.hosts = knownHosts(named, this.logical);
    this.countMatches();
    if (this.active) parts.publisher.setEndpoints(named, this.logical);
    else parts.publisher.reserveEndpoints(named, this.logical);
    this.markStaying();
    this.checkHosts();
    const after = memberKeys(this.hosts);
    const changed = changedPriorities(before, after);
    if (changed > 0) stats[CLUSTER.slot.membership_change] += changed;
    this.countMembers();
    if (this.active) parts.onChange();
  }
}

/** Each priority that hosts came to or went from is a change of its own. */
function changedPriorities(before: ReadonlySet<string>, after: ReadonlySet<string>): number {
  const moved = [...before].filter((key) => !after.has(key)).concat([...after].filter((key) => !before.has(key)));
  return new Set(moved.map((key) => key.slice(0, key.indexOf('/')))).size;
}

function hasFailed(flags: number): boolean {
  return (flags & (HealthFlag.FailedActiveHc | HealthFlag.FailedEdsHealth)) !== 0;
}

const noClusters: ReadonlySet<string> = new Set();
