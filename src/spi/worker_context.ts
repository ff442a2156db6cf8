/** What a worker lends to the extensions it hosts. */

import type { envoy } from '../api/envoy_types.ts';
import type { DiscoveredKind } from '../common/discovered_extensions.ts';
import type { NamedWords } from '../common/named_words.ts';
import type { Runtime } from '../common/runtime.ts';
import type { ConnectionInfo } from '../common/stream_info.ts';
import type { Connection } from '../net/connection.ts';
import type { RouteTable } from '../router/route_table.ts';
import type { ScopedRouteTables } from '../router/scoped_routes.ts';
import type { ClusterManager } from '../upstream/cluster_manager.ts';
import type { ExtensionFactory } from './extension.ts';
import type { AccessLogger } from './format.ts';
import type { GrpcClient } from './grpc_client.ts';
import type { StatsStore } from './stats.ts';

type ExtensionConfigSource = envoy.config.core.v3.ExtensionConfigSource;

export interface WorkerContext {
  readonly stats: StatsStore;
  readonly clusters: ClusterManager;
  /** node.cluster of the bootstrap or `--service-cluster`. */
  readonly serviceCluster: string;
  readonly serviceNode: string;
  readonly drain: ProcessHealth;
  /** Values that change behaviour while the process runs. */
  readonly runtime: Runtime;
  /** Counts and token buckets that all workers share. */
  readonly named: NamedWords;
  /** Compiles a route configuration that lies in a filter's message. */
  compileRoutes(message: envoy.config.route.v3.RouteConfiguration): RouteTable;
  /** The routes that RDS brings under a name, now and later. */
  discoveredRoutes(rds: envoy.extensions.filters.network.http_connection_manager.v3.Rds): RouteHolder;
  /**
   * Asks for a cluster that is not there (ODCDS); false: too many are asked for. `from` is the ConfigSource, protobuf binary in
   * base64; `timeout` milliseconds. `done` comes later, once, whether there is one then or not.
   */
  requestCluster(name: string, from: string, timeout: number, done: () => void): boolean;
  /** Routes by scope: written in the message, or those that SRDS brings, now and later. */
  scopedRoutes(message: envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes): ScopedRouteTables;
  /** The configuration of a filter that ECDS brings, now and later. */
  discoveredExtension(kind: DiscoveredKind, name: string, source: ExtensionConfigSource): ExtensionHolder;
  /** Loggers for the access_log list of a filter or listener; extensions in it were loaded before. */
  accessLoggers(list: readonly envoy.config.accesslog.v3.AccessLog[]): AccessLogger[];
  /** A gRPC service to call. Throws on what configuration validation refuses. */
  grpcClient(service: envoy.config.core.v3.GrpcService): GrpcClient;
  /** The configuration of an extension: its factory's data side and its unpacked message. */
  extension(config: ExtensionConfig): LoadedExtension;
}

/** Routes that may be replaced while they are in use; undefined as long as there are none. */
export interface RouteHolder {
  readonly table: RouteTable | undefined;
  /** Asks for the routes of a host (VHDS); false: nobody can be asked. `done` comes later, once. */
  requestHost?(host: string, done: () => void): boolean;
}

/** A filter's configuration that may be replaced while it is in use; undefined as long as there is none, not even a default. */
export interface ExtensionHolder {
  readonly loaded: LoadedExtension | undefined;
}

/** The shape all extension configurations share: a label and an Any. */
export interface ExtensionConfig {
  readonly name: string;
  readonly typedConfig?: { readonly typeUrl: string; readonly value: Uint8Array };
}

export interface LoadedExtension {
  readonly factory: ExtensionFactory;
  /** The default export of the extension's data side. */
  readonly create: unknown;
  readonly message: unknown;
}

/** Whether the process is going away. */
export interface DrainState {
  /** Answers carry `connection: close`, idle connections are closed. */
  readonly draining: boolean;
}

/** The same of the process as a whole, and whether it shall be taken for unhealthy (/healthcheck/fail). */
export interface ProcessHealth extends DrainState {
  readonly healthFailed: boolean;
}

/** What a listener knows of its connections, lent to the network filter that ends a chain. */
export interface ListenerInfo {
  /** `listener.<address>.` */
  readonly statPrefix: string;
  /** The name in configuration. */
  readonly name: string;
  readonly bufferLimit: number;
  /** Whether connections of this listener should end; asked anew for each answer. */
  readonly drain: DrainState;
}

/** What a terminal network filter's `filter.ts` exports by default: from its configuration, a taker of connections. */
export type NetworkFilterFactory = (config: unknown, context: WorkerContext, listener: ListenerInfo) => ConnectionTaker;

export interface ConnectionTaker {
  /** Takes the connection over: sets its callbacks. `onGone` must be called once when it has closed. */
  accept(connection: Connection, info: ConnectionInfo, onGone: () => void): void;
  /** Begins to let connections go: idle ones now, the others after what they do. */
  drain(): void;
  /** Ends all connections at once. */
  close(): void;
}
