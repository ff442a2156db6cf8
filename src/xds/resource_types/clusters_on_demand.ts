/** Control path, step 3: ODCDS: clusters that are asked for when a request is to go to one that is not there (the on_demand filter). */
import type { envoy } from '../../api/envoy_types.ts';
import { readSource } from '../../common/on_demand_source.ts';
import type { DecodedResource, Rejection, Subscription, SubscriptionFactory } from '../subscription.ts';
import type { ClusterTarget } from './clusters.ts';
import { validateResources } from './validate.ts';

type ConfigSource = envoy.config.core.v3.ConfigSource;
type Cluster = envoy.config.cluster.v3.Cluster;

const clusterType = 'envoy.config.cluster.v3.Cluster';
const prefix = 'cluster_manager.odcds.';

/** Clusters that may be waited for at a time: whoever makes names up shall not fill the memory. */
const mostAwaited = 1024;

export interface OnDemandParts {
  readonly subscriptions: () => SubscriptionFactory;
  readonly target: ClusterTarget;
}

/** One source of clusters, and the names it was asked for. */
interface Source {
  readonly asked: Set<string>;
  subscription: Subscription | undefined;
}

export class OnDemandClusters {
  private readonly parts: OnDemandParts;
  private readonly sources = new Map<string, Source>();
  private readonly awaited = new Map<string, (found: boolean) => void>();

  constructor(parts: OnDemandParts) {
    this.parts = parts;
  }

  stop(): void {
    for (const { subscription } of this.sources.values()) subscription?.stop();
    for (const answer of this.awaited.values()) answer(false);
  }

  /** Whether it came this way: CDS has no say in it. */
  owns(name: string): boolean {
    for (const { asked } of this.sources.values()) if (asked.has(name)) return true;
    return false;
  }

  /**
   * Resolves when the cluster serves, or its source has none, or does not say within `timeout` milliseconds. `from` is a
   * ConfigSource, protobuf binary in base64.
   */
  request(from: string, name: string, timeout: number): Promise<boolean> {
    if (this.parts.target.known().has(name) && !this.awaited.has(name)) return Promise.resolve(true);
    if (this.awaited.size >= mostAwaited) return Promise.resolve(false);
    const source = this.sourceOf(from);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const former = this.awaited.get(name);
    const timer = setTimeout(() => this.answer(source, name, false), timeout);
    this.awaited.set(name, (found) => {
      clearTimeout(timer);
      former?.(found);
      resolve(found);
    });
    if (!source.asked.has(name)) {
      source.asked.add(name);
      this.tellNames(source);
    }
    return promise;
  }

  private sourceOf(from: string): Source {
    let source = this.sources.get(from);
    if (source !== undefined) return source;
    const made: Source = { asked: new Set(), subscription: undefined };
    source = made;
    this.sources.set(from, made);
    const config = readSource(from);
    // Each name has its own time.
    const patient = { ...config, initialFetchTimeout: { seconds: 0n, nanos: 0 } } as ConfigSource;
    made.subscription = this.parts.subscriptions().subscribe(patient, clusterType, prefix, {
      onConfigUpdate: (resources, version) => this.take(made, resources, [], version),
      onDeltaUpdate: (added, removed, version) => this.take(made, added, removed, version),
      onConfigUpdateFailed: () => {},
    });
    made.subscription.start(new Set());
    return made;
  }

  private take(
    source: Source,
    added: readonly DecodedResource[],
    removed: readonly string[],
    version: string,
  ): Rejection[] {
    const { target } = this.parts;
    const known = target.known();
    const { good, rejections } = validateResources(added, new Set(known.keys()), 'cluster');
    for (const { name, message, version: own } of good) {
      const from = { dynamic: true, version: own || version } as const;
      // What the bootstrap says of a cluster holds.
      const warm =
        known.get(name)?.dynamic === false ? Promise.resolve() : target.apply(message as unknown as Cluster, from);
      void warm.then(() => this.answer(source, name, true));
    }
    for (const { resource } of rejections) this.answer(source, resource, false);
    for (const name of removed) {
      if (known.get(name)?.dynamic === true) target.remove(name);
      this.answer(source, name, false);
    }
    return rejections;
  }

  private answer(source: Source, name: string, found: boolean): void {
    const answer = this.awaited.get(name);
    this.awaited.delete(name);
    // One that is not there may come to be: the next request asks again.
    if (!found && !this.parts.target.known().has(name) && source.asked.delete(name)) this.tellNames(source);
    answer?.(found);
  }

  private tellNames({ asked, subscription }: Source): void {
    subscription?.updateNames(new Set(asked));
  }
}
