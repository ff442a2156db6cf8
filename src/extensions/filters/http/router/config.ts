/** envoy.filters.http.router: what configuration needs to know of it. */
import type { ExtensionFactory } from '../../../../spi/extension.ts';

export const factory: ExtensionFactory = {
  name: 'envoy.filters.http.router',
  category: 'envoy.filters.http',
  aliases: ['envoy.router'],
  typeName: 'envoy.extensions.filters.http.router.v3.Router',
  terminal: true,
  load: () => import('./filter.ts'),
};
