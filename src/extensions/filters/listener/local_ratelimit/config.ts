/** envoy.filters.listener.local_ratelimit: what configuration needs to know of it. */
import type { ExtensionFactory } from '../../../../spi/extension.ts';

export const factory: ExtensionFactory = {
  name: 'envoy.filters.listener.local_ratelimit',
  category: 'envoy.filters.listener',
  typeName: 'envoy.extensions.filters.listener.local_ratelimit.v3.LocalRateLimit',
  load: () => import('./filter.ts'),
};
