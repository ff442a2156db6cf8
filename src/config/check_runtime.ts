/** What rules cannot check of the runtime's layers (control path, step 2). */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { JsonObject } from '@bufbuild/protobuf';
import type { envoy } from '../api/envoy_types.ts';
import type { Report } from './report.ts';

export function checkRuntime(runtime: envoy.config.bootstrap.v3.LayeredRuntime, report: Report): void {
  const names = new Set<string>();
  let admins = 0;
  runtime.layers.forEach((layer, i) => {
    const { name, layerSpecifier: specifier } = layer;
    if (names.has(name) && name !== '') report.errorIn(layer, 'name', `Duplicate layer name: ${name}`);
    names.add(name);
    if (specifier.case === 'adminLayer' && ++admins === 2) {
      const reason = 'Too many admin layers specified in LayeredRuntime, at most one may be specified';
      report.errorIn(runtime, `layers[${i}]`, reason);
    }
    if (specifier.case === 'rtdsLayer' && specifier.value.rtdsConfig === undefined) {
      report.errorIn(layer, 'rtds_layer', "'rtds_config' is required");
    }
    if (specifier.case === 'diskLayer' && !existsSync(path.dirname(specifier.value.symlinkRoot))) {
      const reason = 'the folder this link belongs in does not exist: the layer stays empty, and Envoy would not start';
      report.warnIn(layer, 'disk_layer.symlink_root', reason);
    }
    if (specifier.case === 'staticLayer') {
      for (const key of badKeys(specifier.value)) {
        report.errorIn(layer, 'static_layer', `Invalid runtime entry value for ${key}`, 'lists and null are no values');
      }
    }
  });
}

/** Keys whose values no reader of the runtime understands. */
function badKeys(struct: JsonObject): string[] {
  return Object.entries(struct).flatMap(([key, value]) => {
    if (value === null || Array.isArray(value)) return [key];
    return typeof value === 'object' ? badKeys(value) : [];
  });
}
