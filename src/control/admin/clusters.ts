/** GET /clusters: every cluster with its limits, every host with its counts and health. */
import { HOST } from '../../common/stats/layouts.ts';
import { addressJson } from './address_json.ts';
import type { AdminContext, BreakerThresholds, ClusterStatus, HealthFlagName, HostStatus } from './context.ts';
import { badRequest, type Endpoint, json, text } from './endpoint.ts';
import { compileRegex } from './regex_param.ts';

const textOrder = [...HOST.names].sort();
const noCounts: readonly number[] = HOST.names.map(() => 0);

export const clusters: Endpoint = {
  path: '/clusters',
  help: 'upstream cluster status',
  params: [{ name: 'filter', help: 'Regular expression (Google re2) for filtering clusters by name' }],
  handle(context, { query }) {
    let all = context.clusters();
    const filter = query.get('filter');
    if (filter !== null && filter !== '') {
      const matches = compileRegex(filter, false);
      if (typeof matches !== 'function') return badRequest(`Invalid re2 regex: ${matches.error}`);
      all = all.filter(({ name }) => matches(name));
    }
    if (query.get('format') !== 'json') return text(clusterTexts(context, all));
    return json(all.length === 0 ? {} : { cluster_statuses: all.map((cluster) => clusterJson(context, cluster)) });
  },
};

function countsOf(context: AdminContext, cluster: ClusterStatus, host: HostStatus): readonly number[] {
  return (
    context.stats.internalBlock(`cluster.${cluster.name}.host.${host.countsKey ?? host.address.text}.`) ?? noCounts
  );
}

function* clusterTexts(context: AdminContext, all: readonly ClusterStatus[]): Generator<string> {
  for (const cluster of all) {
    let lines = clusterHead(cluster);
    for (const host of cluster.hosts) {
      const start = `${cluster.name}::${host.address.text}::`;
      const counts = countsOf(context, cluster, host);
      for (const name of textOrder) lines += `${start}${name}::${counts[HOST.slot[name]]}\n`;
      for (const [name, value] of Object.entries(hostFields(host))) lines += `${start}${name}::${value}\n`;
    }
    yield lines;
  }
}

function clusterHead(cluster: ClusterStatus): string {
  const { name, outlier } = cluster;
  let lines = `${name}::observability_name::${cluster.observabilityName}\n`;
  if (outlier !== undefined) {
    lines += `${name}::outlier::success_rate_average::${outlier.successRateAverage}\n`;
    lines += `${name}::outlier::success_rate_ejection_threshold::${outlier.successRateEjectionThreshold}\n`;
    lines += `${name}::outlier::local_origin_success_rate_average::${outlier.localOriginSuccessRateAverage}\n`;
    lines += `${name}::outlier::local_origin_success_rate_ejection_threshold::${outlier.localOriginSuccessRateEjectionThreshold}\n`;
  }
  for (const priority of ['default', 'high'] as const) {
    for (const [limit, value] of Object.entries(limits(cluster.breakers[priority]))) {
      lines += `${name}::${priority}_priority::${limit}::${value}\n`;
    }
  }
  lines += `${name}::added_via_api::${cluster.addedViaApi}\n`;
  if (cluster.edsServiceName) lines += `${name}::eds_service_name::${cluster.edsServiceName}\n`;
  return lines;
}

function limits(thresholds: BreakerThresholds): Record<string, number> {
  return {
    max_connections: thresholds.maxConnections,
    max_pending_requests: thresholds.maxPendingRequests,
    max_requests: thresholds.maxRequests,
    max_retries: thresholds.maxRetries,
  };
}

function hostFields(host: HostStatus): Record<string, unknown> {
  return {
    hostname: host.hostname,
    health_flags: healthFlags(host.healthFlags),
    weight: host.weight,
    region: host.locality?.region ?? '',
    zone: host.locality?.zone ?? '',
    sub_zone: host.locality?.subZone ?? '',
    canary: host.canary,
    priority: host.priority,
    success_rate: host.successRate,
    local_origin_success_rate: host.localOriginSuccessRate,
  };
}

