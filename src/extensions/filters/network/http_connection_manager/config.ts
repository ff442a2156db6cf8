/** envoy.filters.network.http_connection_manager: what configuration needs to know of it. */
import type { ExtensionFactory } from '../../../../spi/extension.ts';

export const factory: ExtensionFactory = {
  name: 'envoy.filters.network.http_connection_manager',
  category: 'envoy.filters.network',
  aliases: ['envoy.http_connection_manager'],
  typeName: 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
  terminal: true,
  load: () => import('./filter.ts'),
};
