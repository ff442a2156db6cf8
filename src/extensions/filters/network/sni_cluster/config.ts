/** envoy.filters.network.sni_cluster: what configuration needs to know of it. */
import type { ExtensionFactory } from '../../../../spi/extension.ts';

export const factory: ExtensionFactory = {
  name: 'envoy.filters.network.sni_cluster',
  category: 'envoy.filters.network',
  typeName: 'envoy.extensions.filters.network.sni_cluster.v3.SniCluster',
  load: () => import('./filter.ts'),
};
