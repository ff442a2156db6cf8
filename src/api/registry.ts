/** The registry of Envoy's API: descriptors loaded from `descriptors/` file by file as types are asked for (both threads). */
import { readFileSync } from 'node:fs';
import {
  createFileRegistry,
  type DescEnum,
  type DescExtension,
  type DescFile,
  type DescMessage,
  fromBinary,
  type Message,
  type Registry,
  toBinary,
} from '@bufbuild/protobuf';
import {
  type Any,
  FileDescriptorProtoSchema,
  file_google_protobuf_any,
  file_google_protobuf_descriptor,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
} from '@bufbuild/protobuf/wkt';
import type { MessageTypes } from './envoy_types.ts';

/** Offset and length in descriptors.binpb, package, names of top-level messages, of top-level enums and services. */
type IndexEntry = [number, number, string, string[], string[]];

/** A message whose type is only known by name: `$typeName` and camelCase fields. */
export type AnyMessage = Message & Record<string, unknown>;

const folder = new URL('./descriptors/', import.meta.url);
const index = JSON.parse(readFileSync(new URL('index.json', folder), 'utf8')) as Record<string, IndexEntry>;
let descriptorBytes: Uint8Array | undefined;

const loadedFiles = new Map<string, DescFile>();
/** As `loadedFiles` but without imports: the library walks all paths of the import graph of what it is given. */
const importable = new Map<string, DescFile>();
/** What a file passes on to its importers (`import public`). */
const publicImports = new Map<string, string[]>();
const messages = new Map<string, DescMessage>();
const enums = new Map<string, DescEnum>();
let fileOfType: Map<string, string> | undefined;

// The library's own well-known types keep their identity, so that its helpers (anyUnpack, timestampNow, …) work on ours.
for (const file of [
  file_google_protobuf_any,
  file_google_protobuf_descriptor,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
]) {
  remember(`${file.name}.proto`, file);
}

/** The descriptor of a message type, e.g. `envoy.config.cluster.v3.Cluster`. Throws when Envoy's API has none of that name. */
export function messageType(fullName: string): DescMessage {
  const type = findMessageType(fullName);
  if (type === undefined) throw new Error(`unknown message type ${fullName}`);
  return type;
}

/** As `messageType`, but undefined when there is none. */
export function findMessageType(fullName: string): DescMessage | undefined {
  load(fullName);
  return messages.get(fullName);
}

/** The descriptor of an enum type, nested ones included, or undefined. */
export function findEnumType(fullName: string): DescEnum | undefined {
  load(fullName);
  return enums.get(fullName);
}

/** The options of protoc-gen-validate (`rules`, `required`, `disabled`, `ignored`), which stand in descriptors as extensions. */
export function validationOption(name: string): DescExtension {
  const option = loadFile('validate/validate.proto').extensions.find((extension) => extension.name === name);
  if (option === undefined) throw new Error(`unknown option validate.${name}`);
  return option;
}

/** Full names of all top-level messages of the API, unordered: for did-you-mean. */
export function allMessageNames(): string[] {
  const names: string[] = [];
  for (const entry of Object.values(index)) for (const name of entry[3]) names.push(`${entry[2]}.${name}`);
  return names;
}

/** The full name in a type URL: what follows the last slash. */
export function typeNameOf(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
}

/** Decodes the message inside an Any. Throws when the type is unknown or the bytes are not such a message. */
export function unpackAny(any: Any): AnyMessage;
export function unpackAny<N extends keyof MessageTypes>(any: Any, expected: N): MessageTypes[N];
export function unpackAny(any: Any, expected?: string): unknown {
  const name = typeNameOf(any.typeUrl);
  if (expected !== undefined && name !== expected) throw new Error(`expected ${expected}, got ${name}`);
  return decode(name, any.value);
}

/** Decodes protobuf binary. Throws on an unknown type name and on malformed bytes. */
export function decode<N extends keyof MessageTypes>(fullName: N, bytes: Uint8Array): MessageTypes[N];
export function decode(fullName: string, bytes: Uint8Array): AnyMessage;
export function decode(fullName: string, bytes: Uint8Array): unknown {
  return fromBinary(messageType(fullName), bytes);
}

/** Encodes to protobuf binary; the fields in the order of their numbers, so equal messages give equal bytes but for maps. */
export function encode<N extends keyof MessageTypes>(fullName: N, message: MessageTypes[N]): Uint8Array<ArrayBuffer>;
export function encode(fullName: string, message: Message): Uint8Array<ArrayBuffer>;
export function encode(fullName: string, message: unknown): Uint8Array<ArrayBuffer> {
  return toBinary(messageType(fullName), message as Message);
}

/** All types of the API as a protobuf-es registry that loads them on demand: for toJson and fromJson of messages with Any. */
export const registry: Registry = {
  kind: 'registry',
  [Symbol.iterator]: () => messages.values(),
  get: (typeName) => findMessageType(typeName) ?? findEnumType(typeName),
  getMessage: findMessageType,
  getEnum: findEnumType,
  getExtension: () => undefined,
  getExtensionFor: () => undefined,
  getService: () => undefined,
};

/** Loads the file that declares a type, or a type it is nested in. */
function load(fullName: string): void {
  if (messages.has(fullName) || enums.has(fullName)) return;
  fileOfType ??= indexTypes();
  for (let name = fullName; name !== ''; name = name.slice(0, Math.max(0, name.lastIndexOf('.')))) {
    const file = fileOfType.get(name);
    if (file !== undefined) {
      loadFile(file);
      return;
    }
  }
}

function indexTypes(): Map<string, string> {
  const types = new Map<string, string>();
  for (const [file, entry] of Object.entries(index)) {
    for (const name of entry[3]) types.set(`${entry[2]}.${name}`, file);
    for (const name of entry[4]) types.set(`${entry[2]}.${name}`, file);
  }
  return types;
}

function loadFile(name: string): DescFile {
  const loaded = loadedFiles.get(name);
  if (loaded !== undefined) return loaded;
  const entry = index[name];
  if (entry === undefined) throw new Error(`no descriptor of ${name}`);
  descriptorBytes ??= readFileSync(new URL('descriptors.binpb', folder));
  const proto = fromBinary(FileDescriptorProtoSchema, descriptorBytes.subarray(entry[0], entry[0] + entry[1]));
  publicImports.set(
    name,
    proto.publicDependency.map((i) => proto.dependency[i]),
  );
  const imports = new Set<string>();
  for (const dependency of proto.dependency) {
    if (isAnnotation(dependency)) continue;
    loadFile(dependency);
    imports.add(dependency);
    for (const file of publicImports.get(dependency) ?? []) imports.add(file);
  }
  proto.dependency = [...imports];
  const built = createFileRegistry(proto, (dependency) => importable.get(dependency));
  const file = built.getFile(name)!;
  remember(name, file);
  return file;
}

/** Annotations only declare options, which nothing refers to as types; the reader of `validate.rules` loads its own. */
function isAnnotation(file: string): boolean {
  return file.includes('/annotations/') || file === 'validate/validate.proto';
}

function remember(name: string, file: DescFile): void {
  loadedFiles.set(name, file);
  importable.set(name, { ...file, dependencies: [] });
  for (const type of file.enums) enums.set(type.typeName, type);
  for (const type of file.messages) rememberMessage(type);
}

function rememberMessage(type: DescMessage): void {
  messages.set(type.typeName, type);
  for (const nested of type.nestedEnums) enums.set(nested.typeName, nested);
  for (const nested of type.nestedMessages) rememberMessage(nested);
}
