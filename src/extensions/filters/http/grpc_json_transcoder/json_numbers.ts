/** Numbers with a fraction as protobuf's own printer writes them: with as many digits as bring the same value back. */
import { type DescMessage, type JsonValue, ScalarType } from '@bufbuild/protobuf';
import { isReflectMessage, type ReflectMessage } from '@bufbuild/protobuf/reflect';

/** Significant digits that are tried first, and those that always do. */
const doubleDigits = [15, 17] as const;
const floatDigits = [6, 9] as const;

/** C's `%.15g`, or `%.17g` where that is another value. */
export function doubleText(value: number): string {
  const short = general(value, doubleDigits[0]);
  return Number(short) === value ? short : general(value, doubleDigits[1]);
}

/** The double whose text is that of a float: what a float's own text says. */
export function floatAsDouble(value: number): number {
  if (!Number.isFinite(value)) return value;
  const short = Number(general(value, floatDigits[0]));
  return Math.fround(short) === value ? short : Number(general(value, floatDigits[1]));
}

/** C's `%.<digits>g`. */
function general(value: number, digits: number): string {
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const [mantissa, exponent] = value.toExponential(digits - 1).split('e');
  const power = Number(exponent);
  if (power < -4 || power >= digits) {
    const size = String(Math.abs(power)).padStart(2, '0');
    return `${withoutZeros(mantissa)}e${power < 0 ? '-' : '+'}${size}`;
  }
  return withoutZeros(value.toFixed(digits - 1 - power));
}

function withoutZeros(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

const fractional = new Set(['google.protobuf.Struct', 'google.protobuf.Value', 'google.protobuf.Any']);
const known = new WeakMap<DescMessage, boolean>();

/** Whether a float or double can stand anywhere in such a message. */
export function hasFractions(type: DescMessage): boolean {
  let found = known.get(type);
  if (found === undefined) {
    found = reaches(type, new Set());
    known.set(type, found);
  }
  return found;
}

function reaches(type: DescMessage, seen: Set<DescMessage>): boolean {
  if (seen.has(type)) return false;
  seen.add(type);
  if (fractional.has(type.typeName)) return true;
  return type.fields.some(
    ({ scalar, message }) =>
      scalar === ScalarType.FLOAT || scalar === ScalarType.DOUBLE || (message !== undefined && reaches(message, seen)),
  );
}

/** Makes every float of the message the double of the same text. */
export function spellFloats(message: ReflectMessage): void {
  for (const field of message.fields) {
    if (!message.isSet(field)) continue;
    const isFloat = field.scalar === ScalarType.FLOAT;
    if (!isFloat && (field.message === undefined || !hasFractions(field.message))) continue;
    if (field.fieldKind === 'list') {
      const list = message.get(field);
      for (let i = 0; i < list.size; i++) list.set(i, spelled(list.get(i)));
    } else if (field.fieldKind === 'map') {
      const map = message.get(field);
      for (const [key, value] of map) map.set(key, spelled(value));
    } else {
      message.set(field, spelled(message.get(field)));
    }
  }
}

function spelled(value: unknown): unknown {
  if (typeof value === 'number') return floatAsDouble(value);
  if (isReflectMessage(value)) spellFloats(value);
  return value;
}

/** As JSON.stringify, with the numbers of this file; `pretty`: indented by one. */
export function jsonText(value: JsonValue, pretty: boolean, indent = ''): string {
  if (typeof value === 'number') return doubleText(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const inner = pretty ? `${indent} ` : '';
  const colon = pretty ? ': ' : ':';
  const members = Array.isArray(value)
    ? value.map((each) => jsonText(each, pretty, inner))
    : Object.entries(value).map(([key, each]) => JSON.stringify(key) + colon + jsonText(each, pretty, inner));
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  if (members.length === 0) return open + close;
  if (!pretty) return open + members.join(',') + close;
  return `${open}\n${inner}${members.join(`,\n${inner}`)}\n${indent}${close}`;
}
