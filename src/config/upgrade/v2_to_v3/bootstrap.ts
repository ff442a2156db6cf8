/** What v2's bootstrap said once for all → where v3 has it (control path, step 1). */
import type { MapEntry, MapNode, SourceNode } from '../../source_tree.ts';
import type { UpgradeContext } from '../context.ts';
import { Fields, list, map, type Place } from '../edit.ts';
import { extensionRules } from './extensions.ts';
import { become, drop } from './rename.ts';
import type { Rules } from './rules.ts';

function upgradeBootstrap(fields: Fields, context: UpgradeContext): void {
  takeRateLimitService(fields, context);
  takeTracing(fields, context);
  const runtime = fields.take('runtime');
  if (runtime?.value.kind === 'map') {
    become(fields, runtime, 'layered_runtime', layeredRuntime(new Fields(runtime.value), runtime), context);
  }
}

function takeRateLimitService(fields: Fields, context: UpgradeContext): void {
  const entry = fields.take('rate_limit_service');
  if (entry?.value.kind !== 'map') return;
  const service = new Fields(entry.value);
  drop(service, 'use_data_plane_proto', 'it is the only protocol now', context);
  // The oldest form named a cluster alone.
  const cluster = service.take('cluster_name');
  if (cluster !== undefined) service.put('grpc_service', grpcService(cluster.value, cluster), cluster);
  service.put('transport_api_version', 'V3', entry);
  context.rateLimitService = service.done();
  context.changes.general(entry, "v2 field 'rate_limit_service' of the bootstrap was converted to that of each filter");
}

export function grpcService(cluster: SourceNode, at: Place): MapNode {
  return map({ envoy_grpc: map({ cluster_name: cluster }, at) }, at);
}

/** Its own place in the bootstrap is deprecated; managers that trace name their provider. */
function takeTracing(fields: Fields, context: UpgradeContext): void {
  const entry = fields.take('tracing');
  const http = entry?.value.kind === 'map' ? new Fields(entry.value).get('http') : undefined;
  if (http?.value.kind !== 'map') return;
  const provider = new Fields(http.value);
  extensionRules['envoy.config.trace.v3.Tracing.Http'](provider, context);
  context.tracingProvider = provider.done();
  context.changes.general(
    entry!,
    "field 'tracing' of the bootstrap was converted to the provider of each connection manager that traces",
  );
}

/** The three layers that older files had without naming them, and the admin's. */
export function layeredRuntime(runtime: Fields, at: MapEntry): MapNode {
  const root = runtime.get('symlink_root')?.value;
  const layers: SourceNode[] = [];
  const base = runtime.get('base');
  if (base !== undefined) layers.push(map({ name: 'base', static_layer: base.value }, base));
  const disk = (name: string, field: string, append?: boolean): void => {
    const folder = runtime.get(field);
    if (root === undefined || (folder === undefined && append)) return;
    const layer = map(
      { symlink_root: root, subdirectory: folder?.value, append_service_cluster: append },
      folder ?? at,
    );
    layers.push(map({ name, disk_layer: layer }, folder ?? at));
  };
  disk('root', 'subdirectory');
  disk('override', 'override_subdirectory', true);
  layers.push(map({ name: 'admin', admin_layer: map({}, at) }, at));
  return map({ layers: list(layers, at) }, at);
}

export const bootstrapRules: Rules = {
  'envoy.config.bootstrap.v3.Bootstrap': upgradeBootstrap,
  'envoy.config.core.v3.Node': (fields, context) => {
    drop(fields, 'build_version', 'the proxy tells its own', context);
  },
};
