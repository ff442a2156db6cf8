/** What the schema does not say of a filter whose configuration is discovered (control path, step 2). */
import type { envoy } from '../api/envoy_types.ts';
import { type AnyMessage, typeNameOf } from '../api/registry.ts';
import type { ExtensionFactory } from '../spi/extension.ts';
import type { ExtensionLookup } from './extension_points.ts';
import type { Report } from './report.ts';

/** In Envoy's words. */
export function checkConfigDiscovery(
  point: AnyMessage,
  name: string,
  source: envoy.config.core.v3.ExtensionConfigSource,
  category: ExtensionFactory['category'],
  extensions: ExtensionLookup,
  report: Report,
): void {
  const { typeUrls, defaultConfig } = source;
  const allowed = typeUrls.map(typeNameOf);
  allowed.forEach((type, i) => {
    if (extensions.byType(type)?.category === category) return;
    const reason = `no factory found for a required type URL ${type}.`;
    report.errorIn(point, `config_discovery.type_urls[${i}]`, reason);
  });
  if (defaultConfig === undefined) {
    if (!source.applyDefaultConfigWithoutWarming) return;
    const reason = `filter config ${name} applied without warming but has no default config.`;
    report.errorIn(point, 'config_discovery', reason);
    return;
  }
  const type = typeNameOf(defaultConfig.typeUrl);
  if (allowed.includes(type)) return;
  const reason = `filter config has type URL ${type} but expect ${allowed.join(', ')}.`;
  report.errorIn(point, 'config_discovery.default_config', reason);
}
