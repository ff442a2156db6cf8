/** envoy.filters.http.on_demand: what configuration needs to know of it. */
import type { envoy } from '../../../../api/envoy_types.ts';
import { canAskByName } from '../../../../common/on_demand_source.ts';
import type { ConfigErrors, ExtensionFactory } from '../../../../spi/extension.ts';

/** `OnDemand`, and `PerRouteConfig` of a route, which has the same field. */
export interface OnDemand {
  readonly odcds?: {
    readonly source?: envoy.config.core.v3.ConfigSource;
    readonly timeout?: { readonly seconds: bigint; readonly nanos: number };
  };
}

export const factory: ExtensionFactory = {
  name: 'envoy.filters.http.on_demand',
  category: 'envoy.filters.http',
  aliases: [],
  typeName: 'envoy.extensions.filters.http.on_demand.v3.OnDemand',
  routeTypeName: 'envoy.extensions.filters.http.on_demand.v3.PerRouteConfig',
  validate,
  load: () => import('./filter.ts'),
};

function validate(message: unknown, errors: ConfigErrors): void {
  const source = (message as OnDemand).odcds?.source;
  if (source?.configSourceSpecifier.case === undefined || canAskByName(source)) return;
  errors.error('odcds.source', 'clusters on demand come over DELTA_GRPC or ads');
}
