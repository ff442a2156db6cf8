/**
 * Source tree → canonical v3 messages by reflection over the descriptors (control path, step 2): every error at once, each
 * placed. Takes what Envoy takes beyond protobuf's JSON: enum names in any case, a bare value for a list, nested lists.
 */
import { create, type DescField, type DescMessage, isFieldSet, type Message } from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import { type AnyMessage, allMessageNames, encode, findMessageType, messageType, typeNameOf } from '../api/registry.ts';
import { convertEnum, convertScalar, Problem, zeroOf } from './convert_scalar.ts';
import { convertWellKnown, durationProblem, hasOwnForm, isWrapper, takesFields } from './convert_well_known.ts';
import { type ExtensionLookup, extensionPoints } from './extension_points.ts';
import type { FieldOrigin, MessageOrigin, Origins } from './origins.ts';
import type { Report } from './report.ts';
import type { Span } from './source_text.ts';
import { anchor, describe, type MapEntry, type MapNode, type SourceNode } from './source_tree.ts';
import { didYouMean } from './suggest.ts';

const typedStructs = new Set(['xds.type.v3.TypedStruct', 'udpa.type.v1.TypedStruct']);

/** A value was wrong and has been reported. */
const failed = Symbol('failed');

export class Converter {
  readonly #report: Report;
  readonly #origins: Origins;
  readonly #extensions: ExtensionLookup;
  #typeNames: string[] | undefined;

  constructor(report: Report, origins: Origins, extensions: ExtensionLookup) {
    this.#report = report;
    this.#origins = origins;
    this.#extensions = extensions;
  }

  /**
   * Reads a map into a message, a new one or `target`: then as protobuf merges, lists appended, messages merged, scalars
   * replaced. Undefined (and reported) when the node is no map. `at` is where a reader finds the message's type.
   */
  message(type: DescMessage, node: SourceNode, path: string, target?: AnyMessage, at = node): AnyMessage | undefined {
    if (node.kind !== 'map') {
      this.#report.error(node, path, `expected a map, got ${describe(node)}`);
      return undefined;
    }
    const message = target ?? (create(type) as AnyMessage);
    let origin = this.#origins.of(message);
    if (origin === undefined) {
      origin = { at: anchor(at), path, fields: new Map() };
      this.#origins.set(message, origin);
    }
    this.#fields(type, node, message, origin, path);
    this.#fillNamedExtension(type, message, origin);
    return message;
  }

