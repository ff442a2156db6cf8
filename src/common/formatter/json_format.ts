/** Compiles a json_format Struct to one that prints an entry a line, keys sorted, as Envoy does (access logs, local replies). */
import { isUtf8 } from 'node:buffer';
import type { FormatContext } from '../../spi/format.ts';
import { toWire } from '../wire_string.ts';
import type { Operator, OperatorValue } from './operator.ts';
import { type FormatError, type FormatPiece, type Formatter, parsePieces } from './parse_format.ts';

/** Prints a value as JSON; undefined leaves it out where empty values are omitted. */
type Node = (context: FormatContext) => string | undefined;

/** `path` of the faulty string below the Struct, e.g. `.nested.both` or `.list[1]`. */
export interface JsonFormatError extends FormatError {
  readonly path: string;
}

class JsonFormatFailure extends Error {
  readonly detail: JsonFormatError;
  constructor(detail: JsonFormatError) {
    super(detail.error);
    this.detail = detail;
  }
}

/**
 * A string that is a single operator keeps its type, others become strings. Missing: null, or `-` inside a longer string;
 * with `omitEmptyValues` left out, or nothing inside a longer string.
 */
export function parseJsonFormat(
  struct: Readonly<Record<string, unknown>>,
  omitEmptyValues = false,
): { formatter: Formatter } | JsonFormatError {
  try {
    const root = compileObject(struct, '', omitEmptyValues);
    return { formatter: { format: (context) => `${root(context) ?? '{}'}\n` } };
  } catch (failure) {
    if (failure instanceof JsonFormatFailure) return failure.detail;
    throw failure;
  }
}

function compileNode(value: unknown, path: string, omit: boolean): Node {
  if (typeof value === 'string') return compileString(value, path, omit);
  if (Array.isArray(value)) return compileList(value, path, omit);
  if (typeof value === 'object' && value !== null) return compileObject(value, path, omit);
  const text = value === null && omit ? undefined : JSON.stringify(value);
  return () => text;
}

function compileObject(struct: object, path: string, omit: boolean): Node {
  const keys = Object.keys(struct).map((key) => ({ key, wire: toWire(key) }));
  keys.sort((a, b) => (a.wire < b.wire ? -1 : a.wire > b.wire ? 1 : 0));
  const heads = keys.map(({ wire }) => `"${jsonEscaped(wire)}":`);
  const nodes = keys.map(({ key }) => compileNode((struct as Record<string, unknown>)[key], `${path}.${key}`, omit));
  return (context) => {
    let text = '';
    for (let i = 0; i < nodes.length; i++) {
      const value = nodes[i](context);
      if (value !== undefined) text += (text === '' ? '{' : ',') + heads[i] + value;
    }
    // An object without members counts as empty, a list does not.
    return text === '' ? (omit ? undefined : '{}') : `${text}}`;
  };
}

function compileList(list: readonly unknown[], path: string, omit: boolean): Node {
  const nodes = list.map((item, i) => compileNode(item, `${path}[${i}]`, omit));
  return (context) =>
    `[${nodes
      .map((node) => node(context))
      .filter((item) => item !== undefined)
      .join(',')}]`;
}

function compileString(text: string, path: string, omit: boolean): Node {
  const pieces = parsePieces(text);
  if ('error' in pieces) throw new JsonFormatFailure({ ...pieces, path });
  if (pieces.length === 1 && typeof pieces[0] !== 'string') {
    const operator: Operator = pieces[0];
    const missing = omit ? undefined : 'null';
    return (context) => jsonValue(operator.value(context)) ?? missing;
  }
  const missing = omit ? '' : '-';
  const escaped = pieces.map((piece): FormatPiece => (typeof piece === 'string' ? jsonEscaped(piece) : piece));
  return (context) => {
    let joined = '"';
    for (const piece of escaped) {
      joined += typeof piece === 'string' ? piece : jsonEscaped(piece.text(context) ?? missing);
    }
    return `${joined}"`;
  };
}

function jsonValue(value: OperatorValue): string | undefined {
  if (typeof value === 'string') return `"${jsonEscaped(value)}"`;
  if (typeof value === 'number') return String(value);
  return value === undefined || value === null ? undefined : toWire(JSON.stringify(value));
}

const SPECIAL = /["\\\0-\x1f\x80-\xff]/;
const NOT_ASCII = /[\x80-\xff]/;
const UNSAFE = /["\\\0-\x1f\x7f-\xff]/g;

/** Wire text inside a JSON string: UTF-8 passes, and where it is not UTF-8 every special byte becomes `\u00xx`. */
function jsonEscaped(text: string): string {
  if (!SPECIAL.test(text)) return text;
  if (NOT_ASCII.test(text) && !isUtf8(Buffer.from(text, 'latin1'))) {
    return text.replace(UNSAFE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
  }
  return JSON.stringify(text).slice(1, -1);
}
