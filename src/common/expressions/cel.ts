/** CEL expressions over a stream (data side). Loading the engine costs some 150 ms: who imports this is itself imported on demand. */
import { type CelInput, celEnv, isCelError, parse, plan } from '@bufbuild/cel';
import type { FormatContext } from '../../spi/format.ts';
import { attributesOf } from './attributes.ts';

/** The value of an expression; undefined where it has none, e.g. because an attribute it asks for is missing. */
export type Expression = (context: FormatContext) => unknown;

const environment = celEnv();

/** Throws for text that is no expression: configuration validation has refused it. */
export function compileExpression(text: string): Expression {
  const evaluate = plan(environment, parse(text));
  return (context) => {
    try {
      const value = evaluate(attributesOf(context) as Record<string, CelInput>);
      return isCelError(value) ? undefined : value;
    } catch {
      // The engine has no value for some object that a filter left.
      return undefined;
    }
  };
}