  #fields(type: DescMessage, node: MapNode, message: AnyMessage, origin: MessageOrigin, path: string): void {
    const fields = fieldsByKey(type);
    const oneofs = new Map<string, MapEntry>();
    for (const entry of lastOfEach(node.entries)) {
      const field = fields.get(entry.key);
      if (field === undefined) {
        if (entry.key !== '@type') this.#unknownField(type, entry, path);
        continue;
      }
      if (isNull(entry.value) && field.message?.typeName !== 'google.protobuf.Value') continue;
      if (field.oneof !== undefined) {
        const other = oneofs.get(field.oneof.name);
        if (other !== undefined) {
          this.#report.error(
            entry.keyAt,
            join(path, field.name),
            `only one of '${other.key}' and '${entry.key}' may be given`,
          );
          continue;
        }
        oneofs.set(field.oneof.name, entry);
      }
      this.#field(field, entry, message, origin, join(path, field.name));
    }
  }

  #unknownField(type: DescMessage, entry: MapEntry, path: string): void {
    const names = type.fields.map((field) => field.name);
    const hint = didYouMean(entry.key, names);
    this.#report.error(entry.keyAt, join(path, entry.key), `unknown field '${entry.key}' in ${type.typeName}`, hint);
  }

  #field(field: DescField, entry: MapEntry, message: AnyMessage, origin: MessageOrigin, path: string): void {
    const at: FieldOrigin = {
      key: entry.keyAt,
      value: entry.value.kind === 'scalar' ? entry.value : entry.keyAt,
      items: undefined,
      failed: false,
    };
    const earlier = origin.fields.get(field.name);
    if (field.fieldKind === 'list') at.items = earlier?.items ?? [];
    origin.fields.set(field.name, at);
    let ok: boolean;
    if (field.fieldKind === 'list')
      ok = this.#list(field, entry.value, message[field.localName] as unknown[], at.items!, path);
    else if (field.fieldKind === 'map') ok = this.#map(field, entry.value, message, path);
    else ok = this.#singular(field, entry.value, message, path, earlier !== undefined);
    at.failed = !ok;
  }

  #singular(field: DescField, node: SourceNode, message: AnyMessage, path: string, again: boolean): boolean {
    const oneof =
      field.oneof === undefined ? undefined : (message[field.oneof.localName] as { case?: string; value?: unknown });
    const current =
      oneof === undefined ? message[field.localName] : oneof.case === field.localName ? oneof.value : undefined;
    const value = this.#value(field, node, path, again && isMessage(current) ? current : undefined);
    if (value === failed) return false;
    if (oneof !== undefined) message[field.oneof!.localName] = { case: field.localName, value };
    else if (!(again && !isPresent(field, value))) message[field.localName] = value;
    return true;
  }

  #list(field: DescField, node: SourceNode, list: unknown[], items: Span[], path: string): boolean {
    if (node.kind === 'list') {
      let ok = true;
      for (const item of node.items) {
        if (item.kind === 'list' && !takesLists(field)) ok = this.#list(field, item, list, items, path) && ok;
        else ok = this.#item(field, item, list, items, path) && ok;
      }
      return ok;
    }
    if (isEmptyMap(node) && field.message === undefined) {
      this.#report.error(node, path, `expected a list, got ${describe(node)}`);
      return false;
    }
    return this.#item(field, node, list, items, path);
  }

  #item(field: DescField, node: SourceNode, list: unknown[], items: Span[], path: string): boolean {
    const value = isNull(node) ? emptyItem(field) : this.#value(field, node, `${path}[${list.length}]`, undefined);
    if (value === failed) return false;
    list.push(value);
    items.push(anchor(node));
    return true;
  }

  #map(field: DescField & { fieldKind: 'map' }, node: SourceNode, message: AnyMessage, path: string): boolean {
    if (node.kind !== 'map') {
      this.#report.error(node, path, `expected a map, got ${describe(node)}`);
      return false;
    }
    const map = message[field.localName] as Record<string, unknown>;
    let ok = true;
    for (const entry of lastOfEach(node.entries)) {
      const key = convertScalar(field.mapKey, { kind: 'scalar', value: entry.key, ...entry.keyAt });
      const entryPath = `${path}["${entry.key}"]`;
      if (key instanceof Problem) {
        this.#report.error(entry.keyAt, entryPath, key.reason, key.hint);
        ok = false;
        continue;
      }
      const value = isNull(entry.value) ? emptyItem(field) : this.#value(field, entry.value, entryPath, undefined);
      if (value === failed) ok = false;
      else map[String(key)] = value;
    }
    return ok;
  }

  /** One value of a field: the field's own, a list item's or a map entry's. */
  #value(field: DescField, node: SourceNode, path: string, target: AnyMessage | undefined): unknown {
    if (field.message !== undefined) return this.#messageValue(field, field.message, node, path, target);
    return this.#take(field.enum ? convertEnum(field.enum, node) : convertScalar(field.scalar!, node), node, path);
  }

  #messageValue(field: DescField, type: DescMessage, node: SourceNode, path: string, target?: AnyMessage): unknown {
    if (!hasOwnForm(type.typeName)) return this.message(type, node, path, target) ?? failed;
    if (type.typeName === 'google.protobuf.Any') return this.#any(node, path) ?? failed;
    if (node.kind === 'map' && takesFields(type.typeName)) return this.#byFields(field, type, node, path);
    if (!isWrapper(type.typeName)) return this.#take(convertWellKnown(type.typeName, node), node, path);
    const value = this.#take(convertScalar(type.fields[0].scalar!, node), node, path);
    if (value === failed || (field.fieldKind === 'message' && field.oneof === undefined)) return value;
    return create(type, { value } as Record<string, unknown>);
  }

  /** `{ seconds: 5 }` for a duration, `{ value: 5 }` for a number that may be unset: Envoy's reader takes these too. */
  #byFields(field: DescField, type: DescMessage, node: MapNode, path: string): unknown {
    const errors = this.#report.errors.length;
    const message = this.message(type, node, path);
    if (message === undefined || this.#report.errors.length > errors) return failed;
    if (!isWrapper(type.typeName)) return this.#take(durationProblem(message) ?? message, node, path);
    return field.fieldKind === 'message' && field.oneof === undefined ? message['value'] : message;
  }

  #take(value: unknown, node: SourceNode, path: string): unknown {
    if (!(value instanceof Problem)) return value;
    this.#report.error(node, path, value.reason, value.hint);
    return failed;
  }

  /** The content is read by its type and kept beside the packed bytes; a TypedStruct becomes what it stands for. */
  #any(node: SourceNode, path: string): Any | undefined {
    if (node.kind !== 'map') {
      this.#report.error(node, path, `expected a map with '@type', got ${describe(node)}`);
      return undefined;
    }
    if (node.entries.length === 0) return create(AnySchema);
    const entry = findEntry(node, '@type');
    if (entry === undefined) {
      this.#report.error(node, path, "'@type' is missing: it says which message this is");
      return undefined;
    }
    const type = this.#typeOf(entry, path);
    if (type === undefined) return undefined;
    if (typedStructs.has(type.typeName)) return this.#typedStruct(node, path);
    if (type.typeName === 'google.protobuf.Any') {
      this.#report.error(
        entry.value,
        join(path, '@type'),
        'an Any in an Any says nothing: give the type of its content',
      );
      return undefined;
    }
    return this.#pack(
      type,
      hasOwnForm(type.typeName) ? (findEntry(node, 'value')?.value ?? node) : node,
      path,
      entry.value,
    );
  }

  #typedStruct(node: MapNode, path: string): Any | undefined {
    const url = findEntry(node, 'type_url') ?? findEntry(node, 'typeUrl');
    if (url === undefined) {
      this.#report.error(node, path, "'type_url' is missing: it says which message this is");
      return undefined;
    }
    const type = this.#typeOf(url, path);
    if (type === undefined) return undefined;
    return this.#pack(type, findEntry(node, 'value')?.value ?? { ...node, entries: [] }, path, url.value);
  }

  #pack(type: DescMessage, node: SourceNode, path: string, at: SourceNode): Any | undefined {
    const message = hasOwnForm(type.typeName)
      ? this.#ownForm(type, node, path)
      : this.message(type, node, path, undefined, at);
    return message === undefined ? undefined : this.#wrap(type, message);
  }

  #ownForm(type: DescMessage, node: SourceNode, path: string): AnyMessage | undefined {
    const value = isWrapper(type.typeName)
      ? convertScalar(type.fields[0].scalar!, node)
      : convertWellKnown(type.typeName, node);
    const taken = this.#take(value, node, path);
    if (taken === failed) return undefined;
    if (isWrapper(type.typeName)) return create(type, { value: taken } as Record<string, unknown>) as AnyMessage;
    return (isMessage(taken) ? taken : create(type)) as AnyMessage;
  }

  #wrap(type: DescMessage, message: Message): Any {
    const any = create(AnySchema, {
      typeUrl: `type.googleapis.com/${type.typeName}`,
      value: encode(type.typeName, message),
    });
    this.#origins.setContent(any, message as AnyMessage);
    return any;
  }

  #typeOf(entry: MapEntry, path: string): DescMessage | undefined {
    const url = entry.value.kind === 'scalar' ? entry.value.value : undefined;
    if (typeof url !== 'string' || url.indexOf('/') < 1) {
      const hint =
        typeof url === 'string' && findMessageType(url) ? `did you mean 'type.googleapis.com/${url}'?` : undefined;
      this.#report.error(
        entry.value,
        join(path, entry.key),
        'expected a type URL such as type.googleapis.com/package.Message',
        hint,
      );
      return undefined;
    }
    const type = findMessageType(typeNameOf(url));
    if (type === undefined) {
      this.#typeNames ??= allMessageNames();
      const hint = didYouMean(typeNameOf(url), this.#typeNames, 2);
      this.#report.error(entry.value, join(path, entry.key), `unknown message type '${typeNameOf(url)}'`, hint);
    }
    return type;
  }

  /** Envoy once found extensions by name: one with a configuration that may be empty needs no typed_config. */
  #fillNamedExtension(type: DescMessage, message: AnyMessage, origin: MessageOrigin): void {
    const category = extensionPoints[type.typeName];
    if (category === undefined) return;
    const config = message['configType'] as { case?: string; value?: unknown };
    const empty = config.case === 'typedConfig' && (config.value as Any).typeUrl === '';
    if (origin.fields.get('typed_config')?.failed || (config.case !== undefined && !empty)) return;
    const factory = this.#extensions.byName(category, message['name'] as string);
    if (factory === undefined) return;
    const configType = messageType(factory.typeName);
    const content = create(configType) as AnyMessage;
    this.#origins.set(content, { at: origin.at, path: join(origin.path, 'typed_config'), fields: new Map() });
    message['configType'] = { case: 'typedConfig', value: this.#wrap(configType, content) };
  }
}

