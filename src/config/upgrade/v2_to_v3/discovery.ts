/** v2's sources of discovered resources → v3 (control path, step 1). */
import type { UpgradeContext } from '../context.ts';
import { type Fields, itemsOf, list, map, textOf } from '../edit.ts';
import { become } from './rename.ts';
import type { Rules } from './rules.ts';

function upgradeApiSource(fields: Fields, context: UpgradeContext): void {
  const type = fields.get('api_type');
  const name = textOf(type?.value)?.toUpperCase();
  if (type !== undefined && name === 'REST_LEGACY') {
    const entry = fields.replace(type, type.key, 'DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE');
    context.changes.converted(
      type,
      entry,
      "v2 value 'REST_LEGACY'",
      "its v3 name, which stands for v1's REST services",
    );
  }
  const versioned = ['GRPC', 'DELTA_GRPC', 'REST'].includes(name ?? '');
  if (context.speaksV2 && versioned && fields.get('transport_api_version') === undefined) {
    const entry = fields.put('transport_api_version', 'V2', type!);
    context.changes.converted(type!, entry, "v2's default of 'transport_api_version'", "'V2'");
  }
  const names = fields.get('cluster_names');
  if ((name !== 'GRPC' && name !== 'DELTA_GRPC') || names === undefined || fields.get('grpc_services') !== undefined)
    return;
  fields.take('cluster_names');
  const services = itemsOf(names.value).map((cluster) =>
    map({ envoy_grpc: map({ cluster_name: cluster }, cluster) }, cluster),
  );
  become(fields, names, 'grpc_services', list(services, names), context);
}

export const discoveryRules: Rules = {
  'envoy.config.core.v3.ApiConfigSource': upgradeApiSource,
};
