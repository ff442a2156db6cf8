/** The replies of v1's REST services → trees of v3 resources (control path, step 1). */
import type { MapEntry, MapNode, SourceNode } from '../../source_tree.ts';
import type { UpgradeContext } from '../context.ts';
import { Fields, isTrue, list, map, textOf } from '../edit.ts';
import { convertCluster } from './clusters.ts';
import { convertListener } from './listeners.ts';
import { convertRouteConfig } from './routes.ts';
import { type Section, sectionOf, sectionsOf } from './section.ts';

export type ReplyKind = 'registration' | 'clusters' | 'routes' | 'listeners';

/** What cannot be used is reported to the context. `name` is what was asked for. */
export function convertReply(kind: ReplyKind, name: string, tree: SourceNode, context: UpgradeContext): MapNode[] {
  const section = sectionOf(tree, `a reply of the v1 ${kind} service`, context);
  if (section === undefined) return [];
  switch (kind) {
    case 'registration':
      return [assignmentOf(name, section)];
    case 'routes': {
      const routes = new Fields(convertRouteConfig(section));
      routes.put('name', name, section.node);
      return [routes.done()];
    }
    default: {
      const listed = required(section, kind);
      section.done();
      const convert = kind === 'clusters' ? convertCluster : convertListener;
      return sectionsOf(listed?.value, `one of v1 ${kind}`, context).flatMap(
        (each) => convert(each.node, context) ?? [],
      );
    }
  }
}

function required(section: Section, name: string): MapEntry | undefined {
  const entry = section.take(name);
  if (entry === undefined) section.context.error(section.node, `'${name}' is missing`);
  return entry;
}

/** `{hosts: [{ip_address, port, tags: {az, canary, load_balancing_weight}}]}`; hosts of a zone stand together. */
function assignmentOf(name: string, section: Section): MapNode {
  const { context, node } = section;
  const zones = new Map<string, MapNode[]>();
  const hosts = required(section, 'hosts');
  for (const host of sectionsOf(hosts?.value, 'a v1 host', context)) {
    // Services tell more of a host than its address: their own business.
    const fields = new Fields(host.node);
    const address = fields.get('ip_address');
    const port = fields.get('port');
    if (address === undefined || port === undefined) context.error(host.node, "a host needs 'ip_address' and 'port'");
    const tagged = fields.get('tags')?.value;
    const tags = new Fields(tagged?.kind === 'map' ? tagged : map({}, host.node));
    const zone = tags.text('az') ?? '';
    const socket = map({ address: address?.value, port_value: port?.value }, host.node);
    const canary = isTrue(tags.get('canary')?.value)
      ? map({ filter_metadata: map({ 'envoy.lb': map({ canary: true }, host.node) }, host.node) }, host.node)
      : undefined;
    const made = map(
      {
        endpoint: map({ address: map({ socket_address: socket }, host.node) }, host.node),
        load_balancing_weight: weightOf(tags.get('load_balancing_weight'), context),
        metadata: canary,
      },
      host.node,
    );
    zones.set(zone, [...(zones.get(zone) ?? []), made]);
  }
  const localities = [...zones].map(([zone, members]) =>
    map({ locality: zone === '' ? undefined : map({ zone }, node), lb_endpoints: list(members, node) }, node),
  );
  return map({ cluster_name: name, endpoints: list(localities, node) }, node);
}

function weightOf(entry: MapEntry | undefined, context: UpgradeContext): SourceNode | undefined {
  const weight = Number(textOf(entry?.value));
  if (entry === undefined || (Number.isInteger(weight) && weight >= 1 && weight <= 100)) return entry?.value;
  context.error(entry.value, `load_balancing_weight must be from 1 to 100, is ${textOf(entry.value) ?? 'no number'}`);
  return undefined;
}
