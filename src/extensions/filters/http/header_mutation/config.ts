/** envoy.filters.http.header_mutation: what configuration needs to know of it. */
import type { ExtensionFactory } from '../../../../spi/extension.ts';

export const factory: ExtensionFactory = {
  name: 'envoy.filters.http.header_mutation',
  category: 'envoy.filters.http',
  typeName: 'envoy.extensions.filters.http.header_mutation.v3.HeaderMutation',
  routeTypeName: 'envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute',
  load: () => import('./filter.ts'),
};
