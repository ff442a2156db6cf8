/** %COALESCE({"operators": [...]})%: the first of several operators that knows something. */
import { type Operator, type OperatorSpec, Syntax, truncated } from './operator.ts';

type CreateOperator = (name: string, params: string, maxLength: number | undefined) => Operator | string;

class Invalid extends Error {}

/** An entry is a command's name, or an object with `command`, `param` and `max_length`. */
export function coalesceOperator(create: CreateOperator): OperatorSpec {
  return {
    syntax: Syntax.paramsRequired | Syntax.lengthAllowed,
    create(params, maxLength) {
      try {
        const operators = entriesOf(params).map((entry, i) => createEntry(entry, i, create));
        const { text } = truncated((context) => firstKnown(operators, (operator) => operator.text(context)), maxLength);
        const value: Operator['value'] = (context) => firstKnown(operators, (operator) => operator.value(context));
        return { text, value: maxLength === undefined ? value : text };
      } catch (error) {
        if (error instanceof Invalid) return `COALESCE: ${error.message}`;
        throw error;
      }
    },
  };
}

function firstKnown<T>(operators: readonly Operator[], read: (operator: Operator) => T): T | undefined {
  for (const operator of operators) {
    const value = read(operator);
    if (value !== undefined && value !== null) return value;
  }
  return undefined;
}

function entriesOf(params: string): readonly unknown[] {
  let config: unknown;
  try {
    config = JSON.parse(params);
  } catch (error) {
    throw new Invalid(`failed to parse JSON configuration: ${(error as Error).message}`);
  }
  const operators = isObject(config) ? config.operators : undefined;
  if (operators === undefined) throw new Invalid("JSON configuration must contain 'operators' array");
  if (!Array.isArray(operators)) throw new Invalid("'operators' must be an array");
  if (operators.length === 0) throw new Invalid("'operators' array must not be empty");
  return operators;
}

function createEntry(entry: unknown, index: number, create: CreateOperator): Operator {
  const created = createFrom(entry, create);
  if (typeof created !== 'string') return created;
  throw new Invalid(`failed to parse operator at index ${index}: ${created}`);
}

function createFrom(entry: unknown, create: CreateOperator): Operator | string {
  if (typeof entry === 'string') return create(entry, '', undefined);
  if (!isObject(entry))
    return "operator entry must be either a string (command name) or an object with 'command' field";
  const { command, param = '', max_length: maxLength } = entry;
  if (typeof command !== 'string') return "operator object must have 'command' field";
  if (typeof param !== 'string') return "'param' must be a string";
  if (maxLength === undefined) return create(command, param, undefined);
  if (!Number.isInteger(maxLength) || (maxLength as number) <= 0) return "'max_length' must be a positive integer";
  return create(command, param, maxLength as number);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
