/** One piece of a compiled substitution format: what every `%OPERATOR%` becomes (control and data side). */
import type { FormatContext } from '../../spi/format.ts';
import { toWire } from '../wire_string.ts';

/** What a JSON format prints for an operator; undefined: nothing is known, printed as null or left out. */
export type OperatorValue = string | number | boolean | object | null | undefined;

export interface Operator {
  /** As text; undefined when nothing is known, which the formatter prints as `-` or nothing. */
  text(context: FormatContext): string | undefined;
  /** With its type, for JSON formats. */
  value(context: FormatContext): OperatorValue;
}

/** What may follow an operator's name; the checks and their texts are Envoy's. */
export const Syntax = { commandOnly: 0, paramsRequired: 1, paramsOptional: 2, lengthAllowed: 4 } as const;

/** Makes an operator from its parameters (empty when it has none) and its `:length`; a string is the error instead. */
type CreateOperator = (params: string, maxLength: number | undefined) => Operator | string;

export interface OperatorSpec {
  readonly syntax: number;
  readonly create: CreateOperator;
}

/** Operators of one area by name. */
export type OperatorTable = Readonly<Record<string, OperatorSpec>>;

export function stringOperator(read: (context: FormatContext) => string | undefined): Operator {
  return { text: read, value: read };
}

export function numberOperator(read: (context: FormatContext) => number | undefined): Operator {
  return {
    text: (context) => {
      const value = read(context);
      return value === undefined ? undefined : String(value);
    },
    value: read,
  };
}

/** An operator without parameters that prints a string; an empty string counts as missing. */
export function stringField(read: (context: FormatContext) => string | undefined): OperatorSpec {
  const operator = stringOperator((context) => read(context) || undefined);
  return { syntax: Syntax.commandOnly, create: () => operator };
}

/** As `stringField`, for text that comes from configuration or the system and may hold characters beyond ASCII. */
export function configuredField(read: (context: FormatContext) => string | undefined): OperatorSpec {
  return stringField((context) => toWire(read(context) ?? ''));
}

export function numberField(read: (context: FormatContext) => number | undefined): OperatorSpec {
  const operator = numberOperator(read);
  return { syntax: Syntax.commandOnly, create: () => operator };
}

export function truncated(
  read: (context: FormatContext) => string | undefined,
  maxLength: number | undefined,
): Operator {
  if (maxLength === undefined) return stringOperator(read);
  return stringOperator((context) => read(context)?.slice(0, maxLength));
}
