/** Writes messages as JSON, as protobuf's own printer does. */
import { type DescMessage, fromBinary, type JsonValue, type Registry, toJson } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import type { envoy } from '../../../../api/envoy_types.ts';
import { hasFractions, jsonText, spellFloats } from './json_numbers.ts';

type Options = envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder_PrintOptions;

/** What browsers could take for markup, and what cannot be seen. */
const escaped =
  /[<>\x7f-\x9f\u00ad\u0600-\u0603\u06dd\u070f\u17b4\u17b5\u200b-\u200f\u2028-\u202e\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb]/g;

export class JsonPrinter {
  private readonly registry: Registry;
  private readonly options: Options | undefined;

  constructor(registry: Registry, options: Options | undefined) {
    this.registry = registry;
    this.options = options;
  }

  /** Undefined when the bytes are no such message, or hold what the descriptors do not know. */
  print(type: DescMessage, bytes: Uint8Array): string | undefined {
    const { options, registry } = this;
    try {
      const message = fromBinary(type, bytes);
      const fractions = hasFractions(type);
      if (fractions) spellFloats(reflect(type, message));
      const json = toJson(type, message, {
        registry,
        alwaysEmitImplicit: options?.alwaysPrintPrimitiveFields ?? false,
        enumAsInteger: options?.alwaysPrintEnumsAsInts ?? false,
        useProtoFieldName: options?.preserveProtoFieldNames ?? false,
      });
      return this.write(json, fractions);
    } catch {
      return undefined;
    }
  }

  private write(json: JsonValue, fractions: boolean): string {
    const pretty = this.options?.addWhitespace === true;
    const indent = pretty ? 1 : undefined;
    let text = JSON.stringify(json, null, indent);
    const hasAny = text.includes('"@type":');
    if (fractions) text = jsonText(hasAny ? (JSON.parse(JSON.stringify(json, typeFirst)) as JsonValue) : json, pretty);
    else if (hasAny) text = JSON.stringify(json, typeFirst, indent);
    if (pretty) text += '\n';
    return text.replace(escaped, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
  }
}

/** A replacer for JSON.stringify: protobuf prints the type of an Any before its fields. */
function typeFirst(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('@type' in value) || Array.isArray(value)) return value;
  const { '@type': type, ...fields } = value;
  return { '@type': type, ...fields };
}
