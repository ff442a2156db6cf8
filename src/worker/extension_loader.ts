/** Finds the data side of extensions by the type of their configuration, and lends workers' parts to them. */

import type { envoy } from '../api/envoy_types.ts';
import { typeNameOf, unpackAny } from '../api/registry.ts';
import { createAccessLogs } from '../common/access_log/create_access_logs.ts';
import type { LogFiles } from '../common/access_log/log_files.ts';
import type { Runtime } from '../common/runtime.ts';
import { factoryByType } from '../extensions/registry.ts';
import { compileRouteConfiguration, type RouteTable } from '../router/route_table.ts';
import type { ExtensionFactory } from '../spi/extension.ts';
import type { AccessLogger } from '../spi/format.ts';
import type { StatsStore } from '../spi/stats.ts';
import type { DrainState, ExtensionConfig, LoadedExtension, WorkerContext } from '../spi/worker_context.ts';
import type { ClusterManager } from '../upstream/cluster_manager.ts';

export interface LoaderParts {
  readonly stats: StatsStore;
  readonly clusters: ClusterManager;
  readonly files: LogFiles;
  readonly serviceCluster: string;
  readonly serviceNode: string;
  readonly drain: DrainState;
  readonly runtime: Runtime;
}

export class ExtensionLoader implements WorkerContext {
  readonly stats: StatsStore;
  readonly clusters: ClusterManager;
  readonly serviceCluster: string;
  readonly serviceNode: string;
  readonly drain: DrainState;
  readonly runtime: Runtime;
  private readonly files: LogFiles;
  private readonly loaded = new Map<string, { factory: ExtensionFactory; create: unknown }>();

  constructor(parts: LoaderParts) {
    this.stats = parts.stats;
    this.clusters = parts.clusters;
    this.files = parts.files;
    this.serviceCluster = parts.serviceCluster;
    this.serviceNode = parts.serviceNode;
    this.drain = parts.drain;
    this.runtime = parts.runtime;
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

  compileRoutes(message: envoy.config.route.v3.RouteConfiguration): RouteTable {
    return compileRouteConfiguration(message, this.runtime, this.stats);
  }

  accessLoggers(list: readonly envoy.config.accesslog.v3.AccessLog[]): AccessLogger[] {
    return createAccessLogs(list, {
      files: this.files,
      runtime: this.runtime,
      extension: (config) => this.extension(config),
    });
  }
}
