/** The query of a path as Envoy takes it apart and puts it together: by name, in the order of the names' bytes. */
import type { envoy } from '../api/envoy_types.ts';
import type { FormatContext } from '../spi/format.ts';
import { parseHeaderValue } from './formatter/header_value.ts';
import { toWire } from './wire_string.ts';

type Message = envoy.config.core.v3.KeyValueMutation;

export type QueryMutation = (parameters: QueryParameters, context: FormatContext) => void;

/** envoy.config.core.v3.KeyValueAppend.KeyValueAppendAction */
const Action = { AppendIfExistsOrAdd: 0, AddIfAbsent: 1, OverwriteIfExistsOrAdd: 2, OverwriteIfExists: 3 } as const;

export class QueryParameters {
  private readonly bare: string;
  private readonly values = new Map<string, string[]>();

  constructor(path: string) {
    const mark = path.indexOf('?');
    this.bare = mark < 0 ? path : path.slice(0, mark);
    if (mark < 0 || mark + 1 === path.length) return;
    const parts = path.slice(mark + 1).split('&');
    // What the last `&` ends is no parameter more.
    if (parts.at(-1) === '') parts.pop();
    for (const part of parts) {
      const equals = part.indexOf('=');
      const [key, value] = equals < 0 ? [part, ''] : [part.slice(0, equals), part.slice(equals + 1)];
      this.add(percentDecoded(key), percentDecoded(value));
    }
  }

  has(key: string): boolean {
    return this.values.has(key);
  }

  add(key: string, value: string): void {
    const values = this.values.get(key);
    if (values === undefined) this.values.set(key, [value]);
    else values.push(value);
  }

  overwrite(key: string, value: string): void {
    this.values.set(key, [value]);
  }

  remove(key: string): void {
    this.values.delete(key);
  }

  /** The path with what its query is now. */
  path(): string {
    const keys = [...this.values.keys()].sort((a, b) => (a < b ? -1 : 1));
    const parts = keys.flatMap((key) => this.values.get(key)!.map((value) => `${key}=${value}`));
    return parts.length === 0 ? this.bare : `${this.bare}?${safe(parts.join('&'))}`;
  }
}

/** Throws on what `queryMutationProblem` reports. */
export function compileQueryMutation(message: Message): QueryMutation {
  const { append, remove } = message;
  const record = append?.record;
  if (append === undefined || record === undefined) {
    const name = toWire(remove);
    return (parameters) => parameters.remove(name);
  }
  const key = toWire(record.key);
  const value = parseValue(record);
  if (typeof value !== 'string' && 'error' in value) throw new Error(value.error);
  const { action } = append;
  return (parameters, context) => {
    if (action === Action.AddIfAbsent && parameters.has(key)) return;
    if (action === Action.OverwriteIfExists && !parameters.has(key)) return;
    const encoded = percentEncoded(typeof value === 'string' ? value : value.format(context));
    if (action === Action.OverwriteIfExists || action === Action.OverwriteIfExistsOrAdd)
      parameters.overwrite(key, encoded);
    else parameters.add(key, encoded);
  };
}

/** What the schema does not say of a mutation, in Envoy's words; undefined: nothing is wrong. */
export function queryMutationProblem({ append, remove }: Message): string | undefined {
  if (append === undefined) return remove === '' ? "One of 'append'/'remove' must be specified." : undefined;
  if (append.record === undefined) return 'No record specified for append mutation.';
  if (append.record.value?.kind.case !== 'stringValue') return 'Only string value is allowed for record value.';
  const value = parseValue(append.record);
  return typeof value !== 'string' && 'error' in value ? value.error : undefined;
}

function parseValue({ key, value }: envoy.config.core.v3.KeyValuePair) {
  const text = value?.kind.case === 'stringValue' ? value.kind.value : '';
  return parseHeaderValue({ key, value: text, rawValue: new Uint8Array() } as never);
}

/** Bytes as latin1; what is no escape stays. */
function percentDecoded(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(/%([\dA-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** All but the unreserved characters of RFC 3986 section 2.3. */
function percentEncoded(text: string): string {
  return text.replace(/[^\w.~-]/g, escape);
}

/** Envoy writes parameters that it did not touch decoded; what would break the request line out of it is encoded again. */
function safe(query: string): string {
  return query.replace(/[\x00-\x20\x7f#]/g, escape);
}

function escape(byte: string): string {
  return `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}
