/** envoy.filters.network.local_ratelimit: what configuration needs to know of it. */
import type { ExtensionFactory } from '../../../../spi/extension.ts';

export const factory: ExtensionFactory = {
  name: 'envoy.filters.network.local_ratelimit',
  category: 'envoy.filters.network',
  typeName: 'envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit',
  load: () => import('./filter.ts'),
};
