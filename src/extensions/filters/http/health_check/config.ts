/** envoy.filters.http.health_check: what configuration needs to know of it. */
import type { ExtensionFactory } from '../../../../spi/extension.ts';

export const factory: ExtensionFactory = {
  name: 'envoy.filters.http.health_check',
  category: 'envoy.filters.http',
  aliases: ['envoy.health_check'],
  typeName: 'envoy.extensions.filters.http.health_check.v3.HealthCheck',
  load: () => import('./filter.ts'),
};
