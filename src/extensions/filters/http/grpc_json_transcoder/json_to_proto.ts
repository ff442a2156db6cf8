/** Writes JSON as the protobuf binary of a message, field by field in the order of the text, as protobuf's own writer does. */
import {
  type DescEnum,
  type DescField,
  type DescMessage,
  fromJson,
  type Registry,
  ScalarType,
  toBinary,
} from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { BindingTree } from './bindings.ts';
import { findField } from './field_path.ts';
import type { JsonNode } from './json_tree.ts';
import { enumValue, type ScalarNode, scalarValue, textOf, writeScalar } from './scalar_values.ts';
import { wellKnownFields } from './well_known_values.ts';

export interface WriteOptions {
  readonly registry: Registry;
  readonly enumsInAnyCase: boolean;
  /** A field in both the body and the path or query is refused, unless they agree. */
  readonly rejectCollisions: boolean;
}

/** Why a message cannot be made of what the client sent; caught by `writeMessage`. */
class Fault extends Error {}

export type WrittenMessage = { readonly bytes: Uint8Array } | { readonly fault: string };

/**
 * `bodyPath`: the field that the body is of, from the message down; empty: it is the message. Undefined `body`: there is
 * none. What `bindings` holds comes behind the body's fields of the same message, and is used up.
 */
export function writeMessage(
  type: DescMessage,
  body: JsonNode | undefined,
  bodyPath: readonly DescField[],
  bindings: BindingTree,
  options: WriteOptions,
): WrittenMessage {
  const writer = new BinaryWriter();
  try {
    new MessageWriter(writer, options).message(type, body, bodyPath, bindings);
  } catch (error) {
    if (error instanceof Fault) return { fault: error.message };
    throw error;
  }
  return { bytes: writer.finish() };
}

/** Messages whose JSON is one value, not an object of their fields; these have one of any kind. */
const dynamicTypes = new Set([
  'google.protobuf.Any',
  'google.protobuf.Struct',
  'google.protobuf.Value',
  'google.protobuf.ListValue',
]);

class MessageWriter {
  private readonly writer: BinaryWriter;
  private readonly options: WriteOptions;
  /** Names of the fields from the root to where we are. */
  private readonly path: string[] = [];

  constructor(writer: BinaryWriter, options: WriteOptions) {
    this.writer = writer;
    this.options = options;
  }

  message(type: DescMessage, body: JsonNode | undefined, bodyPath: readonly DescField[], bindings: BindingTree): void {
    if (bodyPath.length === 0) {
      if (body === undefined) this.weave(bindings);
      else this.root(type, body, bindings);
      return;
    }
    const [field, ...rest] = bodyPath;
    if (rest.length === 0 && body !== undefined) this.field(field, body, bindings);
    else {
      this.nested(field, () => this.message(field.message!, body, rest, bindings.child(field) ?? new BindingTree()));
    }
    this.weave(bindings);
  }

  private root(type: DescMessage, body: JsonNode, bindings: BindingTree): void {
    if (body.kind === 'object') this.object(type, body, bindings);
    else this.fail(': Root element must be a message.');
  }

  private object(type: DescMessage, node: JsonNode & { kind: 'object' }, bindings: BindingTree | undefined): void {
    const oneofs = new Set<string>();
    for (const [key, value] of node.entries) {
      const field = findField(type, key);
      // Fields that the service does not know are no fault of the client.
      if (field === undefined) continue;
      if (value.kind !== 'null') this.checkOneof(field, key, oneofs);
      this.field(field, value, bindings);
    }
    if (bindings !== undefined) this.weave(bindings);
  }

  private checkOneof({ oneof }: DescField, key: string, seen: Set<string>): void {
    if (oneof === undefined) return;
    if (seen.has(oneof.name)) {
      const reason = `oneof field '${oneof.name}' is already set. Cannot set '${key}'`;
      this.fail(`${this.location}: invalid value ${reason} for type oneof`);
    }
    seen.add(oneof.name);
  }

  private field(field: DescField, node: JsonNode, bindings: BindingTree | undefined): void {
    if (bindings !== undefined && node.kind !== 'object' && node.kind !== 'list')
      this.dropBinding(field, node, bindings);
    if (node.kind === 'null' && !takesNull(field)) return;
    this.path.push(field.name);
    if (field.fieldKind === 'map') this.map(field, node);
    else if (field.fieldKind !== 'list') this.single(field, node, bindings?.child(field));
    else if (node.kind === 'list') {
      for (const item of node.items) if (item.kind !== 'null' || takesNull(field)) this.single(field, item, undefined);
      // A single value is taken for a list of one.
    } else this.single(field, node, undefined);
    this.path.pop();
  }

  private single(field: DescField, node: JsonNode, bindings: BindingTree | undefined): void {
    if (field.message !== undefined) this.messageValue(field, field.message, node, bindings);
    else if (node.kind === 'object') this.notScalar(field);
    else if (node.kind === 'list') this.notRepeated();
    else if (field.enum !== undefined) this.enumValue(field.number, field.enum, node as ScalarNode);
    else this.scalar(field.number, field.scalar!, node as ScalarNode);
  }

