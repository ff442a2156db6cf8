/** Finds the data side of extensions by the type of their configuration, and lends workers' parts to them. */

import type { envoy } from '../api/envoy_types.ts';
import { typeNameOf, unpackAny } from '../api/registry.ts';
import { createAccessLogs } from '../common/access_log/create_access_logs.ts';
import type { LogFiles } from '../common/access_log/log_files.ts';
import { type DiscoveredKind, extensionKey } from '../common/discovered_extensions.ts';
import type { NamedWords } from '../common/named_words.ts';
import type { Runtime } from '../common/runtime.ts';
import { downstreamType, upstreamType } from '../common/tls/secret_refs.ts';
import { factoryByType } from '../extensions/registry.ts';
import { ClusterGrpcClient } from '../grpc/grpc_client.ts';
import type { TlsConnector } from '../net/connect.ts';
import type { TlsStarter } from '../net/tls_starter.ts';
import { compileRouteConfiguration, type RouteTable } from '../router/route_table.ts';
import { ScopedRouteTables } from '../router/scoped_routes.ts';
import { routeKey, scopedRoutesKey } from '../snapshot/layout.ts';
import type { ExtensionFactory } from '../spi/extension.ts';
import type { AccessLogger } from '../spi/format.ts';
import type { GrpcClient } from '../spi/grpc_client.ts';
import type { StatsStore } from '../spi/stats.ts';
import type {
  DownstreamTransportFactory,
  SecretSource,
  Transport,
  UpstreamTransportFactory,
} from '../spi/transport_socket.ts';
import type {
  ExtensionConfig,
  ExtensionHolder,
  LoadedExtension,
  ProcessHealth,
  RouteHolder,
  WorkerContext,
} from '../spi/worker_context.ts';
import type { ClusterManager } from '../upstream/cluster_manager.ts';
import { DiscoveredHolder } from './discovered_holder.ts';
import type { OnDemandRequests } from './on_demand_requests.ts';

export interface LoaderParts {
  /** Number of this worker. */
  readonly worker: number;
  readonly secrets: SecretSource;
  readonly stats: StatsStore;
  readonly clusters: ClusterManager;
  readonly files: LogFiles;
  readonly serviceCluster: string;
  readonly serviceNode: string;
  readonly drain: ProcessHealth;
  readonly runtime: Runtime;
  readonly named: NamedWords;
  readonly onDemand: OnDemandRequests;
}

type ExtensionConfigSource = envoy.config.core.v3.ExtensionConfigSource;
type TransportSocketConfig = envoy.config.core.v3.TransportSocket;

type Rds = envoy.extensions.filters.network.http_connection_manager.v3.Rds;
type ScopedRoutes = envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes;
type ScopeList = envoy.extensions.filters.network.http_connection_manager.v3.ScopedRouteConfigurationsList;

interface SharedScopes {
  list: ScopeList | undefined;
  /** Connection managers come and go with their listeners. */
  users: { readonly tables: WeakRef<ScopedRouteTables>; readonly message: ScopedRoutes }[];
}

/** Discovered routes, for all that name them. */
class SharedRoutes implements RouteHolder {
  table: RouteTable | undefined;
  private readonly key: string;
  private readonly onDemand: OnDemandRequests;

  constructor(key: string, onDemand: OnDemandRequests) {
    this.key = key;
    this.onDemand = onDemand;
  }

  requestHost(host: string, done: () => void): boolean {
    if (this.table?.discoversHosts !== true) return false;
    return this.onDemand.request({ what: 'host', from: this.key, name: host, timeout: 0 }, done);
  }
}

export class ExtensionLoader implements WorkerContext {
  readonly stats: StatsStore;
  readonly clusters: ClusterManager;
  readonly serviceCluster: string;
  readonly serviceNode: string;
  readonly drain: ProcessHealth;
  readonly runtime: Runtime;
  readonly named: NamedWords;
  private readonly worker: number;
  private readonly secrets: SecretSource;
  private readonly files: LogFiles;
  /** By `routeKey`. */
  private readonly routes = new Map<string, SharedRoutes>();
  private readonly onDemand: OnDemandRequests;
  /** By `scopedRoutesKey`: what SRDS has brought, and who looks at it. */
  private readonly scopes = new Map<string, SharedScopes>();
  /** What ECDS has brought, by `extensionKey`. */
  private readonly extensions = new Map<string, { loaded: LoadedExtension | undefined }>();
  private readonly loaded = new Map<string, { factory: ExtensionFactory; create: unknown }>();

  constructor(parts: LoaderParts) {
    this.worker = parts.worker;
    this.secrets = parts.secrets;
    this.stats = parts.stats;
    this.clusters = parts.clusters;
    this.files = parts.files;
    this.serviceCluster = parts.serviceCluster;
    this.serviceNode = parts.serviceNode;
    this.drain = parts.drain;
    this.runtime = parts.runtime;
    this.named = parts.named;
    this.onDemand = parts.onDemand;
  }

  /** Brings in the code of every extension in these messages; afterwards `extension()` answers at once. */
  async load(names: Iterable<string>): Promise<void> {
    for (const name of names) {
      const factory = factoryByType(name);
      if (factory === undefined || this.loaded.has(name)) continue;
      this.loaded.set(name, { factory, create: (await factory.load()).default });
    }
  }

  extension(config: ExtensionConfig): LoadedExtension {
    const { typedConfig } = config;
    const type = typedConfig === undefined ? '' : typeNameOf(typedConfig.typeUrl);
    const found = this.loaded.get(type);
    if (found === undefined || typedConfig === undefined)
      throw new Error(`extension ${config.name} (${type}) is not loaded`);
    return { ...found, message: unpackAny(typedConfig as never) };
  }

