/** v2's configurations of filters and access logs → v3 (control path, step 1). */
import type { SourceNode } from '../../source_tree.ts';
import type { UpgradeContext } from '../context.ts';
import { Fields, list, map, type Place } from '../edit.ts';
import { upgradeTcpProxyRoutes } from '../v1_to_v3/tcp_proxy.ts';
import { drop, rename, rewrite } from './rename.ts';
import type { Rules } from './rules.ts';

/** Whole percent, as old faults have them. */
export function percentage(percent: SourceNode, at: Place): SourceNode {
  return map({ numerator: percent, denominator: 'HUNDRED' }, at);
}

function upgradeFaultPart(fields: Fields, context: UpgradeContext): void {
  rewrite(fields, 'percent', 'percentage', context, (entry) => percentage(entry.value, entry));
}

function upgradeDelay(fields: Fields, context: UpgradeContext): void {
  upgradeFaultPart(fields, context);
  drop(fields, 'type', 'the only kind of delay there was needs no name', context);
}

/** The path of a health check, now a match like any other. */
export function pathHeader(path: SourceNode, at: Place): SourceNode {
  return list([map({ name: ':path', string_match: map({ exact: path }, path) }, path)], at);
}

/** The service that all filters used is now named by each. */
function upgradeRateLimit(fields: Fields, { rateLimitService, changes }: UpgradeContext): void {
  if (rateLimitService === undefined || fields.get('rate_limit_service') !== undefined) return;
  const entry = fields.put('rate_limit_service', rateLimitService, rateLimitService);
  changes.comment(entry, "the bootstrap's 'rate_limit_service'");
}

function upgradeTcpProxy(fields: Fields, context: UpgradeContext): void {
  const old = fields.take('deprecated_v1');
  if (old?.value.kind !== 'map') return;
  upgradeTcpProxyRoutes(fields, new Fields(old.value), context);
  context.changes.general(old, "v2 field 'deprecated_v1' was converted to what stands for it in v3");
}

const filters = 'envoy.extensions.filters';

export const filterRules: Rules = {
  [`${filters}.common.fault.v3.FaultDelay`]: upgradeDelay,
  [`${filters}.http.fault.v3.FaultAbort`]: upgradeFaultPart,
  [`${filters}.http.health_check.v3.HealthCheck`]: (fields, context) =>
    rewrite(fields, 'endpoint', 'headers', context, (entry) => pathHeader(entry.value, entry)),
  [`${filters}.http.ratelimit.v3.RateLimit`]: upgradeRateLimit,
  [`${filters}.network.ratelimit.v3.RateLimit`]: upgradeRateLimit,
  [`${filters}.network.tcp_proxy.v3.TcpProxy`]: upgradeTcpProxy,
  [`${filters}.http.lua.v3.Lua`]: () => {},
  [`${filters}.network.redis_proxy.v3.RedisProxy`]: (fields, context) => {
    const cluster = fields.take('cluster');
    if (cluster === undefined) return;
    fields.inner('prefix_routes', cluster, (routes) => {
      const entry = routes.put('catch_all_route', map({ cluster: cluster.value }, cluster), cluster);
      context.changes.converted(cluster, entry, "v2 field 'cluster'", "'prefix_routes.catch_all_route'");
    });
  },
  'envoy.config.trace.v3.ZipkinConfig': (fields, context) =>
    rename(fields, 'collector_endpoint_path', 'collector_endpoint', context),
};
