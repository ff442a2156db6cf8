/** Control path, step 3: RDS: route configurations that listeners name, each fetched once and shared by all that name it. */
import type { envoy } from '../../api/envoy_types.ts';
import { defineLayout } from '../../common/stats/layout.ts';
import { resourceType, routeKey } from '../../snapshot/layout.ts';
import type { SnapshotPublisher } from '../../snapshot/publisher.ts';
import type { StatsStore } from '../../spi/stats.ts';
import type { DecodedResource, Rejection, Subscription, SubscriptionFactory } from '../subscription.ts';
import { validateResources } from './validate.ts';

type RouteConfiguration = envoy.config.route.v3.RouteConfiguration;
type Rds = envoy.extensions.filters.network.http_connection_manager.v3.Rds;

/** `http.<stat_prefix>.rds.<name>.`, beside what every subscription counts. */
const RDS = defineLayout('rds', ['config_reload', 'update_empty'], ['config_reload_time_ms']);

export interface RouteSetParts {
  readonly publisher: SnapshotPublisher;
  readonly stats: StatsStore;
  readonly subscriptions: () => SubscriptionFactory;
  readonly clusters: () => ReadonlySet<string>;
  readonly onChange: () => void;
}

/** One route configuration in use. */
export interface KnownRoutes {
  readonly name: string;
  readonly version: string;
  readonly updatedAt: number;
  readonly message: RouteConfiguration;
}

class RouteEntry {
  users = 0;
  readonly ready = Promise.withResolvers<void>();
  subscription: Subscription | undefined;
  known: KnownRoutes | undefined;
}

export class RouteSet {
  private readonly parts: RouteSetParts;
  private readonly entries = new Map<string, RouteEntry>();

  constructor(parts: RouteSetParts) {
    this.parts = parts;
  }

  all(): readonly KnownRoutes[] {
    return [...this.entries.values()].flatMap(({ known }) => known ?? []);
  }

  /** Someone names these routes; resolves when they are there, or will not come in time. */
  async acquire(rds: Rds, statPrefix: string): Promise<void> {
    const key = routeKey(rds);
    let entry = this.entries.get(key);
    if (entry === undefined) {
      entry = new RouteEntry();
      this.entries.set(key, entry);
      entry.subscription = this.subscribe(rds, key, entry, `http.${statPrefix}.rds.${rds.routeConfigName}.`);
      entry.subscription.start(new Set([rds.routeConfigName]));
    }
    entry.users++;
    await entry.ready.promise;
  }

  /** One fewer names them. */
  release(rds: Rds): void {
    const key = routeKey(rds);
    const entry = this.entries.get(key);
    if (entry === undefined || --entry.users > 0) return;
    this.entries.delete(key);
    entry.subscription?.stop();
    this.parts.publisher.remove(resourceType.routes, key);
  }

  stop(): void {
    for (const entry of this.entries.values()) entry.subscription?.stop();
  }

  private subscribe(
    { configSource, routeConfigName }: Rds,
    key: string,
    entry: RouteEntry,
    prefix: string,
  ): Subscription {
    const { stats, subscriptions } = this.parts;
    const slots = stats.block(RDS, prefix);
    const take = (resources: readonly DecodedResource[], version: string): Rejection[] => {
      const mine = resources.filter(({ name }) => name === routeConfigName);
      if (mine.length === 0) {
        slots[RDS.slot.update_empty]++;
        entry.ready.resolve();
        return [];
      }
      const { good, rejections } = validateResources(mine, this.parts.clusters(), 'route configuration');
      if (good.length > 0) this.publish(key, entry, good[0], version, slots);
      entry.ready.resolve();
      return rejections;
    };
    return subscriptions().subscribe(configSource!, resourceType.routes, prefix, {
      onConfigUpdate: take,
      // Routes that are taken away stay in use, as in Envoy: the listener that names them goes by LDS.
      onDeltaUpdate: (added, _removed, version) => take(added, version),
      onConfigUpdateFailed: (why) => {
        if (why !== 'connection failure') entry.ready.resolve();
      },
    });
  }

  private publish(
    key: string,
    entry: RouteEntry,
    resource: DecodedResource,
    version: string,
    slots: Float64Array,
  ): void {
    const message = resource.message as unknown as RouteConfiguration;
    entry.known = { name: message.name, version: resource.version || version, updatedAt: Date.now(), message };
    slots[RDS.slot.config_reload]++;
    slots[RDS.slot.config_reload_time_ms] = Date.now();
    this.parts.publisher.setResource(resourceType.routes, key, message);
    this.parts.onChange();
  }
}
