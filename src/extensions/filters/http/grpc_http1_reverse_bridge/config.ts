/** envoy.filters.http.grpc_http1_reverse_bridge: what configuration needs to know of it. */
import type { ExtensionFactory } from '../../../../spi/extension.ts';

export const factory: ExtensionFactory = {
  name: 'envoy.filters.http.grpc_http1_reverse_bridge',
  category: 'envoy.filters.http',
  typeName: 'envoy.extensions.filters.http.grpc_http1_reverse_bridge.v3.FilterConfig',
  routeTypeName: 'envoy.extensions.filters.http.grpc_http1_reverse_bridge.v3.FilterConfigPerRoute',
  load: () => import('./filter.ts'),
};
