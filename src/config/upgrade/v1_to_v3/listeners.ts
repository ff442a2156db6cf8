/** v1's listeners → v3 (control path, step 1). */
import type { MapNode, SourceNode } from '../../source_tree.ts';
import type { UpgradeContext } from '../context.ts';
import { Fields, isTrue, list, map, textOf } from '../edit.ts';
import { extensionOfV1, extensionOfV2, type KnownExtension } from '../extension_names.ts';
import { proxyProtocolType } from '../v2_to_v3/listeners.ts';
import { addressOf } from './addresses.ts';
import { convertV1Filter } from './filters.ts';
import { sectionOf, sectionsOf } from './section.ts';
import { tlsSocketOf } from './tls.ts';

/** Undefined (and reported) when it is no map. */
export function convertListener(node: SourceNode, context: UpgradeContext): MapNode | undefined {
  const section = sectionOf(node, 'a v1 listener', context);
  if (section === undefined) return undefined;
  context.trafficDirection = undefined;
  section.fields('name');
  section.field('address', 'address', (value) => addressOf(value, context));
  const chain = new Fields(map({}, node));
  const filters = section.take('filters');
  const converted = sectionsOf(filters?.value, 'a v1 filter', context).flatMap((filter) => {
    const type = filter.take('type');
    if (type !== undefined && !['read', 'write', 'both'].includes(textOf(type.value) ?? '')) {
      context.error(type.value, 'the type of a filter is read, write or both');
    }
    return convertFilter(filter, 'network') ?? [];
  });
  chain.put('filters', list(converted, filters ?? node), filters ?? node);
  const ssl = section.take('ssl_context');
  const socket = ssl && tlsSocketOf(ssl, 'Downstream', context);
  if (socket !== undefined) context.changes.comment(chain.put('transport_socket', socket, ssl!), "v1 'ssl_context'");
  const listenerFilters: SourceNode[] = [];
  const proxyProtocol = section.take('use_proxy_proto');
  if (proxyProtocol !== undefined && isTrue(proxyProtocol.value)) {
    listenerFilters.push(listenerFilter('proxy_protocol', proxyProtocolType, proxyProtocol.value));
  }
  const original = section.take('use_original_dst');
  if (original !== undefined) {
    section.put('use_original_dst', original.value, original);
    const type = 'type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst';
    if (isTrue(original.value)) listenerFilters.push(listenerFilter('original_dst', type, original.value));
  }
  if (listenerFilters.length > 0)
    section.out.put('listener_filters', list(listenerFilters, node), proxyProtocol ?? original!);
  section.out.put('filter_chains', list([chain.done()], filters ?? node), filters ?? node);
  section.fields('bind_to_port', 'per_connection_buffer_limit_bytes');
  section.field('drain_type', 'drain_type', (value) => (textOf(value) ?? '').toUpperCase());
  const direction = context.trafficDirection as UpgradeContext['trafficDirection'];
  if (direction !== undefined) section.put('traffic_direction', direction.value, direction.from);
  return section.done();
}

function listenerFilter(name: string, type: string, at: SourceNode): MapNode {
  return map({ name: `envoy.filters.listener.${name}`, typed_config: map({ '@type': type }, at) }, at);
}

/** `{name, config}` of a network or an HTTP filter. Undefined (and reported) when nothing is known of it. */
export function convertFilter(
  filter: NonNullable<ReturnType<typeof sectionOf>>,
  category: 'network' | 'http',
): MapNode | undefined {
  const { context } = filter;
  const name = filter.take('name');
  const config = filter.take('config');
  if (name === undefined) {
    context.error(filter.node, "a filter needs a 'name'");
    return undefined;
  }
  const text = textOf(name.value) ?? '';
  const known: KnownExtension | undefined = extensionOfV1(category, text) ?? extensionOfV2(category, text);
  if (known === undefined || known.type === '') {
    context.error(name.value, known === undefined ? `unknown v1 filter '${text}'` : `${text} is gone from Envoy`);
    return undefined;
  }
  filter.put('name', known.name, name);
  const own = config === undefined ? [] : configEntries(config.value, category, known, context);
  const type = map({ '@type': `type.googleapis.com/${known.type}` }, config ?? name);
  filter.out.put('typed_config', { ...type, entries: [...type.entries, ...own] }, config ?? name);
  return filter.done();
}

function configEntries(
  config: SourceNode,
  category: 'network' | 'http',
  known: KnownExtension,
  context: UpgradeContext,
): MapNode['entries'] {
  const section = sectionOf(config, `a v1 configuration of ${known.name}`, context);
  return section === undefined ? [] : convertV1Filter(category, known.name, section.node, context).entries;
}
