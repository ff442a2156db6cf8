/** The messages of google.protobuf that one JSON value stands for, in binary: times, durations, masks, wrappers. */
import { type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { type ScalarNode, scalarValue, writeScalar } from './scalar_values.ts';

const wrapperTypes: { readonly [name: string]: ScalarType } = {
  DoubleValue: ScalarType.DOUBLE,
  FloatValue: ScalarType.FLOAT,
  Int64Value: ScalarType.INT64,
  UInt64Value: ScalarType.UINT64,
  Int32Value: ScalarType.INT32,
  UInt32Value: ScalarType.UINT32,
  BoolValue: ScalarType.BOOL,
  StringValue: ScalarType.STRING,
  BytesValue: ScalarType.BYTES,
};
/** Those that are written as text, by what the messages of errors call them. */
const textTypes: { readonly [name: string]: string | undefined } = {
  Timestamp: 'timestamp',
  Duration: 'duration',
  FieldMask: 'field mask',
};
/** Seconds: some ten thousand years. */
const longestDuration = 315_576_000_000n;
const wrapperWireTypes: { readonly [name: string]: WireType } = {
  DoubleValue: WireType.Bit64,
  FloatValue: WireType.Bit32,
  StringValue: WireType.LengthDelimited,
  BytesValue: WireType.LengthDelimited,
};

/** The message's fields; undefined when this value stands for none; a text says what is wrong with it. */
export function wellKnownFields(type: DescMessage, node: ScalarNode): Uint8Array | string | undefined {
  if (!type.typeName.startsWith('google.protobuf.')) return undefined;
  const name = type.typeName.slice('google.protobuf.'.length);
  const wrapped = wrapperTypes[name];
  if (wrapped !== undefined) {
    const value = scalarValue(wrapped, node);
    if (value === undefined) return undefined;
    const writer = new BinaryWriter();
    writeScalar(writer.tag(1, wrapperWireTypes[name] ?? WireType.Varint), wrapped, value);
    return writer.finish();
  }
  const textual = textTypes[name];
  if (node.kind !== 'string') {
    return textual === undefined ? undefined : `Invalid data type for ${textual}, value is ${node.text}`;
  }
  if (name === 'Timestamp') return timestamp(node.value);
  if (name === 'Duration') return duration(node.value);
  return name === 'FieldMask' ? fieldMask(node.value) : undefined;
}

function timestamp(text: string): Uint8Array | string {
  const parts = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (/^\d{5,}-/.test(text)) return 'Timestamp value exceeds limits';
  if (parts === null) return "Illegal timestamp format; timestamps must end with 'Z' or have a valid timezone offset.";
  const milliseconds = Date.parse(`${parts[1]}${parts[3]}`);
  if (Number.isNaN(milliseconds)) return 'Invalid time format: Failed to parse input';
  return secondsAndNanos(BigInt(milliseconds / 1000), nanosOf(parts[2]));
}

function duration(text: string): Uint8Array | string {
  if (!text.endsWith('s')) return "Illegal duration format; duration must end with 's'";
  const parts = /^([+-]?)(\d{1,18})(?:\.(\d+))?s$/.exec(text);
  if (parts === null) return 'Invalid duration format, failed to parse seconds';
  if (BigInt(parts[2]) > longestDuration || (parts[3] ?? '').length > 9) return 'Duration value exceeds limits';
  const sign = parts[1] === '-' ? -1 : 1;
  return secondsAndNanos(BigInt(sign) * BigInt(parts[2]), sign * nanosOf(parts[3]));
}

function nanosOf(fraction = ''): number {
  return Number(fraction.padEnd(9, '0'));
}

/** Both are always there, as protobuf's writer has them. */
function secondsAndNanos(seconds: bigint, nanos: number): Uint8Array {
  return new BinaryWriter().tag(1, WireType.Varint).int64(seconds).tag(2, WireType.Varint).int32(nanos).finish();
}

/** Paths are in lower camel case in JSON and in snake case in the message. */
function fieldMask(text: string): Uint8Array {
  const writer = new BinaryWriter();
  for (const path of text.split(',')) {
    const snake = path.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    if (snake !== '') writer.tag(1, WireType.LengthDelimited).string(snake);
  }
  return writer.finish();
}
