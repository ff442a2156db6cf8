/** What a control plane sent, taken out of a proxy's /config_dump: resources by type, the ports of the run by name. */
import type { Json } from '../../test/support/bootstrap.ts';

/** The field of each dump that has the resource. */
const fields = ['cluster', 'listener', 'route_config', 'endpoint_config', 'secret'];

/** JSON text: `{ <type name>: [resource, …] }`. `"$HTTP"` stands for the port of that name. */
export function recorded(dump: string, ports: Readonly<Record<string, number>>): string {
  const { configs } = JSON.parse(dump) as { configs: Json[] };
  const byType: Record<string, Json[]> = {};
  for (const config of configs) {
    for (const [section, entries] of Object.entries(config)) {
      if (!section.startsWith('dynamic_') || !Array.isArray(entries)) continue;
      for (const entry of entries as Json[]) {
        const resource = resourceOf(entry);
        if (resource === undefined) continue;
        const { '@type': url, ...rest } = resource;
        const type = String(url).slice(String(url).indexOf('/') + 1);
        byType[type] ??= [];
        byType[type].push(rest);
      }
    }
  }
  let text = JSON.stringify(byType, null, 1);
  for (const [name, port] of Object.entries(ports)) {
    text = text.replaceAll(new RegExp(`"port_value": ${port}\\b`, 'g'), `"port_value": "$${name}"`);
  }
  return `${text}\n`;
}

/** Of a listener the active state has it, or the refused one. */
function resourceOf(entry: Json): Json | undefined {
  const states = [entry, entry['active_state'], entry['warming_state'], entry['error_state']] as (Json | undefined)[];
  for (const state of states) {
    for (const field of fields) {
      const found = state?.[field] as Json | undefined;
      if (found?.['@type'] !== undefined) return found;
    }
  }
  return undefined;
}
