/** envoy.access_loggers.extension_filters.cel: entries of those streams of which an expression is true (control side). */
import type { envoy } from '../../../api/envoy_types.ts';
import { expressionError } from '../../../common/expressions/cel.ts';
import type { ConfigErrors, ExtensionFactory } from '../../../spi/extension.ts';

type ExpressionFilter = envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter;

export const factory: ExtensionFactory = {
  name: 'envoy.access_loggers.extension_filters.cel',
  category: 'envoy.access_loggers.extension_filters',
  typeName: 'envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter',
  validate,
  load: () => import('./filter.ts'),
};

function validate(message: unknown, errors: ConfigErrors): void {
  const error = expressionError((message as ExpressionFilter).expression);
  if (error !== undefined) errors.error('expression', `Not able to parse filter expression: ${error}`);
}
