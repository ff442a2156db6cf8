/** Takes secrets out of a message's JSON: fields the API marks as sensitive, and all below them. */
import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { findMessageType, typeNameOf } from '../../api/registry.ts';

/** Field number of the option `(udpa.annotations.sensitive)`. */
const sensitiveOption = 76569463;
const placeholder = '[redacted]';
const placeholderBytes = Buffer.from(placeholder).toString('base64');

type JsonRecord = Record<string, unknown>;

/** A copy in which strings that must not be shown are `[redacted]` and other sensitive values are gone, as in Envoy. */
export function redact(value: unknown, type: DescMessage, sensitive = false): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return sensitive ? hide(value) : value;
  }
  if (type.typeName === 'google.protobuf.Any') return redactAny(value as JsonRecord, sensitive);
  const fields = fieldsOf(type);
  if (fields === undefined) return sensitive ? hide(value) : value;
  const result: JsonRecord = {};
  for (const [name, each] of Object.entries(value)) {
    const field = fields.get(name);
    const kept = field === undefined ? each : redactField(each, field, sensitive || isSensitive(field));
    if (kept !== undefined) result[name] = kept;
  }
  return result;
}

function redactAny(value: JsonRecord, sensitive: boolean): unknown {
  const { '@type': typeUrl, ...rest } = value;
  const type = findMessageType(typeNameOf(String(typeUrl)));
  if (type === undefined) return sensitive ? { '@type': typeUrl } : value;
  return { '@type': typeUrl, ...(redact(rest, type, sensitive) as JsonRecord) };
}

function redactField(value: unknown, field: DescField, sensitive: boolean): unknown {
  const { message } = field;
  if (message === undefined) {
    if (!sensitive) return value;
    return field.scalar === ScalarType.BYTES
      ? hide(value, placeholderBytes)
      : field.enum === undefined
        ? hide(value)
        : undefined;
  }
  if (field.fieldKind === 'list') return (value as unknown[]).map((each) => redact(each, message, sensitive));
  if (field.fieldKind !== 'map') return redact(value, message, sensitive);
  return Object.fromEntries(
    Object.entries(value as JsonRecord).map(([key, each]) => [key, redact(each, message, sensitive)]),
  );
}

/** Strings are replaced; numbers, booleans and enums are cleared. */
function hide(value: unknown, text = placeholder): unknown {
  if (typeof value === 'string') return text;
  if (Array.isArray(value)) return value.map((each) => hide(each, text));
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, hide(each, text)]));
}

const fieldCache = new WeakMap<DescMessage, Map<string, DescField>>();

/** Undefined for the well-known types that have a JSON form of their own. */
function fieldsOf(type: DescMessage): Map<string, DescField> | undefined {
  if (type.typeName.startsWith('google.protobuf.')) return undefined;
  let fields = fieldCache.get(type);
  if (fields === undefined) {
    fields = new Map(type.fields.map((field) => [field.name, field]));
    fieldCache.set(type, fields);
  }
  return fields;
}

/** Options are extensions that nobody registered: they are found among the unknown fields. */
function isSensitive(field: DescField): boolean {
  return field.proto.options?.$unknown?.some(({ no }) => no === sensitiveOption) ?? false;
}
