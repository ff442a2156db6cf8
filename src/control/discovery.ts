/** Control path, step 3, composed: what the bootstrap says of discovery → subscriptions → clusters and listeners of the process. */
import type { envoy } from '../api/envoy_types.ts';
import { factories } from '../extensions/registry.ts';
import type { HealthChecker } from '../health/health_checker.ts';
import type { StatsStore } from '../spi/stats.ts';
import { BackOff } from '../xds/back_off.ts';
import type { ControlPlanes } from '../xds/control_plane.ts';
import { FailedUpdates } from '../xds/failed_updates.ts';
import { readLegacyReply } from '../xds/legacy_replies.ts';
import { type ClusterLoad, LOAD_REPORTER, LoadReporter } from '../xds/load_reports.ts';
import { nodeForXds } from '../xds/node.ts';
import { ClusterDiscovery } from '../xds/resource_types/clusters.ts';
import { OnDemandClusters } from '../xds/resource_types/clusters_on_demand.ts';
import { ListenerDiscovery } from '../xds/resource_types/listeners.ts';
import type { Subscription, SubscriptionFactory } from '../xds/subscription.ts';
import { channelOf, XdsSubscriptions } from '../xds/subscription_factory.ts';
import type { ClusterSet } from './cluster_set.ts';
import { HDS_DELEGATE, HealthDiscovery } from './health_discovery.ts';
import type { ListenerSet } from './listener_set.ts';

export interface DiscoveryParts {
  readonly bootstrap: envoy.config.bootstrap.v3.Bootstrap;
  readonly node: envoy.config.core.v3.Node;
  /** What the node calls itself. */
  readonly userAgent: string;
  readonly planes: ControlPlanes;
  readonly stats: StatsStore;
  /** Texts among the statistics, by name: versions, identifiers of control planes. */
  readonly texts: Map<string, string>;
  readonly clusters: ClusterSet;
  readonly listeners: () => ListenerSet;
  readonly loads: () => readonly ClusterLoad[];
  readonly makeChecker: (cluster: envoy.config.cluster.v3.Cluster, words: Int32Array) => HealthChecker;
}

const clusterType = 'envoy.config.cluster.v3.Cluster';
const listenerType = 'envoy.config.listener.v3.Listener';

/** What Envoy tells the server of its load reports that it can do. */
const reportFeatures = ['envoy.lrs.supports_send_all_clusters'];

export class Discovery {
  readonly subscriptions: SubscriptionFactory;
  readonly failures = new FailedUpdates();
  readonly onDemand: OnDemandClusters;
  /** As control planes are told it. */
  readonly node: DiscoveryParts['node'];
  private readonly parts: DiscoveryParts;
  private readonly xds: XdsSubscriptions;
  private readonly running: Subscription[] = [];
  private loadReporter: LoadReporter | undefined;
  private healthDiscovery: HealthDiscovery | undefined;

  constructor(parts: DiscoveryParts) {
    this.parts = parts;
    const { bootstrap, node, userAgent, planes, stats, texts } = parts;
    this.node = nodeForXds(node, userAgent, factories);
    this.xds = new XdsSubscriptions({
      planes,
      stats,
      node: this.node,
      ads: bootstrap.dynamicResources?.adsConfig,
      random: Math.random,
      // A cluster that takes the place of one of its name goes on with what that one counted.
      onVersion: (prefix, version) => {
        if (version !== '' || !texts.has(`${prefix}version_text`)) texts.set(`${prefix}version_text`, version);
      },
      onIdentifier: (prefix, identifier) => texts.set(`${prefix}identifier`, identifier),
      readLegacy: (typeName, name, body) => readLegacyReply(typeName, name, body, bootstrap.defaultConfigSource),
    });
    const { clusters } = parts;
    this.onDemand = new OnDemandClusters({
      subscriptions: () => this.subscriptions,
      target: {
        apply: (message, from) => clusters.apply(message, from),
        remove: (name) => clusters.remove(name),
        known: () => clusters.known(),
        latest: (name) => clusters.latest(name),
      },
    });
    this.subscriptions = {
      subscribe: (source, typeName, statPrefix, callbacks) =>
        this.xds.subscribe(source, typeName, statPrefix, this.failures.watch(typeName, callbacks)),
    };
  }

