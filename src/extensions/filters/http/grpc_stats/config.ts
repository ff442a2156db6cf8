/** envoy.filters.http.grpc_stats: what configuration needs to know of it. */
import type { ExtensionFactory } from '../../../../spi/extension.ts';

export const factory: ExtensionFactory = {
  name: 'envoy.filters.http.grpc_stats',
  category: 'envoy.filters.http',
  typeName: 'envoy.extensions.filters.http.grpc_stats.v3.FilterConfig',
  load: () => import('./filter.ts'),
};
