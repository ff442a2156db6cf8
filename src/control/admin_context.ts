/** What the admin interface sees of the server, and what it may do to it. */
import { messagesIn } from '../api/any_types.ts';
import type { envoy } from '../api/envoy_types.ts';
import { breakerLimits, Priority } from '../common/breaker_limits.ts';
import { changeLevel, type LogLevel, listLevels } from '../common/log.ts';
import type { Runtime } from '../common/runtime.ts';
import { VERSION_TEXT } from '../common/version.ts';
import { resourceType } from '../snapshot/layout.ts';
import type {
  AdminContext,
  ClusterStatus,
  ConfigResource,
  ContextCertificates,
  DrainOptions,
  ListenerStatus,
  ServerState,
  UnreadyTargets,
} from './admin/context.ts';
import type { ClusterEntry } from './cluster_entry.ts';
import { healthFlagNames } from './known_hosts.ts';
import type { KnownListener } from './listener_set.ts';
import { liveAssignment } from './live_assignment.ts';
import type { RuntimeLayers } from './runtime_layers.ts';
import { loadedCertificates } from './secrets/loaded_certificates.ts';
import type { Server } from './server.ts';
import type { StatsMerge } from './stats_merge.ts';

const scopedRouteConfiguration = 'envoy.config.route.v3.ScopedRouteConfiguration';
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
    return this.server.discovery.node;
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

  certificates(): readonly ContextCertificates[] {
    return this.server.secrets.inUse().map(({ certificates, validations }) => ({
      authorities: validations.flatMap(loadedCertificates),
      chains: certificates.flatMap(loadedCertificates),
    }));
  }

  state(): ServerState {
    return this.server.state;
  }

  resources(): readonly ConfigResource[] {
    const { clusters, listeners, routes, extensionConfigs } = this.server;
    const resources: ConfigResource[] = [];
    for (const entry of clusters.all()) {
      resources.push(...clusterResources(entry, false));
    }
    for (const entry of clusters.warming()) resources.push(...clusterResources(entry, true));
    for (const listener of listeners.all()) resources.push(listenerResource(listener, false));
    for (const listener of listeners.warming()) resources.push(listenerResource(listener, true));
    for (const listener of listeners.draining()) {
      resources.push({ ...listenerResource(listener, false), draining: true });
    }
    for (const { message, updatedAt, source } of listeners.all()) {
      for (const table of messagesIn(message, routeConfiguration) as envoy.config.route.v3.RouteConfiguration[]) {
        resources.push({
          type: routeConfiguration,
          name: table.name,
          message: table,
          lastUpdated: source.dynamic ? updatedAt : this.startTime,
        });
      }
    }
    for (const { name, message, version, updatedAt } of routes.all()) {
      resources.push({ type: routeConfiguration, name, message, lastUpdated: updatedAt, version });
    }
    for (const { name, version, updatedAt, scopes } of this.server.scopes.all()) {
      const about = version === undefined ? {} : { version };
      resources.push({ type: scopedRouteConfiguration, name, message: scopes, lastUpdated: updatedAt, ...about });
    }
    for (const { updatedAt, ...config } of extensionConfigs.all()) {
      resources.push({ type: resourceType.extensionConfig, lastUpdated: updatedAt, ...config });
    }
    for (const secret of this.server.secrets.resources()) {
      resources.push({ type: resourceType.secret, lastUpdated: this.startTime, ...secret });
    }
    for (const type of [resourceType.cluster, resourceType.listener, resourceType.routes, resourceType.secret]) {
      for (const [name, { message, version, reason, at }] of this.server.discovery.failures.of(type))
        resources.push({ type, name, message, version, lastUpdated: at, refused: reason });
    }
    return resources;
  }

  latestVersion(type: string): string | undefined {
    return this.server.discovery.failures.latestVersion(type);
  }

  unready(): readonly UnreadyTargets[] {
    return this.server.listeners.unready();
  }

  clusters(): readonly ClusterStatus[] {
    return this.server.clusters.all().map((entry) => clusterStatus(entry, this.server.runtime.current));
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

function clusterResources(entry: ClusterEntry, warming: boolean): ConfigResource[] {
  const { message, source, updatedAt } = entry;
  const { name } = message;
  const version = source.dynamic ? { version: source.version } : {};
  const about = { lastUpdated: updatedAt, ...(warming ? { warming } : {}), ...version };
  const cluster = { type: resourceType.cluster, name, message, ...about };
  if (warming) return [cluster];
  return [cluster, { type: resourceType.endpoints, ...about, ...endpointsOf(entry) }];
}

/** Put together only where somebody asks for it. */
function endpointsOf(entry: ClusterEntry): Pick<ConfigResource, 'name' | 'message'> {
  const { name, edsClusterConfig } = entry.message;
  return { name: edsClusterConfig?.serviceName || name, message: () => liveAssignment(entry) };
}

function listenerResource({ name, message, source, updatedAt }: KnownListener, warming: boolean): ConfigResource {
  const version = source.dynamic ? { version: source.version } : {};
  const about = { name, lastUpdated: updatedAt, ...(warming ? { warming } : {}) };
  return { type: resourceType.listener, message, ...about, ...version };
}

function clusterStatus(entry: ClusterEntry, runtime: Runtime): ClusterStatus {
  const { message, hosts, source } = entry;
  const flags = entry.healthFlags();
  return {
    name: message.name,
    observabilityName: message.altStatName || message.name,
    addedViaApi: source.dynamic,
    edsServiceName: message.edsClusterConfig?.serviceName || undefined,
    breakers: {
      default: breakerLimits(message, Priority.Default, runtime),
      high: breakerLimits(message, Priority.High, runtime),
    },
    hosts: hosts.map((host, i) => ({
      ...host,
      healthFlags: healthFlagNames(flags[i]),
      successRate: -1,
      localOriginSuccessRate: -1,
    })),
  };
}