  /** Resolves when the first clusters are warm, or none came in time. */
  startClusters(): Promise<void> {
    const source = this.parts.bootstrap.dynamicResources?.cdsConfig;
    if (source === undefined) return Promise.resolve();
    const { clusters } = this.parts;
    const { promise, resolve } = Promise.withResolvers<void>();
    const discovery = new ClusterDiscovery(
      {
        apply: (message, from) => clusters.apply(message, from),
        remove: (name) => clusters.remove(name),
        known: () => this.knownToCds(),
        latest: (name) => clusters.latest(name),
      },
      this.parts.stats,
      resolve,
    );
    this.start(source, clusterType, 'cluster_manager.cds.', discovery);
    return promise;
  }

  /** Clusters that were asked for one by one are not CDS's to change. */
  private knownToCds(): ReadonlyMap<string, { readonly dynamic: boolean }> {
    const known = new Map(this.parts.clusters.known());
    for (const [name, { dynamic }] of known)
      if (dynamic && this.onDemand.owns(name)) known.set(name, { dynamic: false });
    return known;
  }

  /** Resolves when the first listeners are warm, or none came in time. */
  startListeners(): Promise<void> {
    const source = this.parts.bootstrap.dynamicResources?.ldsConfig;
    if (source === undefined) return Promise.resolve();
    const { clusters } = this.parts;
    const listeners = this.parts.listeners();
    const { promise, resolve } = Promise.withResolvers<void>();
    const discovery = new ListenerDiscovery(
      {
        apply: (message, from) => listeners.apply(message, from),
        remove: (name) => listeners.remove(name),
        known: () => listeners.known(),
        clusters: () => clusters.names(),
        warm: () => listeners.warm(),
      },
      resolve,
    );
    this.start(source, listenerType, 'listener_manager.lds.', discovery);
    return promise;
  }

  /** Load reports, where the bootstrap asks for them. */
  startLoadReports(): void {
    const { bootstrap, planes, stats } = this.parts;
    const config = bootstrap.clusterManager?.loadStatsConfig;
    if (config === undefined) return;
    this.loadReporter = new LoadReporter({
      channel: channelOf(config, planes, stats),
      node: { ...this.node, clientFeatures: [...this.node.clientFeatures, ...reportFeatures] },
      backOff: new BackOff(),
      stats: stats.block(LOAD_REPORTER, 'load_reporter.'),
      clusters: this.parts.loads,
    });
    this.loadReporter.start();
  }

  /** Checks on behalf of a server, where the bootstrap asks for them. */
  startHealthDiscovery(): void {
    const { bootstrap, planes, stats, makeChecker } = this.parts;
    if (bootstrap.hdsConfig === undefined) return;
    this.healthDiscovery = new HealthDiscovery({
      channel: channelOf(bootstrap.hdsConfig, planes, stats),
      node: this.node,
      backOff: new BackOff(),
      stats: stats.block(HDS_DELEGATE, 'hds_delegate.'),
      makeChecker,
    });
    this.healthDiscovery.start();
  }

  stop(): void {
    this.onDemand.stop();
    this.healthDiscovery?.stop();
    this.loadReporter?.stop();
    for (const subscription of this.running) subscription.stop();
    this.xds.stop();
  }

  private start(
    source: envoy.config.core.v3.ConfigSource,
    typeName: string,
    statPrefix: string,
    callbacks: ClusterDiscovery | ListenerDiscovery,
  ): void {
    const subscription = this.subscriptions.subscribe(source, typeName, statPrefix, callbacks);
    this.running.push(subscription);
    subscription.start(undefined);
  }
}
