/** envoy.filters.listener.set_filter_state: what configuration needs to know of it. */
import type { envoy } from '../../../../api/envoy_types.ts';
import { filterStateProblem } from '../../../../common/filter_state/set_filter_state.ts';
import type { ExtensionFactory } from '../../../../spi/extension.ts';

export const factory: ExtensionFactory = {
  name: 'envoy.filters.listener.set_filter_state',
  category: 'envoy.filters.listener',
  typeName: 'envoy.extensions.filters.listener.set_filter_state.v3.Config',
  validate(message, errors) {
    const config = message as envoy.extensions.filters.listener.set_filter_state.v3.Config;
    for (const [field, values] of [['on_accept', config.onAccept]] as const) {
      values.forEach((value, i) => {
        const problem = filterStateProblem(value);
        if (problem !== undefined) errors.error(`${field}[${i}].${problem.path}`, problem.reason);
      });
    }
  },
  load: () => import('./filter.ts'),
};
