/** envoy.filters.http.fault: what configuration needs to know of it. */
import type { ExtensionFactory } from '../../../../spi/extension.ts';

export const factory: ExtensionFactory = {
  name: 'envoy.filters.http.fault',
  category: 'envoy.filters.http',
  aliases: ['envoy.fault'],
  typeName: 'envoy.extensions.filters.http.fault.v3.HTTPFault',
  routeTypeName: 'envoy.extensions.filters.http.fault.v3.HTTPFault',
  load: () => import('./filter.ts'),
};
