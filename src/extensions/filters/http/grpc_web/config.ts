/** envoy.filters.http.grpc_web: what configuration needs to know of it. */
import type { ExtensionFactory } from '../../../../spi/extension.ts';

export const factory: ExtensionFactory = {
  name: 'envoy.filters.http.grpc_web',
  category: 'envoy.filters.http',
  aliases: ['envoy.grpc_web'],
  typeName: 'envoy.extensions.filters.http.grpc_web.v3.GrpcWeb',
  load: () => import('./filter.ts'),
};
