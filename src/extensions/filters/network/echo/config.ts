/** envoy.filters.network.echo: what configuration needs to know of it. */
import type { ExtensionFactory } from '../../../../spi/extension.ts';

export const factory: ExtensionFactory = {
  name: 'envoy.filters.network.echo',
  category: 'envoy.filters.network',
  aliases: ['envoy.echo'],
  typeName: 'envoy.extensions.filters.network.echo.v3.Echo',
  terminal: true,
  load: () => import('./filter.ts'),
};
