/** For tests of HPACK: blocks made by hand, and what came out of a decoder. */
import { HeaderMap } from '../../native-free/headers/header_map.ts';
import { type HeaderName, headerName } from '../../native-free/headers/header_name.ts';
import type { HpackDecoder } from '../../native-free/http2/hpack/decoder.ts';
import type { HeaderSink } from '../../native-free/http2/hpack/header_field.ts';

export type FieldList = readonly (readonly [string, string])[];

export class FieldRecorder implements HeaderSink {
  readonly fields: [string, string][] = [];
  readonly kinds: number[] = [];
  /** Sizes of all fields together. */
  total = 0;

  field(name: HeaderName, value: string, kind: number, size: number): void {
    this.fields.push([name.text, value]);
    this.kinds.push(kind);
    this.total += size;
  }
}

/** Undefined: COMPRESSION_ERROR. */
export function decodeBlock(decoder: HpackDecoder, block: Buffer): [string, string][] | undefined {
  const recorder = new FieldRecorder();
  return decoder.decode(block, 0, block.length, recorder) ? recorder.fields : undefined;
}

export function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

/** RFC 7541 section 5.1 with a prefix of which all bits are in `mask`. */
export function integer(type: number, mask: number, value: number): number[] {
  if (value < mask) return [type | value];
  const bytes = [type | mask];
  let rest = value - mask;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push(0x80 | (rest % 128));
  return [...bytes, rest];
}

function string(text: string): number[] {
  return [...integer(0, 0x7f, text.length), ...Buffer.from(text, 'latin1')];
}

/** `type`: 0x40 to be indexed, 0 not, 0x10 never; `index` names the name when it is above 0. */
export function literal(type: number, index: number, name: string, value: string): number[] {
  const start = integer(type, type === 0x40 ? 0x3f : 0x0f, index);
  return [...start, ...(index === 0 ? string(name) : []), ...string(value)];
}

/** Literals that leave the table alone, whatever the names and values hold. */
export function literals(fields: FieldList): Buffer {
  return Buffer.from(fields.flatMap(([name, value]) => literal(0, 0, name, value)));
}

export function headerMap(fields: FieldList): HeaderMap {
  const map = new HeaderMap();
  for (const [name, value] of fields) map.add(headerName(name), value);
  return map;
}
