/** Control path, step 3, composed: what the bootstrap says of discovery → subscriptions → clusters and listeners of the process. */
import type { envoy } from '../api/envoy_types.ts';
import { factories } from '../extensions/registry.ts';
import type { StatsStore } from '../spi/stats.ts';
import type { ControlPlanes } from '../xds/control_plane.ts';
import { readLegacyReply } from '../xds/legacy_replies.ts';
import { nodeForXds } from '../xds/node.ts';
import { ClusterDiscovery } from '../xds/resource_types/clusters.ts';
import { ListenerDiscovery } from '../xds/resource_types/listeners.ts';
import type { Subscription, SubscriptionFactory } from '../xds/subscription.ts';
import { XdsSubscriptions } from '../xds/subscription_factory.ts';
import type { ClusterSet } from './cluster_set.ts';
import type { ListenerSet } from './listener_set.ts';

export interface DiscoveryParts {
  readonly bootstrap: envoy.config.bootstrap.v3.Bootstrap;
  readonly node: envoy.config.core.v3.Node;
  readonly planes: ControlPlanes;
  readonly stats: StatsStore;
  readonly clusters: ClusterSet;
  readonly listeners: () => ListenerSet;
}

const clusterType = 'envoy.config.cluster.v3.Cluster';
const listenerType = 'envoy.config.listener.v3.Listener';

export class Discovery {
  readonly subscriptions: SubscriptionFactory;
  /** Versions that subscriptions accepted last, by the prefix of their statistics. */
  readonly versions = new Map<string, string>();
  private readonly parts: DiscoveryParts;
  private readonly xds: XdsSubscriptions;
  private readonly running: Subscription[] = [];

  constructor(parts: DiscoveryParts) {
    this.parts = parts;
    const { bootstrap, node, planes, stats } = parts;
    this.xds = new XdsSubscriptions({
      planes,
      stats,
      node: nodeForXds(node, 'envoy', factories),
      ads: bootstrap.dynamicResources?.adsConfig,
      random: Math.random,
      onVersion: (prefix, version) => this.versions.set(prefix, version),
      readLegacy: (typeName, name, body) => readLegacyReply(typeName, name, body, bootstrap.defaultConfigSource),
    });
    this.subscriptions = this.xds;
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
        known: () => clusters.known(),
      },
      resolve,
    );
    this.start(source, clusterType, 'cluster_manager.cds.', discovery);
    return promise;
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

  stop(): void {
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
