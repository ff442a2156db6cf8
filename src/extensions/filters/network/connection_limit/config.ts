/** envoy.filters.network.connection_limit: what configuration needs to know of it. */
import type { ExtensionFactory } from '../../../../spi/extension.ts';

export const factory: ExtensionFactory = {
  name: 'envoy.filters.network.connection_limit',
  category: 'envoy.filters.network',
  typeName: 'envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit',
  load: () => import('./filter.ts'),
};
