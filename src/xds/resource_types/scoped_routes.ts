/** Control path, step 3: SRDS: scopes of a connection manager, written in it or discovered, and the routes that each names. */
import { create } from '@bufbuild/protobuf';
import type { envoy } from '../../api/envoy_types.ts';
import { encode, messageType } from '../../api/registry.ts';
import { defineLayout } from '../../common/stats/layout.ts';
import { resourceType, scopedRoutesKey } from '../../snapshot/layout.ts';
import type { SnapshotPublisher } from '../../snapshot/publisher.ts';
import type { StatsStore } from '../../spi/stats.ts';
import type { DecodedResource, Rejection, Subscription, SubscriptionFactory } from '../subscription.ts';
import type { RouteSet } from './routes.ts';
import { validateResources } from './validate.ts';

type Scope = envoy.config.route.v3.ScopedRouteConfiguration;
type ScopedRoutes = envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes;
type Rds = envoy.extensions.filters.network.http_connection_manager.v3.Rds;

const scopeType = 'envoy.config.route.v3.ScopedRouteConfiguration';
const rdsType = 'envoy.extensions.filters.network.http_connection_manager.v3.Rds';

/** `http.<stat_prefix>.scoped_rds.<name>.`, beside what every subscription counts. */
const SCOPED_RDS = defineLayout(
  'scoped_rds',
  ['config_reload', 'update_empty'],
  ['active_scopes', 'all_scopes', 'config_reload_time_ms', 'on_demand_scopes'],
);

export interface ScopeSetParts {
  readonly publisher: SnapshotPublisher;
  readonly stats: StatsStore;
  readonly routes: RouteSet;
  readonly subscriptions: () => SubscriptionFactory;
  readonly clusters: () => ReadonlySet<string>;
  readonly onChange: () => void;
}

/** The scopes of one connection manager, as /config_dump shows them. */
export interface KnownScopes {
  readonly name: string;
  /** Undefined: written in the listener. */
  readonly version: string | undefined;
  readonly updatedAt: number;
  readonly scopes: readonly Scope[];
}

interface Entry {
  readonly config: ScopedRoutes;
  readonly statPrefix: string;
  users: number;
  readonly ready: PromiseWithResolvers<void>;
  subscription: Subscription | undefined;
  /** By name. */
  scopes: ReadonlyMap<string, Scope>;
  version: string | undefined;
  updatedAt: number;
}

export class ScopeSet {
  private readonly parts: ScopeSetParts;
  private readonly entries = new Map<string, Entry>();

  constructor(parts: ScopeSetParts) {
    this.parts = parts;
  }

  all(): KnownScopes[] {
    return [...this.entries.values()].map(({ config, scopes, version, updatedAt }) => ({
      name: config.name,
      version,
      updatedAt,
      scopes: [...scopes.values()],
    }));
  }

  /** A connection manager has these scopes; resolves when they and their routes are there, or will not come in time. */
  async acquire(config: ScopedRoutes, statPrefix: string): Promise<void> {
    const key = scopedRoutesKey(config);
    let entry = this.entries.get(key);
    if (entry === undefined) {
      entry = {
        config,
        statPrefix,
        users: 0,
        ready: Promise.withResolvers<void>(),
        subscription: undefined,
        scopes: new Map(),
        version: undefined,
        updatedAt: Date.now(),
      };
      this.entries.set(key, entry);
      this.begin(entry, key);
    }
    entry.users++;
    await entry.ready.promise;
  }

  release(config: ScopedRoutes): void {
    const key = scopedRoutesKey(config);
    const entry = this.entries.get(key);
    if (entry === undefined || --entry.users > 0) return;
    this.entries.delete(key);
    entry.subscription?.stop();
    for (const scope of entry.scopes.values()) this.releaseRoutes(entry, scope);
    this.parts.publisher.remove(resourceType.scopedRoutes, key);
  }

  stop(): void {
    for (const entry of this.entries.values()) entry.subscription?.stop();
  }

