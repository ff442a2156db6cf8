/** envoy.filters.listener.proxy_protocol: what configuration needs to know of it. */
import type { ExtensionFactory } from '../../../../spi/extension.ts';

export const factory: ExtensionFactory = {
  name: 'envoy.filters.listener.proxy_protocol',
  category: 'envoy.filters.listener',
  aliases: ['envoy.listener.proxy_protocol'],
  typeName: 'envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol',
  load: () => import('./filter.ts'),
};
