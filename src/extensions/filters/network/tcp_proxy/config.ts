/** envoy.filters.network.tcp_proxy: what configuration needs to know of it. */
import type { ExtensionFactory } from '../../../../spi/extension.ts';

export const factory: ExtensionFactory = {
  name: 'envoy.filters.network.tcp_proxy',
  category: 'envoy.filters.network',
  aliases: ['envoy.tcp_proxy'],
  typeName: 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
  terminal: true,
  load: () => import('./filter.ts'),
};
