/** All checks of a converted bootstrap in their order (control path, step 2): rules, what is honoured, what things refer to. */
import type { envoy } from '../api/envoy_types.ts';
import type { AnyMessage } from '../api/registry.ts';
import { checkClusters } from './check_clusters.ts';
import { checkExtension, checkFilterOrder, checkListeners } from './check_listeners.ts';
import { checkMirrors, checkRouteExtensions } from './check_route_extensions.ts';
import { checkRoutes, routedClusters, routesByHeader } from './check_routes.ts';
import { checkRuntime } from './check_runtime.ts';
import { checkSupported } from './check_supported.ts';
import { checkValues } from './check_values.ts';
import { type ExtensionLookup, extensionPoints } from './extension_points.ts';
import type { Origins } from './origins.ts';
import type { Report } from './report.ts';
import { validateRules } from './validate_rules.ts';
import { walkMessages } from './walk.ts';

type HttpConnectionManager = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager;
type TcpProxy = envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy;

export function checkBootstrap(
  bootstrap: envoy.config.bootstrap.v3.Bootstrap,
  extensions: ExtensionLookup,
  report: Report,
  origins: Origins,
): void {
  const root = bootstrap as unknown as AnyMessage;
  validateRules(root, report, origins);
  checkSupported(root, report, origins);

  const clusters = bootstrap.staticResources?.clusters ?? [];
  const names = new Set(clusters.map((cluster) => cluster.name));
  const used = new Set<string>();
  walkMessages(root, origins, (message) => {
    checkValues(message, report);
    const category = extensionPoints[message.$typeName];
    if (category !== undefined) checkExtension(message, category, extensions, report, origins);
    runExtensionChecks(message, extensions, report);
    checkRouteExtensions(message, extensions, report);
    switch (message.$typeName) {
      case 'envoy.config.listener.v3.FilterChain':
        checkFilterOrder(message, 'filters', 'network', extensions, report);
        break;
      case 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager': {
        checkFilterOrder(message, 'http_filters', 'http', extensions, report);
        const { routeSpecifier } = message as unknown as HttpConnectionManager;
        if (routeSpecifier.case !== 'routeConfig') break;
        checkRoutes(routeSpecifier.value, names, report);
        checkMirrors(routeSpecifier.value, routeSpecifier.value.validateClusters === false ? undefined : names, report);
        for (const name of routesByHeader(routeSpecifier.value) ? names : routedClusters(routeSpecifier.value))
          used.add(name);
        break;
      }
      case 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy':
        checkTcpProxy(message as unknown as TcpProxy, names, used, report);
        break;
    }
  });
  if (bootstrap.layeredRuntime !== undefined) checkRuntime(bootstrap.layeredRuntime, report);
  checkListeners(bootstrap.staticResources?.listeners ?? [], report);
  checkClusters(clusters, used, report, origins);
}

/** Envoy starts with a tcp_proxy to a cluster that is not there and closes its connections: worth a warning. */
function checkTcpProxy(proxy: TcpProxy, names: ReadonlySet<string>, used: Set<string>, report: Report): void {
  const target = proxy.clusterSpecifier;
  const targets = target.case === 'weightedClusters' ? target.value.clusters.map((c) => c.name) : [];
  if (target.case === 'cluster') targets.push(target.value);
  for (const name of targets) {
    used.add(name);
    if (name !== '' && !names.has(name)) {
      report.warnIn(
        proxy as unknown as AnyMessage,
        target.case === 'cluster' ? 'cluster' : 'weighted_clusters',
        `unknown cluster '${name}': connections will be closed`,
      );
    }
  }
}

function runExtensionChecks(message: AnyMessage, extensions: ExtensionLookup, report: Report): void {
  const factory = extensions.byType(message.$typeName);
  factory?.validate?.(message, {
    error: (path, reason) => report.errorIn(message, path, reason),
    warn: (path, reason) => report.warnIn(message, path, reason),
  });
}
