/** The messages that JSON writes in a form of their own: Duration, Timestamp, Struct, Value (control path, step 2). */
import { create, fromJson, type JsonValue, type Message } from '@bufbuild/protobuf';
import { type Duration, DurationSchema, FieldMaskSchema, TimestampSchema, ValueSchema } from '@bufbuild/protobuf/wkt';
import { Problem } from './convert_scalar.ts';
import { describe, type SourceNode } from './source_tree.ts';

const special = new Set(['Any', 'Duration', 'Timestamp', 'Struct', 'Value', 'ListValue', 'FieldMask']);

/** True for messages whose JSON is not a map of their fields, wrappers included. */
export function hasOwnForm(typeName: string): boolean {
  if (!typeName.startsWith('google.protobuf.')) return false;
  const name = typeName.slice('google.protobuf.'.length);
  return special.has(name) || isWrapper(typeName);
}

export function isWrapper(typeName: string): boolean {
  return /^google\.protobuf\.(Double|Float|Int64|UInt64|Int32|UInt32|Bool|String|Bytes)Value$/.test(typeName);
}

/** Those that may also be written by their fields. */
export function takesFields(typeName: string): boolean {
  return typeName === 'google.protobuf.Duration' || isWrapper(typeName);
}

/** Any of them but Any and the wrappers. */
export function convertWellKnown(typeName: string, node: SourceNode): Message | JsonValue | Problem {
  switch (typeName) {
    case 'google.protobuf.Duration':
      return convertDuration(node);
    case 'google.protobuf.Timestamp':
      return convertText(node, 'a time such as 2026-01-31T12:00:00Z', (text) => fromJson(TimestampSchema, text));
    case 'google.protobuf.FieldMask':
      return convertText(node, 'field names separated by commas', (text) => fromJson(FieldMaskSchema, text));
    case 'google.protobuf.Struct':
      return node.kind === 'map' ? toJson(node) : new Problem(`expected a map, got ${describe(node)}`);
    case 'google.protobuf.ListValue':
      return { values: asList(toJson(node)).map((value) => fromJson(ValueSchema, value)) } as unknown as Message;
    default:
      return fromJson(ValueSchema, toJson(node));
  }
}

/** JSON as Envoy makes it of YAML: numbers with a fraction are text. */
export function toJson(node: SourceNode): JsonValue {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'list') return node.items.map(toJson);
  const object: Record<string, JsonValue> = {};
  for (const entry of node.entries) object[entry.key] = toJson(entry.value);
  return object;
}

function asList(value: JsonValue): JsonValue[] {
  return Array.isArray(value) ? value : [value];
}

function convertText(node: SourceNode, form: string, parse: (text: string) => Message): Message | Problem {
  if (node.kind === 'scalar' && typeof node.value === 'string') {
    try {
      return parse(node.value);
    } catch {
      // reported below
    }
  }
  return new Problem(`expected ${form}, got ${describe(node)}`);
}

/** Envoy holds durations as nanoseconds in 64 bits. */
const maxSeconds = 9_223_372_035n;

function convertDuration(node: SourceNode): Message | Problem {
  const text = node.kind === 'scalar' && typeof node.value === 'string' ? node.value : undefined;
  const parts = text === undefined ? null : /^(-?)(\d+)(?:\.(\d{1,9}))?s$/.exec(text);
  if (parts === null)
    return new Problem(`expected a duration such as 0.25s, got ${describe(node)}`, durationHint(node));
  const [, sign, seconds, fraction = ''] = parts;
  if (sign !== '') return new Problem('a duration must not be negative');
  const duration = create(DurationSchema, { seconds: BigInt(seconds), nanos: Number(fraction.padEnd(9, '0')) });
  return durationProblem(duration) ?? duration;
}

/** What is wrong with a duration that was given by its `seconds` and `nanos`. */
export function durationProblem(message: object): Problem | undefined {
  const { seconds, nanos } = message as Duration;
  if (seconds < 0n || nanos < 0) return new Problem('a duration must not be negative');
  if (seconds > maxSeconds) return new Problem(`a duration must be at most ${maxSeconds}s`);
  return nanos > 999_999_999 ? new Problem('nanos must be at most 999999999') : undefined;
}

const unitSeconds: { readonly [unit: string]: number } = {
  '': 1,
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  ms: 1e-3,
  s: 1,
  sec: 1,
  second: 1,
  seconds: 1,
  m: 60,
  min: 60,
  minutes: 60,
  h: 3600,
  d: 86400,
};

/** `250ms` → did you mean '0.25s'? */
function durationHint(node: SourceNode): string | undefined {
  if (node.kind !== 'scalar') return undefined;
  const parts = /^(\d*\.?\d+)\s*([a-zµ]*)$/i.exec(String(node.value));
  if (parts === null) return undefined;
  const factor = unitSeconds[parts[2].toLowerCase()];
  if (factor === undefined) return undefined;
  return `did you mean '${Number((Number(parts[1]) * factor).toFixed(9))}s'?`;
}