  /** How connections of clients are secured; undefined: not at all. `scope` is `listener.<address>.` */
  downstreamTransport(config: TransportSocketConfig, scope: string): Transport<TlsStarter> | undefined {
    const create = this.transport(config, downstreamType);
    return create === undefined ? undefined : (create.make as DownstreamTransportFactory)(...create.with(scope));
  }

  /** How connections to hosts are secured; undefined: not at all. `scope` is `cluster.<name>.` */
  upstreamTransport(config: TransportSocketConfig, scope: string): Transport<TlsConnector> | undefined {
    const create = this.transport(config, upstreamType);
    return create === undefined ? undefined : (create.make as UpstreamTransportFactory)(...create.with(scope));
  }

  private transport(config: TransportSocketConfig, type: string) {
    const { name, configType } = config;
    const typedConfig = configType.case === 'typedConfig' ? configType.value : undefined;
    // raw_buffer is how connections are anyway.
    if (typedConfig === undefined || typeNameOf(typedConfig.typeUrl) !== type) return undefined;
    const { create, message } = this.extension({ name, typedConfig });
    const { stats, secrets, files, worker } = this;
    return {
      make: create,
      with: (scope: string) => [message, { stats, scope, secrets, files, worker }] as const,
    };
  }

  compileRoutes(message: envoy.config.route.v3.RouteConfiguration): RouteTable {
    return compileRouteConfiguration(message, this.runtime, this.stats);
  }

  discoveredRoutes(rds: envoy.extensions.filters.network.http_connection_manager.v3.Rds): RouteHolder {
    return this.holderOf(routeKey(rds));
  }

  /** New routes under a key, or none any more; whoever holds them sees it with the next request. */
  setRoutes(key: string, table: RouteTable | undefined): void {
    this.holderOf(key).table = table;
    if (table === undefined) this.routes.delete(key);
  }

  requestCluster(name: string, from: string, timeout: number, done: () => void): boolean {
    return this.onDemand.request({ what: 'cluster', from, name, timeout }, done);
  }

  scopedRoutes(message: ScopedRoutes): ScopedRouteTables {
    const { configSpecifier, scopeKeyBuilder } = message;
    const tables = new ScopedRouteTables(scopeKeyBuilder);
    if (configSpecifier.case === 'scopedRouteConfigurationsList')
      this.fillScopes(tables, message, configSpecifier.value);
    else {
      const key = scopedRoutesKey(message);
      const shared = this.scopes.get(key) ?? { list: undefined, users: [] };
      this.scopes.set(key, shared);
      shared.users.push({ tables: new WeakRef(tables), message });
      if (shared.list !== undefined) this.fillScopes(tables, message, shared.list);
    }
    return tables;
  }

  /** New scopes under a key, or none any more; what inline routes need has been loaded. */
  setScopes(key: string, list: ScopeList | undefined): void {
    const shared = this.scopes.get(key) ?? { list: undefined, users: [] };
    shared.list = list;
    shared.users = shared.users.filter(({ tables }) => tables.deref() !== undefined);
    if (list === undefined) this.scopes.delete(key);
    else this.scopes.set(key, shared);
    // Listeners that drain keep what they have.
    if (list === undefined) return;
    for (const { tables, message } of shared.users) {
      const live = tables.deref();
      if (live !== undefined) this.fillScopes(live, message, list);
    }
  }

  private fillScopes(tables: ScopedRouteTables, { rdsConfigSource }: ScopedRoutes, list: ScopeList): void {
    tables.setScopes(list.scopedRouteConfigurations, ({ routeConfiguration, routeConfigurationName }) => {
      if (routeConfiguration !== undefined) return { table: this.compileRoutes(routeConfiguration) };
      const rds = { configSource: rdsConfigSource, routeConfigName: routeConfigurationName };
      return this.holderOf(routeKey(rds as Rds));
    });
  }

  discoveredExtension(kind: DiscoveredKind, name: string, source: ExtensionConfigSource): ExtensionHolder {
    return new DiscoveredHolder(this.shareOf(extensionKey(kind, name, source)), source, this);
  }

  /** A configuration of a filter under a key, its code loaded; new streams and connections begin with it. */
  setExtension(key: string, { name, typedConfig }: envoy.config.core.v3.TypedExtensionConfig): void {
    this.shareOf(key).loaded = typedConfig === undefined ? undefined : this.extension({ name, typedConfig });
  }

  /** Nobody new asks for it; listeners that drain keep what they have. */
  dropExtension(key: string): void {
    this.extensions.delete(key);
  }

  private shareOf(key: string): { loaded: LoadedExtension | undefined } {
    let share = this.extensions.get(key);
    if (share === undefined) {
      share = { loaded: undefined };
      this.extensions.set(key, share);
    }
    return share;
  }

  private holderOf(key: string): SharedRoutes {
    let holder = this.routes.get(key);
    if (holder === undefined) {
      holder = new SharedRoutes(key, this.onDemand);
      this.routes.set(key, holder);
    }
    return holder;
  }

  grpcClient(service: envoy.config.core.v3.GrpcService): GrpcClient {
    return new ClusterGrpcClient(service, this.clusters, this.stats);
  }

  accessLoggers(list: readonly envoy.config.accesslog.v3.AccessLog[]): AccessLogger[] {
    return createAccessLogs(list, {
      files: this.files,
      runtime: this.runtime,
      extension: (config) => this.extension(config),
    });
  }
}