  private begin(entry: Entry, key: string): void {
    const { configSpecifier, name } = entry.config;
    if (configSpecifier.case === 'scopedRouteConfigurationsList') {
      const list = configSpecifier.value.scopedRouteConfigurations;
      void this.apply(entry, new Map(list.map((scope) => [scope.name, scope]))).then(() => entry.ready.resolve());
      return;
    }
    if (configSpecifier.case !== 'scopedRds') {
      entry.ready.resolve();
      return;
    }
    const prefix = `http.${entry.statPrefix}.scoped_rds.${name}.`;
    const slots = this.parts.stats.block(SCOPED_RDS, prefix);
    const take = (added: readonly DecodedResource[], kept: ReadonlyMap<string, Scope>, version: string) =>
      this.take(entry, key, slots, added, kept, version);
    const source = configSpecifier.value.scopedRdsConfigSource!;
    entry.subscription = this.parts.subscriptions().subscribe(source, scopeType, prefix, {
      onConfigUpdate: (resources, version) => take(resources, new Map(), version),
      onDeltaUpdate: (added, removed, version) => {
        const gone = new Set(removed);
        return take(added, new Map([...entry.scopes].filter(([each]) => !gone.has(each))), version);
      },
      onConfigUpdateFailed: (why) => {
        if (why !== 'connection failure') entry.ready.resolve();
      },
    });
    entry.subscription.start(undefined);
  }

  /** One scope that cannot be used refuses the update, as in Envoy. */
  private take(
    entry: Entry,
    key: string,
    slots: Float64Array,
    added: readonly DecodedResource[],
    kept: ReadonlyMap<string, Scope>,
    version: string,
  ): Rejection[] {
    const { slot } = SCOPED_RDS;
    if (added.length === 0 && kept.size === entry.scopes.size) slots[slot.update_empty]++;
    const { good, rejections } = validateResources(added, this.parts.clusters(), 'scoped route configuration');
    const next = new Map(kept);
    for (const { name, message } of good) next.set(name, message as unknown as Scope);
    rejections.push(...conflicts(next));
    if (rejections.length > 0) {
      entry.ready.resolve();
      return rejections;
    }
    entry.version = version;
    entry.updatedAt = Date.now();
    slots[slot.config_reload]++;
    slots[slot.config_reload_time_ms] = entry.updatedAt;
    slots[slot.all_scopes] = next.size;
    slots[slot.active_scopes] = next.size;
    slots[slot.on_demand_scopes] = [...next.values()].filter(({ onDemand }) => onDemand).length;
    const former = entry.scopes;
    void this.apply(entry, next).then(() => {
      entry.ready.resolve();
      if (entry.scopes !== next || this.entries.get(key) !== entry) return;
      const list = create(messageType(resourceType.scopedRoutes), {
        scopedRouteConfigurations: [...next.values()],
      } as never);
      this.parts.publisher.setResource(resourceType.scopedRoutes, key, list);
      for (const scope of former.values()) this.releaseRoutes(entry, scope);
      this.parts.onChange();
    });
    return rejections;
  }

  /** Resolves when the routes of all of them are there; those of a scope that is loaded on demand are fetched as well. */
  private async apply(entry: Entry, scopes: ReadonlyMap<string, Scope>): Promise<void> {
    entry.scopes = scopes;
    const rds = [...scopes.values()].flatMap((scope) => rdsOf(entry.config, scope) ?? []);
    await Promise.all(rds.map((each) => this.parts.routes.acquire(each, entry.statPrefix)));
  }

  private releaseRoutes({ config }: Entry, scope: Scope): void {
    const rds = rdsOf(config, scope);
    if (rds !== undefined) this.parts.routes.release(rds);
  }
}

/** Undefined when the scope has its routes in it. */
function rdsOf({ rdsConfigSource }: ScopedRoutes, scope: Scope): Rds | undefined {
  if (scope.routeConfiguration !== undefined) return undefined;
  const fields = { configSource: rdsConfigSource, routeConfigName: scope.routeConfigurationName };
  return create(messageType(rdsType), fields as never) as unknown as Rds;
}

function conflicts(scopes: ReadonlyMap<string, Scope>): Rejection[] {
  const names = new Map<string, string>();
  const found: Rejection[] = [];
  for (const { name, key } of scopes.values()) {
    const bytes = Buffer.from(encode('envoy.config.route.v3.ScopedRouteConfiguration.Key', key!)).toString('latin1');
    const other = names.get(bytes);
    if (other === undefined) names.set(bytes, name);
    else {
      const reason = `scope key conflict found, first scope is '${other}', second scope is '${name}'`;
      found.push({ resource: name, reason });
    }
  }
  return found;
}
