/** Where each message came from: its node, its path and its fields' places, and what its Any fields hold. */
import type { DescField } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { type AnyMessage, findMessageType, unpackAny } from '../api/registry.ts';
import type { Span } from './source_text.ts';

export interface FieldOrigin {
  readonly key: Span;
  /** What to point at when the value is wrong: a scalar itself, for anything larger the key. */
  readonly value: Span;
  /** Of a list, the places of its items; of a map, undefined. */
  items: Span[] | undefined;
  /** The value was wrong and reported: what depends on it is not worth a second complaint. */
  failed: boolean;
}

export interface MessageOrigin {
  /** Undefined: it was not read from a text. */
  readonly at: Span | undefined;
  readonly path: string;
  /** By the field's name in the .proto file. */
  readonly fields: Map<string, FieldOrigin>;
}

export class Origins {
  readonly #messages = new WeakMap<object, MessageOrigin>();
  readonly #contents = new WeakMap<Any, AnyMessage>();

  set(message: object, origin: MessageOrigin): void {
    this.#messages.set(message, origin);
  }

  of(message: object): MessageOrigin | undefined {
    return this.#messages.get(message);
  }

  setContent(any: Any, message: AnyMessage): void {
    this.#contents.set(any, message);
  }

  /** What an Any holds: the very message that was read, or decoded when it did not come from a text. */
  content(any: Any): AnyMessage | undefined {
    let message = this.#contents.get(any);
    if (message === undefined && any.typeUrl !== '') {
      try {
        message = unpackAny(any);
      } catch {
        return undefined;
      }
      this.#contents.set(any, message);
    }
    return message;
  }

  /** The key a field was written by. */
  keyOf(message: object, field: string): { at: Span | undefined; fullPath: string } {
    const origin = this.of(message);
    return { at: origin?.fields.get(field)?.key ?? origin?.at, fullPath: joinPath(origin?.path ?? '', field) };
  }

  /** The place of a field of a message, or the nearest thing around it that has one. */
  find(message: object, path: string): { at: Span | undefined; fullPath: string } {
    let current: object = message;
    let at = this.of(message)?.at;
    const fullPath = joinPath(this.of(message)?.path ?? '', path);
    for (const segment of splitPath(path)) {
      const origin = this.of(current);
      const field = origin?.fields.get(segment.name);
      if (field !== undefined) at = place(field, segment.index);
      const next = this.#step(current, segment);
      if (next === undefined) break;
      current = next;
      at = (field === undefined ? undefined : place(field, segment.index)) ?? this.of(current)?.at ?? at;
    }
    return { at, fullPath };
  }

  /** The message a path's segment leads to, through an Any when there is one. */
  #step(message: object, segment: Segment): object | undefined {
    const { $typeName } = message as Partial<AnyMessage>;
    // A google.protobuf.Struct is plain JSON: nothing is known of the places in it.
    if ($typeName === undefined) return undefined;
    const type = findMessageType($typeName);
    const field = type?.fields.find((candidate) => candidate.name === segment.name);
    if (type === undefined || field === undefined) return undefined;
    let value = fieldValue(message as AnyMessage, field);
    if (segment.index !== undefined && Array.isArray(value)) value = value[segment.index];
    if (segment.key !== undefined) value = (value as Record<string, unknown> | undefined)?.[segment.key];
    if (typeof value !== 'object' || value === null) return undefined;
    return isAny(value) ? this.content(value) : value;
  }
}

/** The value of a field, out of its oneof when it is in one; undefined when another case is set. */
export function fieldValue(message: AnyMessage, field: DescField): unknown {
  if (field.oneof === undefined) return message[field.localName];
  const oneof = message[field.oneof.localName] as { case?: string; value?: unknown };
  return oneof.case === field.localName ? oneof.value : undefined;
}

export function isAny(value: object): value is Any {
  return (value as { $typeName?: string }).$typeName === 'google.protobuf.Any';
}

function joinPath(base: string, path: string): string {
  if (base === '') return path;
  if (path === '') return base;
  return path.startsWith('[') ? base + path : `${base}.${path}`;
}

interface Segment {
  readonly name: string;
  readonly index: number | undefined;
  readonly key: string | undefined;
}

/** `a.b[2].c["x.y"]` → segments. */
function splitPath(path: string): Segment[] {
  const segments: Segment[] = [];
  for (const [, name, index, key] of path.matchAll(/([A-Za-z0-9_]+)(?:\[(\d+)\]|\["([^"]*)"\])?/g)) {
    segments.push({ name, index: index === undefined ? undefined : Number(index), key });
  }
  return segments;
}

function place(field: FieldOrigin, index: number | undefined): Span {
  return index === undefined ? field.value : (field.items?.[index] ?? field.value);
}
