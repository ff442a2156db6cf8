/** v2 clusters and their health checks → v3 (control path, step 1). */
import type { SourceNode } from '../../source_tree.ts';
import type { UpgradeContext } from '../context.ts';
import { type Fields, isTrue, itemsOf, list, map, type Place, scalar, textOf } from '../edit.ts';
import { become, drop, rename, rewrite } from './rename.ts';
import type { Rules } from './rules.ts';
import { tlsContext } from './tls.ts';

/** A load assignment of plain addresses. */
export function assignmentOf(
  clusterName: SourceNode | undefined,
  addresses: readonly SourceNode[],
  at: Place,
): SourceNode {
  const endpoints = addresses.map((address) => map({ endpoint: map({ address }, address) }, address));
  return map(
    { cluster_name: clusterName ?? '', endpoints: list([map({ lb_endpoints: list(endpoints, at) }, at)], at) },
    at,
  );
}

function upgradeCluster(fields: Fields, context: UpgradeContext): void {
  rewrite(fields, 'hosts', 'load_assignment', context, (entry) =>
    assignmentOf(fields.get('name')?.value, itemsOf(entry.value), entry),
  );
  tlsContext(fields, 'Upstream', context);
  rename(fields, 'drain_connections_on_host_removal', 'ignore_health_on_host_removal', context);
  const policy = fields.get('lb_policy');
  if (policy !== undefined && textOf(policy.value)?.toUpperCase() === 'ORIGINAL_DST_LB') {
    const entry = fields.replace(policy, policy.key, scalar('CLUSTER_PROVIDED', policy.value));
    context.changes.converted(policy, entry, "v2 policy 'ORIGINAL_DST_LB'", "'CLUSTER_PROVIDED'");
  }
  const options = fields.take('extension_protocol_options');
  if (options !== undefined) {
    context.error(options, "'extension_protocol_options' has no types: write it as 'typed_extension_protocol_options'");
  }
}

/** std::hash of C++ is no promise of any library: the ring then is of another hash. */
function upgradeRing(fields: Fields, context: UpgradeContext): void {
  const entry = fields.take('deprecated_v1');
  if (entry === undefined) return;
  const made = become(fields, entry, 'hash_function', 'XX_HASH', context);
  const use = entry.value.kind === 'map' ? entry.value.entries.find(({ key }) => key === 'use_std_hash') : undefined;
  if (made !== undefined && isTrue(use?.value))
    context.changes.dropped(use!, 'std::hash is not reproduced, xxHash is used');
}

function upgradeHealthCheck(fields: Fields, context: UpgradeContext): void {
  const http = fields.get('http_health_check');
  if (http?.value.kind === 'map') fields.inner(http.key, http, (inner) => upgradeHttpCheck(inner, context));
  const redis = fields.take('redis_health_check');
  if (redis !== undefined) become(fields, redis, 'custom_health_check', redisCheck(redis.value, redis), context);
}

/** A check of Redis with the fields v2 gave it in place. */
export function redisCheck(settings: SourceNode, at: Place): SourceNode {
  const type = map({ '@type': 'type.googleapis.com/envoy.extensions.health_checkers.redis.v3.Redis' }, at);
  const own = settings.kind === 'map' ? settings.entries : [];
  const typed = { ...type, entries: [...type.entries, ...own] };
  return map({ name: 'envoy.health_checkers.redis', typed_config: typed }, at);
}

function upgradeHttpCheck(fields: Fields, context: UpgradeContext): void {
  rewrite(fields, 'service_name', 'service_name_matcher', context, (entry) => map({ prefix: entry.value }, entry));
  const http2 = fields.take('use_http2');
  if (http2 !== undefined && isTrue(http2.value)) become(fields, http2, 'codec_client_type', 'HTTP2', context);
}

export const clusterRules: Rules = {
  'envoy.config.cluster.v3.Cluster': upgradeCluster,
  'envoy.config.cluster.v3.Cluster.RingHashLbConfig': upgradeRing,
  'envoy.config.core.v3.HealthCheck': upgradeHealthCheck,
  'envoy.config.endpoint.v3.ClusterLoadAssignment.Policy': (fields, context) => {
    drop(fields, 'disable_overprovisioning', 'it was removed with v3', context);
  },
};
