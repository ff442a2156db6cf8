/** envoy.filters.network.set_filter_state: what configuration needs to know of it. */
import type { envoy } from '../../../../api/envoy_types.ts';
import { filterStateProblem } from '../../../../common/filter_state/set_filter_state.ts';
import type { ExtensionFactory } from '../../../../spi/extension.ts';

export const factory: ExtensionFactory = {
  name: 'envoy.filters.network.set_filter_state',
  category: 'envoy.filters.network',
  typeName: 'envoy.extensions.filters.network.set_filter_state.v3.Config',
  validate(message, errors) {
    const config = message as envoy.extensions.filters.network.set_filter_state.v3.Config;
    for (const [field, values] of [
      ['on_new_connection', config.onNewConnection],
      ['on_downstream_tls_handshake', config.onDownstreamTlsHandshake],
    ] as const) {
      values.forEach((value, i) => {
        const problem = filterStateProblem(value);
        if (problem !== undefined) errors.error(`${field}[${i}].${problem.path}`, problem.reason);
      });
    }
  },
  load: () => import('./filter.ts'),
};
