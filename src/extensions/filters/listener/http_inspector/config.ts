/** envoy.filters.listener.http_inspector: what configuration needs to know of it. */
import type { ExtensionFactory } from '../../../../spi/extension.ts';

export const factory: ExtensionFactory = {
  name: 'envoy.filters.listener.http_inspector',
  category: 'envoy.filters.listener',
  aliases: ['envoy.listener.http_inspector'],
  typeName: 'envoy.extensions.filters.listener.http_inspector.v3.HttpInspector',
  load: () => import('./filter.ts'),
};
