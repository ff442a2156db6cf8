/** What the admin interface sees of the server, and what it may do to it. */
import { messagesIn } from '../api/any_types.ts';
import type { envoy } from '../api/envoy_types.ts';
import { breakerLimits, Priority } from '../common/breaker_limits.ts';
import { changeLevel, type LogLevel, listLevels } from '../common/log.ts';
import { VERSION_TEXT } from '../common/version.ts';
import { resourceType } from '../snapshot/layout.ts';
import type {
  AdminContext,
  ClusterStatus,
  ConfigResource,
  DrainOptions,
  ListenerStatus,
  ServerState,
} from './admin/context.ts';
import { healthFlagNames, type KnownCluster } from './cluster_set.ts';
import type { RuntimeLayers } from './runtime_layers.ts';
import type { Server } from './server.ts';
import type { StatsMerge } from './stats_merge.ts';

const routeConfiguration = 'envoy.config.route.v3.RouteConfiguration';

export class ServerAdminContext implements AdminContext {
  readonly versionText = VERSION_TEXT;
  private readonly server: Server;

  constructor(server: Server) {
    this.server = server;
  }

  get stats(): StatsMerge {
    return this.server.stats;
  }
  get commandLineOptions(): Readonly<Record<string, unknown>> {
    return this.server.options.commandLineOptions;
  }
  get node(): envoy.config.core.v3.Node {
    return this.server.node;
  }
  get bootstrap(): envoy.config.bootstrap.v3.Bootstrap {
    return this.server.bootstrap;
  }
  get runtime(): RuntimeLayers {
    return this.server.runtime;
  }
  get startTime(): number {
    return this.server.startTime;
  }

  state(): ServerState {
    return this.server.state;
  }

  resources(): readonly ConfigResource[] {
    const { clusters, listeners, startTime } = this.server;
    const resources: ConfigResource[] = [];
    for (const { message, assignment } of clusters.all()) {
      const { name } = message;
      resources.push({ type: resourceType.cluster, name, message, lastUpdated: startTime });
      resources.push({ type: resourceType.endpoints, name, message: assignment, lastUpdated: startTime });
    }
    for (const { name, message } of listeners.all()) {
      resources.push({ type: resourceType.listener, name, message, lastUpdated: startTime });
    }
    for (const { message } of listeners.all()) {
      for (const routes of messagesIn(message, routeConfiguration) as envoy.config.route.v3.RouteConfiguration[]) {
        resources.push({ type: routeConfiguration, name: routes.name, message: routes, lastUpdated: startTime });
      }
    }
    return resources;
  }

  clusters(): readonly ClusterStatus[] {
    return this.server.clusters.all().map(clusterStatus);
  }

  listeners(): readonly ListenerStatus[] {
    return this.server.listeners.all();
  }

  logLevels(): readonly { readonly component: string; readonly level: LogLevel }[] {
    return listLevels();
  }

  changeLogLevel(component: string | undefined, level: LogLevel): boolean {
    if (!changeLevel(component, level)) return false;
    const componentLevels = Object.fromEntries(listLevels().map((entry) => [entry.component, entry.level]));
    const log = { ...this.server.options.log, componentLevels };
    this.server.workers.broadcast({ kind: 'log_levels', log });
    return true;
  }

  failHealthChecks(fail: boolean): void {
    this.server.failHealthChecks(fail);
  }

  modifyRuntime(changes: Iterable<readonly [key: string, text: string]>): boolean {
    if (!this.server.runtime.modify(changes)) return false;
    this.server.workers.broadcast({ kind: 'runtime', values: this.server.runtime.values() });
    return true;
  }

  drainListeners(options: DrainOptions): void {
    this.server.drainListeners(options);
  }

  reopenLogs(): void {
    this.server.reopenLogs();
  }

  quit(): void {
    void this.server.close();
  }
}

function clusterStatus({ message, hosts }: KnownCluster): ClusterStatus {
  return {
    name: message.name,
    observabilityName: message.altStatName || message.name,
    addedViaApi: false,
    edsServiceName: message.edsClusterConfig?.serviceName || undefined,
    breakers: { default: breakerLimits(message, Priority.Default), high: breakerLimits(message, Priority.High) },
    hosts: hosts.map((host) => ({
      ...host,
      healthFlags: healthFlagNames(host.healthFlags),
      successRate: -1,
      localOriginSuccessRate: -1,
    })),
  };
}
