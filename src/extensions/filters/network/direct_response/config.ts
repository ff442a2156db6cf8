/** envoy.filters.network.direct_response: what configuration needs to know of it. */
import type { ExtensionFactory } from '../../../../spi/extension.ts';

export const factory: ExtensionFactory = {
  name: 'envoy.filters.network.direct_response',
  category: 'envoy.filters.network',
  typeName: 'envoy.extensions.filters.network.direct_response.v3.Config',
  terminal: true,
  load: () => import('./filter.ts'),
};
