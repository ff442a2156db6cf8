/** google.api.HttpBody: a body of any type as a message, in both directions. */
import type { DescField } from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { encode } from '../../../../api/registry.ts';

const contentTypeField = 1;
const dataField = 2;
const extensionsField = 3;

export interface HttpBody {
  readonly contentType: string;
  readonly data: Uint8Array;
}

/** Query parameters that no field is named by. */
export type UnknownParameters = ReadonlyMap<string, readonly string[]>;

/** The HttpBody as the field at `path` of the message around it. */
export function writeHttpBody(
  path: readonly DescField[],
  contentType: string,
  data: Uint8Array,
  unknown: UnknownParameters,
): Uint8Array {
  const writer = new BinaryWriter();
  for (const field of path) writer.tag(field.number, WireType.LengthDelimited).fork();
  if (contentType !== '') writer.tag(contentTypeField, WireType.LengthDelimited).string(contentType);
  if (unknown.size > 0) writer.tag(extensionsField, WireType.LengthDelimited).bytes(packUnknown(unknown));
  writer.tag(dataField, WireType.LengthDelimited).bytes(data);
  for (let i = 0; i < path.length; i++) writer.join();
  return writer.finish();
}

/** Undefined when the message has no such field, or is malformed. */
export function readHttpBody(path: readonly DescField[], message: Uint8Array): HttpBody | undefined {
  const body = { contentType: '', data: new Uint8Array() as Uint8Array };
  try {
    read(path, message, body);
  } catch {
    return undefined;
  }
  return body;
}

function read(path: readonly DescField[], message: Uint8Array, body: { contentType: string; data: Uint8Array }): void {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (wireType !== WireType.LengthDelimited) reader.skip(wireType, number);
    else if (path.length > 0 && number === path[0].number) read(path.slice(1), reader.bytes(), body);
    else if (path.length === 0 && number === contentTypeField) body.contentType = reader.string();
    else if (path.length === 0 && number === dataField) body.data = reader.bytes();
    else reader.skip(wireType, number);
  }
}

function packUnknown(unknown: UnknownParameters): Uint8Array {
  const typeName = 'envoy.extensions.filters.http.grpc_json_transcoder.v3.UnknownQueryParams';
  const valuesType = `${typeName}.Values` as const;
  const key: Record<string, { readonly $typeName: typeof valuesType; values: string[] }> = {};
  for (const [name, values] of unknown) key[name] = { $typeName: valuesType, values: [...values] };
  const value = encode(typeName, { $typeName: typeName, key } as never);
  const any = { $typeName: 'google.protobuf.Any', typeUrl: `type.googleapis.com/${typeName}`, value };
  return encode('google.protobuf.Any', any as never);
}
