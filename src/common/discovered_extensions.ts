/** Which filters of a listener have their configuration discovered (ECDS), and under what key it is shared (both threads). */
import { messagesIn } from '../api/any_types.ts';
import type { envoy } from '../api/envoy_types.ts';
import { encode } from '../api/registry.ts';
import type { ExtensionCategory } from '../spi/extension.ts';

type ExtensionConfigSource = envoy.config.core.v3.ExtensionConfigSource;

/** As Envoy names them in statistics. */
export type DiscoveredKind = 'http_filter' | 'network_filter' | 'tcp_listener_filter';

export interface DiscoveredExtension {
  readonly kind: DiscoveredKind;
  readonly name: string;
  readonly source: ExtensionConfigSource;
  /** Of its chain: only there a terminal filter may stand, and must. Undefined: there is no such rule. */
  readonly last: boolean | undefined;
}

export const categoryOf: Readonly<Record<DiscoveredKind, ExtensionCategory>> = {
  http_filter: 'envoy.filters.http',
  network_filter: 'envoy.filters.network',
  tcp_listener_filter: 'envoy.filters.listener',
};

interface Filter {
  readonly name: string;
  readonly configType: { readonly case: string | undefined; readonly value?: unknown };
}

const manager = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

export function discoveredExtensions(listener: envoy.config.listener.v3.Listener): DiscoveredExtension[] {
  const found: DiscoveredExtension[] = [];
  const add = (kind: DiscoveredKind, filters: readonly Filter[]) =>
    filters.forEach(({ name, configType }, i) => {
      if (configType.case !== 'configDiscovery') return;
      const last = kind === 'tcp_listener_filter' ? undefined : i === filters.length - 1;
      found.push({ kind, name, source: configType.value as ExtensionConfigSource, last });
    });
  add('tcp_listener_filter', listener.listenerFilters);
  for (const chain of [...listener.filterChains, listener.defaultFilterChain]) {
    add('network_filter', chain?.filters ?? []);
  }
  for (const message of messagesIn(listener, manager)) {
    const { httpFilters, upgradeConfigs } =
      message as envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager;
    add('http_filter', httpFilters);
    for (const { filters } of upgradeConfigs) add('http_filter', filters);
  }
  return found;
}

/** Filters of one kind, name and source share what is discovered. */
export function extensionKey(kind: DiscoveredKind, name: string, { configSource }: ExtensionConfigSource): string {
  const source = configSource?.configSourceSpecifier;
  const shared = `${kind}/${name}`;
  if (source === undefined || source.case === 'ads' || source.case === 'self') return shared;
  return `${shared}@${Buffer.from(encode('envoy.config.core.v3.ConfigSource', configSource!)).toString('base64url')}`;
}
