/** envoy.filters.http.grpc_http1_bridge: what configuration needs to know of it. */
import type { ExtensionFactory } from '../../../../spi/extension.ts';

export const factory: ExtensionFactory = {
  name: 'envoy.filters.http.grpc_http1_bridge',
  category: 'envoy.filters.http',
  aliases: ['envoy.grpc_http1_bridge'],
  typeName: 'envoy.extensions.filters.http.grpc_http1_bridge.v3.Config',
  load: () => import('./filter.ts'),
};
