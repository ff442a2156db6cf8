/** v2 listeners and filter chains → v3 (control path, step 1). */

import type { SourceNode } from '../../source_tree.ts';
import type { UpgradeContext } from '../context.ts';
import { type Fields, isTrue, itemsOf, map, textOf } from '../edit.ts';
import { become, rename } from './rename.ts';
import type { Rules } from './rules.ts';
import { tlsContext } from './tls.ts';

export const proxyProtocolType =
  'type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol';

function upgradeListener(fields: Fields, context: UpgradeContext): void {
  const old = fields.take('deprecated_v1');
  if (old?.value.kind === 'map') {
    const bind = old.value.entries.find(({ key }) => key === 'bind_to_port' || key === 'bindToPort');
    if (bind !== undefined) become(fields, bind, 'bind_to_port', bind.value, context);
  }
  takeProxyProtocol(fields, context);
}

/** The first chain with `use_proxy_proto` decided for all of them. */
function takeProxyProtocol(fields: Fields, context: UpgradeContext): void {
  const chains = fields.get('filter_chains');
  for (const chain of itemsOf(chains?.value)) {
    if (chain.kind !== 'map') continue;
    const use = chain.entries.find(({ key, value }) => key === 'use_proxy_proto' && isTrue(value));
    const present = itemsOf(fields.get('listener_filters')?.value).some(isProxyProtocol);
    if (use === undefined || present) continue;
    const filter = map(
      { name: 'envoy.filters.listener.proxy_protocol', typed_config: map({ '@type': proxyProtocolType }, use) },
      use,
    );
    const entry = fields.append('listener_filters', [filter], use);
    context.changes.converted(use, entry, "v2 field 'use_proxy_proto'", "the listener filter 'proxy_protocol'");
  }
}

function isProxyProtocol(filter: SourceNode): boolean {
  const name = filter.kind === 'map' ? filter.entries.find(({ key }) => key === 'name') : undefined;
  return textOf(name?.value)?.endsWith('proxy_protocol') === true;
}

function upgradeChain(fields: Fields, context: UpgradeContext): void {
  tlsContext(fields, 'Downstream', context);
  // What it asks for is done by the listener.
  fields.take('use_proxy_proto');
}

export const listenerRules: Rules = {
  'envoy.config.listener.v3.Listener': upgradeListener,
  'envoy.config.listener.v3.FilterChain': upgradeChain,
  'envoy.config.listener.v3.FilterChainMatch': (fields, context) => {
    rename(fields, 'sni_domains', 'server_names', context);
  },
};