  private messageValue(field: DescField, type: DescMessage, node: JsonNode, bindings: BindingTree | undefined): void {
    if (dynamicTypes.has(type.typeName)) {
      this.writer.tag(field.number, WireType.LengthDelimited).bytes(this.dynamic(type, node));
      return;
    }
    if (node.kind === 'object') {
      this.nested(field, () => this.object(type, node, bindings));
      return;
    }
    if (node.kind === 'list') this.notRepeated();
    const scalar = node as ScalarNode;
    const known = wellKnownFields(type, scalar);
    if (known === undefined) this.invalid(scalar, type.typeName);
    if (typeof known === 'string') {
      const text = `invalid value Field '${field.name}', ${known}`;
      this.fail(`${this.location}: ${text} for type type.googleapis.com/${type.typeName}`);
    }
    this.writer.tag(field.number, WireType.LengthDelimited).bytes(known);
  }

  private map(field: DescField & { fieldKind: 'map' }, node: JsonNode): void {
    if (node.kind !== 'object')
      this.fail(`${this.location}: Cannot bind ${node.kind} to map for field '${field.name}'.`);
    for (const [key, value] of node.entries) {
      if (value.kind === 'null' && field.mapKind !== 'message') continue;
      this.writer.tag(field.number, WireType.LengthDelimited).fork();
      this.path.push(key);
      this.scalar(1, field.mapKey, { kind: 'string', value: key, text: key });
      this.mapValue(field, value);
      this.path.pop();
      this.writer.join();
    }
  }

  private mapValue(field: DescField & { fieldKind: 'map' }, node: JsonNode): void {
    if (field.mapKind === 'message') {
      const value = { number: 2, name: 'value', message: field.message } as unknown as DescField;
      this.messageValue(value, field.message, node, undefined);
    } else if (node.kind === 'object' || node.kind === 'list') this.notRepeated();
    else if (field.mapKind === 'enum') this.enumValue(2, field.enum, node as ScalarNode);
    else this.scalar(2, field.scalar, node as ScalarNode);
  }

  private scalar(number: number, type: ScalarType, node: ScalarNode): void {
    const value = scalarValue(type, node);
    if (value === undefined)
      this.fail(`${this.location}: invalid value ${node.text} for type TYPE_${ScalarType[type]}`);
    writeScalar(this.writer.tag(number, wireTypes[type] ?? WireType.Varint), type, value);
  }

  private enumValue(number: number, type: DescEnum, node: ScalarNode): void {
    if ((node as JsonNode).kind === 'null') {
      this.writer.tag(number, WireType.Varint).int32(0);
      return;
    }
    const value = enumValue(type, node, this.options.enumsInAnyCase);
    if (value === undefined) this.invalid(node, type.typeName);
    this.writer.tag(number, WireType.Varint).int32(value);
  }

  private dynamic(type: DescMessage, node: JsonNode): Uint8Array {
    const { registry } = this.options;
    try {
      const message = fromJson(type, JSON.parse(node.text), { registry, ignoreUnknownFields: true });
      return toBinary(type, message);
    } catch (error) {
      return this.fail(
        `${this.location}: invalid value ${(error as Error).message} for type type.googleapis.com/${type.typeName}`,
      );
    }
  }

  private nested(field: DescField, write: () => void): void {
    this.writer.tag(field.number, WireType.LengthDelimited).fork();
    write();
    this.writer.join();
  }

  /** Values first, then messages in it, each with what is left for it. */
  private weave(bindings: BindingTree): void {
    const values = bindings.values.splice(0);
    const messages = bindings.messages.splice(0);
    for (const { field, value } of values) {
      this.path.push(field.name);
      this.single(field, { kind: 'string', value, text: `"${value}"` }, undefined);
      this.path.pop();
    }
    for (const { field, tree } of messages) {
      if (tree.isEmpty) continue;
      this.path.push(field.name);
      this.nested(field, () => this.weave(tree));
      this.path.pop();
    }
  }

  private dropBinding(field: DescField, node: JsonNode, bindings: BindingTree): void {
    const inBody = textOf(node as ScalarNode);
    const conflict = bindings.drop(field, inBody);
    if (conflict === undefined || !this.options.rejectCollisions) return;
    this.fail(
      `The binding value "${conflict}" of the field ${field.name} is conflicting with the value "${inBody}" in the body.`,
    );
  }

  private invalid(node: ScalarNode, typeName: string): never {
    return this.fail(`${this.location}: invalid value ${node.text} for type type.googleapis.com/${typeName}`);
  }

  private notRepeated(): never {
    return this.fail(`${this.path.slice(0, -1).join('.')}: Proto field is not repeating, cannot start list.`);
  }

  private notScalar({ jsonName }: DescField): never {
    const around = this.path.slice(0, -1).join('.');
    return this.fail(`${around}: invalid value Starting an object on a scalar field for type ${jsonName}`);
  }

  private get location(): string {
    return this.path.join('.');
  }

  private fail(message: string): never {
    throw new Fault(message);
  }
}

function takesNull(field: DescField): boolean {
  const name = field.message?.typeName ?? field.enum?.typeName;
  return name === 'google.protobuf.Value' || name === 'google.protobuf.NullValue';
}

const wireTypes: { readonly [type: number]: WireType } = {
  [ScalarType.STRING]: WireType.LengthDelimited,
  [ScalarType.BYTES]: WireType.LengthDelimited,
  [ScalarType.DOUBLE]: WireType.Bit64,
  [ScalarType.FIXED64]: WireType.Bit64,
  [ScalarType.SFIXED64]: WireType.Bit64,
  [ScalarType.FLOAT]: WireType.Bit32,
  [ScalarType.FIXED32]: WireType.Bit32,
  [ScalarType.SFIXED32]: WireType.Bit32,
};
