/** v2's virtual hosts and routes → v3 (control path, step 1). */
import type { MapEntry, SourceNode } from '../../source_tree.ts';
import type { UpgradeContext } from '../context.ts';
import { Fields, isTrue, itemsOf, list, map, type Place, textOf } from '../edit.ts';
import { extensionOfV2 } from '../extension_names.ts';
import { regexOf } from './matchers.ts';
import { become, drop, rename, rewrite } from './rename.ts';
import type { Rules } from './rules.ts';

const corsName = 'envoy.filters.http.cors';

/** A share of requests in percent that a runtime key may change. */
function runtimePercent(percent: SourceNode | number, key: SourceNode | undefined, at: Place): SourceNode {
  const share = map({ numerator: percent, denominator: 'HUNDRED' }, at);
  return map({ default_value: share, runtime_key: key }, at);
}

function upgradeMatch(fields: Fields, context: UpgradeContext): void {
  rewrite(fields, 'regex', 'safe_regex', context, (entry) => regexOf(entry.value, entry));
  rewrite(fields, 'runtime', 'runtime_fraction', context, (entry) => {
    if (entry.value.kind !== 'map') return entry.value;
    const runtime = new Fields(entry.value);
    return runtimePercent(runtime.get('default_value')?.value ?? 0, runtime.get('runtime_key')?.value, entry);
  });
}

function upgradeRoute(fields: Fields, context: UpgradeContext): void {
  upgradePerFilter(fields, context);
  const action = fields.get('route');
  if (action?.value.kind !== 'map') return;
  // Its CORS policy is no part of the action any more.
  const inner = new Fields(action.value);
  const cors = inner.take('cors');
  if (cors === undefined) return;
  fields.replace(action, action.key, inner.done());
  putCors(fields, cors, context);
}

function upgradeVirtualHost(fields: Fields, context: UpgradeContext): void {
  upgradePerFilter(fields, context);
  const cors = fields.take('cors');
  if (cors !== undefined) putCors(fields, cors, context);
}

function putCors(fields: Fields, cors: MapEntry, context: UpgradeContext): void {
  if (cors.value.kind !== 'map') return;
  const type = map({ '@type': 'type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy' }, cors);
  const policy = { ...cors.value, entries: [...type.entries, ...cors.value.entries] };
  fields.inner('typed_per_filter_config', cors, (filters) => become(filters, cors, corsName, policy, context));
}

/** Structs by the old names of filters → typed, by today's. */
function upgradePerFilter(fields: Fields, context: UpgradeContext): void {
  const old = fields.take('per_filter_config');
  if (old?.value.kind !== 'map') return;
  fields.inner('typed_per_filter_config', old, (typed) => {
    for (const entry of (old.value as typeof fields.node).entries) {
      const known = extensionOfV2('http', entry.key);
      if (known?.routeType === undefined || entry.value.kind !== 'map') {
        context.error(entry, `'${entry.key}' takes no configuration for a route that is known here`);
        continue;
      }
      const type = map({ '@type': `type.googleapis.com/${known.routeType}` }, entry);
      const config = { ...entry.value, entries: [...type.entries, ...entry.value.entries] };
      const made = typed.put(known.name, config, entry);
      context.changes.converted(old, made, "v2 field 'per_filter_config'", "'typed_per_filter_config'");
    }
  });
}

function upgradeAction(fields: Fields, context: UpgradeContext): void {
  // Since 1.40 v3 has a field of this name, which takes operators.
  if (!(fields.text('host_rewrite') ?? '').includes('%'))
    rename(fields, 'host_rewrite', 'host_rewrite_literal', context);
  rename(fields, 'auto_host_rewrite_header', 'host_rewrite_header', context);
  rename(fields, 'request_mirror_policy', 'request_mirror_policies', context);
  const websocket = fields.take('use_websocket');
  if (websocket !== undefined && isTrue(websocket.value)) {
    const upgrade = map({ upgrade_type: 'websocket' }, websocket);
    const entry = fields.append('upgrade_configs', [upgrade], websocket);
    context.changes.converted(websocket, entry, "v2 field 'use_websocket'", "'upgrade_configs'");
  }
  drop(fields, 'websocket_config', 'WebSocket upgrades have the timeouts of their route', context);
  const redirect = fields.get('internal_redirect_action');
  if (redirect !== undefined && fields.get('internal_redirect_policy') === undefined) {
    fields.take('internal_redirect_action');
    const most = fields.take('max_internal_redirects');
    if (textOf(redirect.value)?.toUpperCase() === 'HANDLE_INTERNAL_REDIRECT') {
      const policy = map({ max_internal_redirects: most?.value }, redirect);
      become(fields, redirect, 'internal_redirect_policy', policy, context);
    }
  }
}

/** The key's value is a share of 10,000 requests, none when it is not set. */
function upgradeMirror(fields: Fields, context: UpgradeContext): void {
  rewrite(fields, 'runtime_key', 'runtime_fraction', context, (entry) => {
    const none = map({ numerator: 0, denominator: 'TEN_THOUSAND' }, entry);
    return map({ default_value: none, runtime_key: entry.value }, entry);
  });
}

/** `pattern` and `method` of a virtual cluster, of v1 as of v2, as matches of pseudo headers. */
export function virtualClusterHeaders(pattern: SourceNode, method: SourceNode | undefined, at: Place): SourceNode {
  const path = map({ name: ':path', string_match: map({ safe_regex: regexOf(pattern, pattern) }, pattern) }, pattern);
  if (method === undefined) return list([path], at);
  return list([path, map({ name: ':method', string_match: map({ exact: method }, method) }, method)], at);
}

function upgradeVirtualCluster(fields: Fields, context: UpgradeContext): void {
  const method = fields.take('method');
  rewrite(fields, 'pattern', 'headers', context, (entry) => virtualClusterHeaders(entry.value, method?.value, entry));
}

/** A CORS policy's origins and switch. */
export function upgradeCors(fields: Fields, context: UpgradeContext): void {
  for (const [name, kind] of [
    ['allow_origin', 'exact'],
    ['allow_origin_regex', 'safe_regex'],
  ] as const) {
    const entry = fields.take(name);
    if (entry === undefined) continue;
    // A lone star still stands for every origin: the filter looks for it.
    const items = itemsOf(entry.value).map((origin) =>
      map({ [kind]: kind === 'exact' ? origin : regexOf(origin, origin) }, origin),
    );
    const made = fields.append('allow_origin_string_match', items, entry);
    context.changes.converted(entry, made, `${context.version} field '${name}'`, "'allow_origin_string_match'");
  }
  rewrite(fields, 'enabled', 'filter_enabled', context, (entry) =>
    runtimePercent(isTrue(entry.value) ? 100 : 0, undefined, entry),
  );
}

const routes = 'envoy.config.route.v3';

export const routeRules: Rules = {
  [`${routes}.RouteMatch`]: upgradeMatch,
  [`${routes}.Route`]: upgradeRoute,
  [`${routes}.VirtualHost`]: upgradeVirtualHost,
  [`${routes}.WeightedCluster.ClusterWeight`]: upgradePerFilter,
  [`${routes}.RouteAction`]: upgradeAction,
  [`${routes}.RouteAction.RequestMirrorPolicy`]: upgradeMirror,
  [`${routes}.VirtualCluster`]: upgradeVirtualCluster,
  'envoy.extensions.filters.http.cors.v3.CorsPolicy': upgradeCors,
};
