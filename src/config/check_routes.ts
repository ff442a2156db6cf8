/** What descriptors and rules cannot say of routes (control path, step 2): clusters, domains and their messages as Envoy has them. */
import type { envoy } from '../api/envoy_types.ts';
import type { Report } from './report.ts';
import { didYouMean } from './suggest.ts';

type RouteConfiguration = envoy.config.route.v3.RouteConfiguration;
type Route = envoy.config.route.v3.Route;
type RouteAction = envoy.config.route.v3.RouteAction;

/** Its clusters must exist, unless validate_clusters is false or they may still come (`clusters` undefined). */
export function checkRoutes(
  config: RouteConfiguration,
  clusters: ReadonlySet<string> | undefined,
  report: Report,
): void {
  checkDomains(config, report);
  for (const host of config.virtualHosts) {
    for (const route of host.routes) {
      if (route.action.case !== 'route') continue;
      checkAction(route, route.action.value, report);
      if (clusters !== undefined && config.validateClusters !== false)
        checkTargets(route, route.action.value, clusters, report);
    }
  }
}

/** Over all virtual hosts. */
export function checkDomains(config: RouteConfiguration, report: Report): void {
  const seen = new Set<string>();
  for (const host of config.virtualHosts) {
    host.domains.forEach((domain, i) => {
      const name = domain.toLowerCase();
      if (seen.has(name)) {
        const reason =
          name === '*'
            ? `Only a single wildcard domain is permitted in route ${config.name}`
            : `Only unique values for domains are permitted. Duplicate entry of domain ${name} in route ${config.name}`;
        report.errorIn(host, `domains[${i}]`, reason);
      }
      seen.add(name);
    });
  }
}

function checkTargets(route: Route, action: RouteAction, clusters: ReadonlySet<string>, report: Report): void {
  const target = action.clusterSpecifier;
  if (target.case === 'cluster' && target.value !== '' && !clusters.has(target.value)) {
    report.errorIn(
      route,
      'route.cluster',
      `route: unknown cluster '${target.value}'`,
      didYouMean(target.value, clusters),
    );
  }
  if (target.case !== 'weightedClusters') return;
  target.value.clusters.forEach(({ name }, i) => {
    if (name === '' || clusters.has(name)) return;
    const path = `route.weighted_clusters.clusters[${i}].name`;
    report.errorIn(route, path, `route: unknown weighted cluster '${name}'`, didYouMean(name, clusters));
  });
}

function checkAction(route: Route, action: RouteAction, report: Report): void {
  const { prefixRewrite, regexRewrite, pathRewritePolicy, pathRewrite } = action;
  const rewrites = [prefixRewrite || undefined, regexRewrite, pathRewritePolicy, pathRewrite || undefined];
  if (rewrites.filter((rewrite) => rewrite !== undefined).length > 1) {
    report.errorIn(route, 'route', 'Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy');
  }
  const backOff = action.retryPolicy?.retryBackOff;
  if (backOff?.baseInterval !== undefined && backOff.maxInterval !== undefined) {
    if (nanoseconds(backOff.maxInterval) < nanoseconds(backOff.baseInterval)) {
      const reason = 'retry_policy.max_interval must greater than or equal to the base_interval';
      report.errorIn(route, 'route.retry_policy.retry_back_off.max_interval', reason);
    }
  }
  if (action.clusterSpecifier.case !== 'weightedClusters') return;
  const weights = action.clusterSpecifier.value.clusters.map((cluster) => cluster.weight ?? 0);
  if (weights.reduce((sum, weight) => sum + weight, 0) === 0) {
    report.errorIn(route, 'route.weighted_clusters', 'Sum of weights in the weighted_cluster must be greater than 0.');
  }
}

function nanoseconds(duration: { seconds: bigint; nanos: number }): bigint {
  return duration.seconds * 1_000_000_000n + BigInt(duration.nanos);
}
