/** One scalar of a configuration → the value a message holds (control path, step 2), by protobuf's JSON rules as Envoy applies them. */
import { type DescEnum, ScalarType } from '@bufbuild/protobuf';
import { describe, type ScalarNode, type SourceNode } from './source_tree.ts';
import { didYouMean } from './suggest.ts';

/** Why a value could not be taken. */
export class Problem {
  readonly reason: string;
  readonly hint: string | undefined;

  constructor(reason: string, hint?: string) {
    this.reason = reason;
    this.hint = hint;
  }
}

export function convertScalar(type: ScalarType, node: SourceNode): unknown {
  switch (type) {
    case ScalarType.STRING:
      return convertString(node);
    case ScalarType.BOOL:
      return convertBool(node);
    case ScalarType.BYTES:
      return convertBytes(node);
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return convertFloat(node);
    default:
      return convertInteger(type, node);
  }
}

/** What an unset field of that type holds. */
export function zeroOf(type: ScalarType): unknown {
  switch (type) {
    case ScalarType.STRING:
      return '';
    case ScalarType.BOOL:
      return false;
    case ScalarType.BYTES:
      return new Uint8Array();
    default:
      return integerRanges[type]?.wide === true ? 0n : 0;
  }
}

function convertString(node: SourceNode): string | Problem {
  if (node.kind === 'scalar' && typeof node.value === 'string') return node.value;
  const hint = node.kind === 'scalar' ? `write it in quotes: '${rawText(node)}'` : undefined;
  return new Problem(`expected a string, got ${describe(node)}`, hint);
}

const trueTexts = new Set(['true', 't', 'yes', 'y', '1']);
const falseTexts = new Set(['false', 'f', 'no', 'n', '0']);

function convertBool(node: SourceNode): boolean | Problem {
  if (node.kind === 'scalar') {
    if (typeof node.value === 'boolean') return node.value;
    if (typeof node.value === 'string') {
      const text = node.value.toLowerCase();
      if (trueTexts.has(text)) return true;
      if (falseTexts.has(text)) return false;
    }
  }
  return new Problem(`expected true or false, got ${describe(node)}`);
}

function convertBytes(node: SourceNode): Uint8Array | Problem {
  if (node.kind !== 'scalar' || typeof node.value !== 'string') {
    return new Problem(`expected bytes in base64, got ${describe(node)}`);
  }
  const base64 = node.value.replace(/-/g, '+').replace(/_/g, '/');
  if (!isBase64(base64)) return new Problem('expected bytes in base64');
  return new Uint8Array(Buffer.from(base64, 'base64'));
}

/** Padding may be left out, but is never too much nor too little; a lone letter holds no byte. */
function isBase64(text: string): boolean {
  const [, letters, padding] = /^([A-Za-z0-9+/]*)(={0,2})$/.exec(text) ?? [];
  if (letters === undefined || letters.length % 4 === 1) return false;
  return padding === '' || (letters.length + padding.length) % 4 === 0;
}

/** Hexadecimal, or decimal with fraction and exponent; no blanks, no underscores. */
const numeric = /^[+-]?(0[xX][0-9a-fA-F]+|(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)$/;

function convertFloat(node: SourceNode): number | Problem {
  if (node.kind === 'scalar') {
    if (typeof node.value === 'number') return node.value;
    if (typeof node.value === 'string') {
      if (numeric.test(node.value)) return toNumber(node.value);
      if (node.value === 'Infinity') return Number.POSITIVE_INFINITY;
      if (node.value === '-Infinity') return Number.NEGATIVE_INFINITY;
      if (node.value === 'NaN') return Number.NaN;
    }
  }
  return new Problem(`expected a number, got ${describe(node)}`);
}

interface IntegerRange {
  readonly low: bigint;
  readonly high: bigint;
  /** Held as a bigint. */
  readonly wide: boolean;
}
const int32: IntegerRange = { low: -(2n ** 31n), high: 2n ** 31n - 1n, wide: false };
const uint32: IntegerRange = { low: 0n, high: 2n ** 32n - 1n, wide: false };
const int64: IntegerRange = { low: -(2n ** 63n), high: 2n ** 63n - 1n, wide: true };
const uint64: IntegerRange = { low: 0n, high: 2n ** 64n - 1n, wide: true };
const integerRanges: { readonly [type: number]: IntegerRange } = {
  [ScalarType.INT32]: int32,
  [ScalarType.SINT32]: int32,
  [ScalarType.SFIXED32]: int32,
  [ScalarType.UINT32]: uint32,
  [ScalarType.FIXED32]: uint32,
  [ScalarType.INT64]: int64,
  [ScalarType.SINT64]: int64,
  [ScalarType.SFIXED64]: int64,
  [ScalarType.UINT64]: uint64,
  [ScalarType.FIXED64]: uint64,
};

function convertInteger(type: ScalarType, node: SourceNode): number | bigint | Problem {
  const range = integerRanges[type];
  const value = node.kind === 'scalar' ? wholeNumber(node.value) : undefined;
  if (value === undefined) return new Problem(`expected a whole number, got ${describe(node)}`);
  if (value < range.low || value > range.high) {
    return new Problem(`expected a whole number from ${range.low} to ${range.high}, got ${value}`);
  }
  return range.wide ? value : Number(value);
}

function wholeNumber(value: string | number | boolean | null): bigint | undefined {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : undefined;
  if (typeof value !== 'string' || !numeric.test(value)) return undefined;
  if (/^[+-]?\d+$/.test(value)) return BigInt(value.replace(/^\+/, ''));
  const number = toNumber(value);
  return Number.isInteger(number) ? BigInt(number) : undefined;
}

function toNumber(text: string): number {
  return text.startsWith('-') ? -Number(text.slice(1)) : Number(text.replace(/^\+/, ''));
}

/** By name in any case, or by number; numbers without a name are left to the validation rules, as in Envoy. */
export function convertEnum(type: DescEnum, node: SourceNode): number | Problem {
  if (node.kind !== 'scalar' || node.value === null || typeof node.value === 'boolean') {
    return new Problem(`expected one of ${names(type)}, got ${describe(node)}`);
  }
  if (typeof node.value === 'number') return node.value;
  const wanted = node.value.toUpperCase();
  const found = type.values.find((value) => value.name.toUpperCase() === wanted);
  if (found !== undefined) return found.number;
  if (/^[+-]?\d+$/.test(node.value)) return Number(node.value);
  const hint = didYouMean(
    node.value.replace(/-/g, '_'),
    type.values.map((value) => value.name),
  );
  const expected = `expected one of ${names(type)}`;
  return new Problem(`unknown value '${node.value}'`, hint === undefined ? expected : `${hint} ${expected}`);
}

function names(type: DescEnum): string {
  return type.values
    .filter((value) => !value.deprecated)
    .map((value) => value.name)
    .join(', ');
}

function rawText(node: ScalarNode): string {
  return node.source.text.slice(node.start, node.end);
}