/** `healthy`, or each flag with a slash before it: `/failed_active_hc/failed_outlier_check`. */
function healthFlags(flags: readonly HealthFlagName[]): string {
  return flags.length === 0 ? 'healthy' : flags.map((flag) => `/${flag}`).join('');
}

function clusterJson(context: AdminContext, cluster: ClusterStatus): object {
  return {
    name: cluster.name,
    ...(cluster.addedViaApi ? { added_via_api: true } : {}),
    ...(cluster.outlier === undefined ? {} : outlierJson(cluster.outlier)),
    ...(cluster.hosts.length === 0
      ? {}
      : { host_statuses: cluster.hosts.map((host) => hostJson(context, cluster, host)) }),
    circuit_breakers: {
      thresholds: [limits(cluster.breakers.default), { priority: 'HIGH', ...limits(cluster.breakers.high) }],
    },
    observability_name: cluster.observabilityName,
    ...(cluster.edsServiceName ? { eds_service_name: cluster.edsServiceName } : {}),
  };
}

/** Rates below 0 mean that there is none. */
function outlierJson(outlier: NonNullable<ClusterStatus['outlier']>): object {
  const rate = (name: string, value: number): object => (value < 0 ? {} : { [name]: { value } });
  return {
    ...rate('success_rate_ejection_threshold', outlier.successRateEjectionThreshold),
    ...rate('local_origin_success_rate_ejection_threshold', outlier.localOriginSuccessRateEjectionThreshold),
  };
}

function hostJson(context: AdminContext, cluster: ClusterStatus, host: HostStatus): object {
  const counts = countsOf(context, cluster, host);
  const { locality } = host;
  return {
    address: addressJson(host.address),
    stats: HOST.names.map((name, index) => ({
      ...(HOST.gauges[index] ? { type: 'GAUGE' } : {}),
      ...(counts[index] === 0 ? {} : { value: `${counts[index]}` }),
      name,
    })),
    health_status: healthJson(host.healthFlags),
    ...(host.successRate < 0 ? {} : { success_rate: { value: host.successRate } }),
    weight: host.weight,
    ...(host.hostname === '' ? {} : { hostname: host.hostname }),
    ...(host.priority === 0 ? {} : { priority: host.priority }),
    ...(host.localOriginSuccessRate < 0 ? {} : { local_origin_success_rate: { value: host.localOriginSuccessRate } }),
    locality: {
      ...(locality?.region ? { region: locality.region } : {}),
      ...(locality?.zone ? { zone: locality.zone } : {}),
      ...(locality?.subZone ? { sub_zone: locality.subZone } : {}),
    },
  };
}

const healthFields = {
  failed_active_hc: 'failed_active_health_check',
  failed_outlier_check: 'failed_outlier_check',
  degraded_active_hc: 'failed_active_degraded_check',
  pending_dynamic_removal: 'pending_dynamic_removal',
  pending_active_hc: 'pending_active_hc',
  excluded_via_immediate_hc_fail: 'excluded_via_immediate_hc_fail',
  active_hc_timeout: 'active_hc_timeout',
} as const;

function healthJson(flags: readonly HealthFlagName[]): object {
  const health: Record<string, unknown> = {};
  for (const flag of Object.keys(healthFields) as (keyof typeof healthFields)[]) {
    if (flags.includes(flag)) health[healthFields[flag]] = true;
  }
  health['eds_health_status'] = edsHealth(flags);
  return health;
}

function edsHealth(flags: readonly HealthFlagName[]): string {
  if (flags.includes('failed_eds_health')) return 'UNHEALTHY';
  if (flags.includes('degraded_eds_health')) return 'DEGRADED';
  return flags.includes('eds_status_draining') ? 'DRAINING' : 'HEALTHY';
}
