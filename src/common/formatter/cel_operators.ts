/** %CEL(expression)% and %TYPED_CEL(expression)%: what an expression over the stream evaluates to (access logs, header values). */
import { compileExpression, expressionError } from '../expressions/cel.ts';
import { celJson, celText } from '../expressions/print_value.ts';
import { fromWire } from '../wire_string.ts';
import {
  type Operator,
  type OperatorSpec,
  type OperatorTable,
  type OperatorValue,
  Syntax,
  truncated,
} from './operator.ts';

/** Only the typed one differs in JSON: a number stays one there. */
function expressionOperator(typed: boolean): OperatorSpec {
  return {
    syntax: Syntax.paramsOptional | Syntax.lengthAllowed,
    create: (params, maxLength): Operator | string => {
      const error = expressionError(params);
      if (error !== undefined) return `Not able to parse expression: ${error}`;
      const evaluate = compileExpression(params);
      const { text } = truncated((context) => {
        const value = evaluate(context);
        return value === undefined ? undefined : celText(value);
      }, maxLength);
      if (!typed) return { text, value: text };
      return {
        text,
        value: (context) => {
          const value = evaluate(context);
          return value === undefined ? undefined : typedValue(celJson(value), maxLength);
        },
      };
    },
  };
}

/** Wire text inside of lists and maps is decoded: they are printed as JSON first and encoded then. */
function typedValue(value: ReturnType<typeof celJson>, maxLength: number | undefined): OperatorValue {
  if (typeof value === 'string') return value.slice(0, maxLength);
  return typeof value === 'object' ? decoded(value) : value;
}

function decoded(value: unknown): OperatorValue {
  if (typeof value === 'string') return fromWire(value);
  if (typeof value !== 'object' || value === null) return value as OperatorValue;
  if (Array.isArray(value)) return value.map(decoded);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [fromWire(key), decoded(member)]));
}

export const celOperators: OperatorTable = {
  CEL: expressionOperator(false),
  TYPED_CEL: expressionOperator(true),
};