const fieldTables = new WeakMap<DescMessage, Map<string, DescField>>();

/** Fields by both spellings: snake_case and lowerCamelCase. */
function fieldsByKey(type: DescMessage): Map<string, DescField> {
  let table = fieldTables.get(type);
  if (table === undefined) {
    table = new Map();
    for (const field of type.fields) table.set(field.jsonName, field).set(field.name, field);
    fieldTables.set(type, table);
  }
  return table;
}

function* lastOfEach(entries: readonly MapEntry[]): Iterable<MapEntry> {
  const last = new Map<string, MapEntry>();
  for (const entry of entries) last.set(entry.key, entry);
  yield* last.values();
}

function findEntry(node: MapNode, key: string): MapEntry | undefined {
  return node.entries.findLast((entry) => entry.key === key);
}

function emptyItem(field: DescField): unknown {
  if (field.message !== undefined)
    return field.message.typeName === 'google.protobuf.Struct' ? {} : create(field.message);
  return field.enum === undefined ? zeroOf(field.scalar!) : 0;
}

/** Protobuf merges no default value over another one where a field has no presence of its own. */
function isPresent(field: DescField, value: unknown): boolean {
  return isFieldSet({ ...create(field.parent), [field.localName]: value } as Message, field);
}

function takesLists(field: DescField): boolean {
  return field.message?.typeName === 'google.protobuf.Value' || field.message?.typeName === 'google.protobuf.ListValue';
}

function isNull(node: SourceNode): boolean {
  return node.kind === 'scalar' && node.value === null;
}

function isEmptyMap(node: SourceNode): boolean {
  return node.kind === 'map' && node.entries.length === 0;
}

function isMessage(value: unknown): value is AnyMessage {
  return typeof value === 'object' && value !== null && '$typeName' in value;
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}
