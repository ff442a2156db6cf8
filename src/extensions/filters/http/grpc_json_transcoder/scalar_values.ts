/** Values of JSON and of paths and queries as protobuf takes them: what a text or number is worth for a field of each type. */
import { type DescEnum, ScalarType } from '@bufbuild/protobuf';
import type { BinaryWriter } from '@bufbuild/protobuf/wire';
import type { JsonNode } from './json_tree.ts';

/** A value to be written, as read: quoted when it was a string. */
export type ScalarNode = Exclude<JsonNode, { kind: 'object' | 'list' | 'null' }>;

const ranges: { readonly [type: number]: readonly [bigint, bigint] } = {
  [ScalarType.INT32]: [-(2n ** 31n), 2n ** 31n - 1n],
  [ScalarType.SINT32]: [-(2n ** 31n), 2n ** 31n - 1n],
  [ScalarType.SFIXED32]: [-(2n ** 31n), 2n ** 31n - 1n],
  [ScalarType.UINT32]: [0n, 2n ** 32n - 1n],
  [ScalarType.FIXED32]: [0n, 2n ** 32n - 1n],
  [ScalarType.INT64]: [-(2n ** 63n), 2n ** 63n - 1n],
  [ScalarType.SINT64]: [-(2n ** 63n), 2n ** 63n - 1n],
  [ScalarType.SFIXED64]: [-(2n ** 63n), 2n ** 63n - 1n],
  [ScalarType.UINT64]: [0n, 2n ** 64n - 1n],
  [ScalarType.FIXED64]: [0n, 2n ** 64n - 1n],
};

const truths: { readonly [text: string]: boolean } = {
  ...{ true: true, t: true, yes: true, y: true, '1': true },
  ...{ false: false, f: false, no: false, n: false, '0': false },
};

/** The value as text: without its quotes. */
export function textOf(node: ScalarNode): string {
  return node.kind === 'string' ? node.value : node.text;
}

/** Undefined when the node is no such value. */
export function scalarValue(
  type: ScalarType,
  node: ScalarNode,
): bigint | number | boolean | string | Uint8Array | undefined {
  switch (type) {
    case ScalarType.STRING:
      return node.kind === 'string' ? node.value : undefined;
    case ScalarType.BYTES:
      return node.kind === 'string' ? bytesOf(node.value) : undefined;
    case ScalarType.BOOL:
      if (node.kind === 'number') return undefined;
      return truths[textOf(node).toLowerCase()];
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return node.kind === 'boolean' ? undefined : floatOf(textOf(node), type === ScalarType.FLOAT);
    default:
      return node.kind === 'boolean' ? undefined : integerOf(node, ...ranges[type]);
  }
}

/** The number of an enum value: by name, or by number. */
export function enumValue(type: DescEnum, node: ScalarNode, anyCase: boolean): number | undefined {
  if (node.kind === 'boolean') return undefined;
  const text = textOf(node);
  if (node.kind === 'string') {
    const named = type.values.find(({ name }) => name === text) ?? (anyCase ? findInAnyCase(type, text) : undefined);
    if (named !== undefined) return named.number;
  }
  const number = integerOf(node, ...ranges[ScalarType.INT32]);
  if (number === undefined) return undefined;
  // A number may be of a value that came later; a text names one that there is.
  if (node.kind === 'string' && !type.values.some((value) => value.number === Number(number))) return undefined;
  return Number(number);
}

export function writeScalar(
  writer: BinaryWriter,
  type: ScalarType,
  value: bigint | number | boolean | string | Uint8Array,
) {
  switch (type) {
    case ScalarType.STRING:
      return writer.string(value as string);
    case ScalarType.BYTES:
      return writer.bytes(value as Uint8Array);
    case ScalarType.BOOL:
      return writer.bool(value as boolean);
    case ScalarType.DOUBLE:
      return writer.double(value as number);
    case ScalarType.FLOAT:
      return writer.float(value as number);
    case ScalarType.INT32:
      return writer.int32(Number(value));
    case ScalarType.UINT32:
      return writer.uint32(Number(value));
    case ScalarType.SINT32:
      return writer.sint32(Number(value));
    case ScalarType.FIXED32:
      return writer.fixed32(Number(value));
    case ScalarType.SFIXED32:
      return writer.sfixed32(Number(value));
    case ScalarType.INT64:
      return writer.int64(value as bigint);
    case ScalarType.UINT64:
      return writer.uint64(value as bigint);
    case ScalarType.SINT64:
      return writer.sint64(value as bigint);
    case ScalarType.FIXED64:
      return writer.fixed64(value as bigint);
    default:
      return writer.sfixed64(value as bigint);
  }
}

function findInAnyCase(type: DescEnum, text: string) {
  const wanted = text.replaceAll('-', '_').toUpperCase();
  return type.values.find(({ name }) => name.toUpperCase() === wanted);
}

/** A number may be written with a fraction of zero, a string may not. */
function integerOf(node: ScalarNode, least: bigint, most: bigint): bigint | undefined {
  const text = textOf(node);
  let value: bigint;
  if (/^-?\d{1,40}$/.test(text)) value = BigInt(text);
  else {
    const number = node.kind === 'number' ? Number(text) : Number.NaN;
    if (!Number.isInteger(number)) return undefined;
    value = BigInt(number);
  }
  return value < least || value > most ? undefined : value;
}

function floatOf(text: string, single: boolean): number | undefined {
  if (text === 'NaN') return Number.NaN;
  if (/^-?Infinity$/.test(text)) return Number(text);
  if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(single ? Math.fround(value) : value) ? value : undefined;
}

/** Either alphabet of RFC 4648, padded or not. */
function bytesOf(text: string): Uint8Array | undefined {
  return /^[A-Za-z0-9+/_-]*={0,2}$/.test(text) ? Buffer.from(text, 'base64') : undefined;
}
