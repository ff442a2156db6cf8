/** envoy.access_loggers.extension_filters.cel: entries of those streams of which an expression is true (control side). */
import { createRequire } from 'node:module';
import type { envoy } from '../../../api/envoy_types.ts';
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
  // Loaded when the first expression is checked: the engine is large.
  const { parse } = createRequire(import.meta.url)('@bufbuild/cel') as typeof import('@bufbuild/cel');
  try {
    parse((message as ExpressionFilter).expression);
  } catch (error) {
    errors.error('expression', `Not able to parse filter expression: ${(error as Error).message}`);
  }
}
