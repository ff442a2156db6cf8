/** Control path, step 3: RDS: route configurations that listeners name, each fetched once and shared by all that name it. */
import type { envoy } from '../../api/envoy_types.ts';
import { type AnyMessage, encode } from '../../api/registry.ts';
import { encodeLargeMessage } from '../../common/large_messages.ts';
import { Slices } from '../../common/slices.ts';
import { defineLayout } from '../../common/stats/layout.ts';
import { resourceType, routeKey } from '../../snapshot/layout.ts';
import type { SnapshotPublisher } from '../../snapshot/publisher.ts';
import type { StatsStore } from '../../spi/stats.ts';
import { sliceTime } from '../decode.ts';
import type { DecodedResource, Rejection, Subscription, SubscriptionFactory } from '../subscription.ts';
import { validateInSlices } from './validate.ts';
import { VirtualHostDiscovery } from './virtual_hosts.ts';

type RouteConfiguration = envoy.config.route.v3.RouteConfiguration;
type ConfigSource = envoy.config.core.v3.ConfigSource;
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
  readonly statPrefix: string;
  users = 0;
  readonly ready = Promise.withResolvers<void>();
  subscription: Subscription | undefined;
  known: KnownRoutes | undefined;
  /** As it came, without the virtual hosts of VHDS. */
  table: RouteConfiguration | undefined;
  virtualHosts: VirtualHostDiscovery | undefined;

  constructor(statPrefix: string) {
    this.statPrefix = statPrefix;
  }
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
      entry = new RouteEntry(statPrefix);
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
    entry.virtualHosts?.stop();
    this.parts.publisher.remove(resourceType.routes, key);
  }

  stop(): void {
    for (const { subscription, virtualHosts } of this.entries.values()) {
      subscription?.stop();
      virtualHosts?.stop();
    }
  }

  /** A request asks for the routes of its host: whether the control plane has them now, and workers are told next. */
  requestHost(key: string, host: string): Promise<boolean> {
    const virtualHosts = this.entries.get(key)?.virtualHosts;
    if (virtualHosts === undefined) return Promise.resolve(false);
    return new Promise((resolve) => virtualHosts.request(host, resolve));
  }

  private subscribe(
    { configSource, routeConfigName }: Rds,
    key: string,
    entry: RouteEntry,
    prefix: string,
  ): Subscription {
    const { stats, subscriptions } = this.parts;
    const slots = stats.block(RDS, prefix);
    const take = async (resources: readonly DecodedResource[], version: string): Promise<Rejection[]> => {
      const mine = resources.filter(({ name }) => name === routeConfigName);
      if (mine.length === 0) {
        slots[RDS.slot.update_empty]++;
        entry.ready.resolve();
        return [];
      }
      const known = () => false;
      const { good, rejections } = await validateInSlices(mine, this.parts.clusters(), 'route configuration', known);
      if (good.length > 0) await this.take(key, entry, good[0], version, slots);
      if (entry.virtualHosts === undefined) entry.ready.resolve();
      else void entry.virtualHosts.ready.then(() => entry.ready.resolve());
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

  private async take(
    key: string,
    entry: RouteEntry,
    resource: DecodedResource,
    version: string,
    slots: Float64Array,
  ): Promise<void> {
    // Nobody names it any more.
    if (this.entries.get(key) !== entry) return;
    const message = resource.message as unknown as RouteConfiguration;
    entry.table = message;
    entry.known = { name: message.name, version: resource.version || version, updatedAt: Date.now(), message };
    slots[RDS.slot.config_reload]++;
    slots[RDS.slot.config_reload_time_ms] = Date.now();
    this.followHosts(key, entry, message);
    await this.publishInSlices(key, entry);
  }

  /** The virtual hosts of another source are others. */
  private followHosts(key: string, entry: RouteEntry, { vhds }: RouteConfiguration): void {
    const { virtualHosts: present } = entry;
    if (present !== undefined && vhds !== undefined && sameSource(present.source, vhds.configSource!)) return;
    present?.stop();
    entry.virtualHosts = undefined;
    if (vhds === undefined) return;
    entry.virtualHosts = new VirtualHostDiscovery(() => entry.table!, entry.statPrefix, {
      ...this.parts,
      onChange: () => this.publish(key, entry),
    });
  }

  private publish(key: string, entry: RouteEntry): void {
    const message = this.merged(entry);
    entry.known = { ...entry.known!, message };
    this.parts.publisher.setResource(resourceType.routes, key, message);
    this.parts.onChange();
  }

  /** The same bit by bit, for what may be large. */
  private async publishInSlices(key: string, entry: RouteEntry): Promise<void> {
    const message = this.merged(entry);
    entry.known = { ...entry.known!, message };
    const bytes = await encodeLargeMessage(message as unknown as AnyMessage, new Slices(sliceTime));
    // Meanwhile another one came, or everybody left.
    if (this.entries.get(key) !== entry || entry.known.message !== message) return;
    this.parts.publisher.setEncoded(resourceType.routes, key, bytes);
    this.parts.onChange();
  }

  private merged({ table, virtualHosts }: RouteEntry): RouteConfiguration {
    if (virtualHosts === undefined) return table!;
    return { ...table!, virtualHosts: [...table!.virtualHosts, ...virtualHosts.all()] };
  }
}

function sameSource(one: ConfigSource, other: ConfigSource): boolean {
  const type = 'envoy.config.core.v3.ConfigSource';
  return Buffer.compare(encode(type, one), encode(type, other)) === 0;
}
