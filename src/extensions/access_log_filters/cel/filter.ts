/** envoy.access_loggers.extension_filters.cel on a worker. */
import type { envoy } from '../../../api/envoy_types.ts';
import type { AccessLogFilterFactory } from '../../../common/access_log/filter.ts';
import { compileExpression } from '../../../common/expressions/cel.ts';

type ExpressionFilter = envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter;

const create: AccessLogFilterFactory = (message) => {
  const evaluate = compileExpression((message as ExpressionFilter).expression);
  // No value, or one that is no truth value, is false to Envoy.
  return (context) => evaluate(context) === true;
};

export default create;
