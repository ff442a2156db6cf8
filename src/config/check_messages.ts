/** The checks that hold for every message of a configuration wherever it stands: file or discovery (control path, step 2). */
import type { envoy } from '../api/envoy_types.ts';
import { type AnyMessage, typeNameOf } from '../api/registry.ts';
import { canAskByName } from '../common/on_demand_source.ts';
import { downstreamType, upstreamType } from '../common/tls/secret_refs.ts';
import { checkConfigSource } from './check_config_source.ts';
import { checkExtension, checkFilterOrder } from './check_listeners.ts';
import { checkMirrors, checkRouteExtensions } from './check_route_extensions.ts';
import { checkRouteRules } from './check_route_rules.ts';
import { checkRoutes } from './check_routes.ts';
import { checkSupported } from './check_supported.ts';
import { checkValues } from './check_values.ts';
import { type ExtensionLookup, extensionPoints } from './extension_points.ts';
import type { Origins } from './origins.ts';
import type { Report } from './report.ts';
import { walkMessages } from './walk.ts';

type HttpConnectionManager = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager;
type TcpProxy = envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy;
type Scope = envoy.config.route.v3.ScopedRouteConfiguration;
type RouteConfiguration = envoy.config.route.v3.RouteConfiguration;

export interface MessageChecks {
  readonly extensions: ExtensionLookup;
  readonly report: Report;
  readonly origins: Origins;
  /** The clusters there are; undefined when more may come, so that a name that is not there yet is no error. */
  readonly clusters: ReadonlySet<string> | undefined;
}

/** Beyond the rules of descriptors: what is honoured, extensions, routes. */
export function checkMessages(root: AnyMessage, checks: MessageChecks): void {
  const { report, origins, extensions } = checks;
  checkSupported(root, report, origins);
  walkMessages(root, origins, (message) => {
    checkValues(message, report);
    const category = extensionPoints[message.$typeName];
    if (category !== undefined) checkExtension(message, category, extensions, report, origins);
    runExtensionChecks(message, extensions, report);
    checkRouteExtensions(message, extensions, report);
    checkRouteRules(message, report);
    switch (message.$typeName) {
      case 'envoy.config.cluster.v3.Cluster':
        checkTransportSocket(message, downstreamType, upstreamType, report);
        break;
      case 'envoy.config.listener.v3.FilterChain':
        checkTransportSocket(message, upstreamType, downstreamType, report);
        checkFilterOrder(message, 'filters', 'network', extensions, report);
        break;
      case 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager': {
        checkFilterOrder(message, 'http_filters', 'http', extensions, report);
        const { routeSpecifier } = message as unknown as HttpConnectionManager;
        if (routeSpecifier.case === 'routeConfig') checkInlineTable(routeSpecifier.value, checks);
        break;
      }
      case 'envoy.config.core.v3.ConfigSource':
        checkConfigSource(message as unknown as envoy.config.core.v3.ConfigSource, report);
        break;
      case 'envoy.config.route.v3.ScopedRouteConfiguration':
        checkScope(message as unknown as Scope, checks);
        break;
      case 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy':
        checkTcpProxy(message as unknown as TcpProxy, checks);
        break;
    }
  });
  // One that stands alone comes by discovery, where clusters may follow later unless it says otherwise.
  if (root.$typeName === 'envoy.config.route.v3.RouteConfiguration') {
    const table = root as unknown as RouteConfiguration;
    checkVirtualHostSource(table, report);
    checkRouteTable(table, { ...checks, clusters: table.validateClusters === true ? checks.clusters : undefined });
  }
}

/** TLS has a message for each side. */
function checkTransportSocket(owner: AnyMessage, wrong: string, right: string, report: Report): void {
  const { configType } = (owner['transportSocket'] ?? {}) as Partial<envoy.config.core.v3.TransportSocket>;
  if (configType?.case !== 'typedConfig' || typeNameOf(configType.value.typeUrl) !== wrong) return;
  report.errorIn(owner, 'transport_socket', `${wrong} is of no use here`, `use ${right}`);
}

function checkInlineTable(table: RouteConfiguration, checks: MessageChecks): void {
  if (table.vhds !== undefined) {
    checks.report.errorIn(table, 'vhds', 'virtual hosts are discovered for routes that come by rds only');
  }
  checkRouteTable(table, checks);
}

function checkVirtualHostSource({ vhds }: RouteConfiguration, report: Report): void {
  if (vhds === undefined || canAskByName(vhds.configSource)) return;
  report.errorIn(vhds, 'config_source', "vhds: only 'DELTA_GRPC' is supported as an api_type.");
}

function checkRouteTable(table: RouteConfiguration, { clusters, report }: MessageChecks): void {
  checkRoutes(table, clusters, report);
  checkMirrors(table, table.validateClusters === false ? undefined : clusters, report);
}

/** A scope has its routes in it, or names them. */
function checkScope(scope: Scope, checks: MessageChecks): void {
  const { routeConfiguration, routeConfigurationName } = scope;
  const { report } = checks;
  if (routeConfiguration !== undefined) checkInlineTable(routeConfiguration, { ...checks, clusters: undefined });
  else if (routeConfigurationName === '')
    report.errorIn(
      scope as unknown as AnyMessage,
      '',
      'either route_configuration or route_configuration_name must be set',
    );
}

/** Envoy starts with a tcp_proxy to a cluster that is not there and closes its connections: worth a warning. */
function checkTcpProxy(proxy: TcpProxy, { clusters, report }: MessageChecks): void {
  if (proxy.onDemand !== undefined) {
    checkOnDemand(proxy.onDemand, report);
    return;
  }
  const target = proxy.clusterSpecifier;
  const targets = target.case === 'weightedClusters' ? target.value.clusters.map((c) => c.name) : [];
  if (target.case === 'cluster') targets.push(target.value);
  for (const name of targets) {
    if (name !== '' && clusters !== undefined && !clusters.has(name)) {
      report.warnIn(
        proxy as unknown as AnyMessage,
        target.case === 'cluster' ? 'cluster' : 'weighted_clusters',
        `unknown cluster '${name}': connections will be closed`,
      );
    }
  }
}

function checkOnDemand(onDemand: NonNullable<TcpProxy['onDemand']>, report: Report): void {
  if (canAskByName(onDemand.odcdsConfig)) return;
  report.errorIn(onDemand, 'odcds_config', 'clusters on demand come over DELTA_GRPC or ads');
}

function runExtensionChecks(message: AnyMessage, extensions: ExtensionLookup, report: Report): void {
  const factory = extensions.byType(message.$typeName);
  factory?.validate?.(message, {
    error: (path, reason) => report.errorIn(message, path, reason),
    warn: (path, reason) => report.warnIn(message, path, reason),
  });
}
