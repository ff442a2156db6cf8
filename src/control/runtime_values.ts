/** What the texts and structs of runtime layers mean (control path): a number, a truth value, a fraction, or text alone. */
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import { denominators, type RuntimeValue } from '../common/runtime.ts';

/** Nested structs are keys joined by dots; a struct that is a fraction, or empty, is a value. */
export function flatten(prefix: string, struct: JsonObject, into: Map<string, RuntimeValue>): void {
  for (const [name, value] of Object.entries(struct)) {
    const key = prefix === '' ? name : `${prefix}.${name}`;
    if (isStruct(value) && Object.keys(value).length > 0 && fractionOf(value) === undefined) flatten(key, value, into);
    else into.set(key, valueOfJson(value));
  }
}

function valueOfJson(value: JsonValue): RuntimeValue {
  if (typeof value === 'string') return valueOfText(value);
  if (typeof value === 'number') return { text: String(value), number: value };
  if (typeof value === 'boolean') return { text: String(value), boolean: value };
  return { text: JSON.stringify(value), fraction: isStruct(value) ? fractionOf(value) : undefined };
}

/** A text is read as a number, a truth value or a fraction, whichever it is. */
export function valueOfText(text: string): RuntimeValue {
  const trimmed = text.trim();
  if (trimmed !== '' && /^[-+]?[\d.]+(e[-+]?\d+)?$/i.test(trimmed) && !Number.isNaN(Number(trimmed))) {
    return { text, number: Number(trimmed) };
  }
  if (/^(true|false)$/i.test(trimmed)) return { text, boolean: trimmed.toLowerCase() === 'true' };
  return { text, fraction: fractionOfText(trimmed) };
}

/** `{"numerator": 1, "denominator": "HUNDRED"}`, or the same as YAML writes it in one line or in two. */
function fractionOfText(text: string): RuntimeValue['fraction'] {
  const fields = text.replaceAll(/[{}"']/g, ' ').split(/[,\n]/);
  const struct: Record<string, JsonValue> = {};
  for (const field of fields) {
    const [, name, value] = /^\s*(numerator|denominator)\s*:\s*(\w+)\s*$/.exec(field) ?? [];
    if (name === undefined) return undefined;
    struct[name] = /^\d+$/.test(value) ? Number(value) : value;
  }
  return fractionOf(struct);
}

const denominatorNames = ['HUNDRED', 'TEN_THOUSAND', 'MILLION'];

/** Undefined unless the struct holds nothing but a FractionalPercent. */
function fractionOf(struct: JsonObject): RuntimeValue['fraction'] {
  const { numerator = 0, denominator = 0, ...others } = struct;
  if (Object.keys(others).length > 0 || Object.keys(struct).length === 0 || typeof numerator !== 'number')
    return undefined;
  const index = typeof denominator === 'number' ? denominator : denominatorNames.indexOf(String(denominator));
  const found = denominators[index];
  return found === undefined ? undefined : { numerator, denominator: found };
}

function isStruct(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
