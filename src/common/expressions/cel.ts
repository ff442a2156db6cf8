/** CEL expressions over a stream. The engine takes some 150 ms to load: it is, when the first expression is read. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { CelEnv, CelInput } from '@bufbuild/cel';
import type { FormatContext } from '../../spi/format.ts';
import { toWire } from '../wire_string.ts';
import { attributesOf } from './attributes.ts';

export type Engine = typeof import('@bufbuild/cel');

/** The value of an expression; undefined where it has none, e.g. because an attribute it asks for is missing. */
export type Expression = (context: FormatContext) => unknown;

let loaded: { readonly engine: Engine; readonly environment: CelEnv } | undefined;

/** Under the `import` condition, so that the engine shares protobuf with everybody else. */
function load() {
  if (loaded === undefined) {
    const file = fileURLToPath(import.meta.resolve('@bufbuild/cel'));
    const engine = createRequire(import.meta.url)(file) as Engine;
    loaded = { engine, environment: engine.celEnv() };
  }
  return loaded;
}

export function celEngine(): Engine {
  return load().engine;
}

/** What is wrong with the text; undefined: nothing. */
export function expressionError(text: string): string | undefined {
  try {
    load().engine.parse(text);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Throws for text that is no expression: configuration validation has refused it. */
export function compileExpression(text: string): Expression {
  const { engine, environment } = load();
  // Attributes are wire text, so the expression's own strings are too.
  const evaluate = engine.plan(environment, engine.parse(toWire(text)));
  return (context) => {
    try {
      const value = evaluate(attributesOf(context) as Record<string, CelInput>);
      return engine.isCelError(value) ? undefined : value;
    } catch {
      // The engine has no value for some object that a filter left.
      return undefined;
    }
  };
}
