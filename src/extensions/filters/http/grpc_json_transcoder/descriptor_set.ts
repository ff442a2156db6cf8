/** The services to be transcoded, as a FileDescriptorSet of protoc describes them: types, methods and their HTTP rules. */
import { readFileSync } from 'node:fs';
import { createFileRegistry, type DescMethod, type FileRegistry, fromBinary } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import type { envoy } from '../../../../api/envoy_types.ts';
import { decode } from '../../../../api/registry.ts';

type Message = envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder;

/** google.api.HttpRule */
export interface HttpRule {
  readonly pattern:
    | { readonly case: 'get' | 'put' | 'post' | 'delete' | 'patch'; readonly value: string }
    | { readonly case: 'custom'; readonly value: { readonly kind: string; readonly path: string } }
    | { readonly case: undefined };
  /** A field of the request, `*` for all of it, empty for none. */
  readonly body: string;
  readonly responseBody: string;
  readonly additionalBindings: readonly HttpRule[];
}

/** Field number of the option `google.api.http`. */
const httpOption = 72_295_728;

/** Throws in Envoy's words. */
export function readDescriptorSet({ descriptorSet }: Message): FileRegistry {
  let bytes: Uint8Array;
  if (descriptorSet.case === 'protoDescriptorBin') bytes = descriptorSet.value;
  else if (descriptorSet.case === 'protoDescriptor') bytes = readFile(descriptorSet.value);
  else throw new Error('transcoding_filter: descriptor not set');
  const set = parse(bytes);
  try {
    return createFileRegistry(set);
  } catch (error) {
    throw new Error(`transcoding_filter: Unable to build proto descriptor pool: ${(error as Error).message}`);
  }
}

/** Undefined when the method says nothing. */
export function httpRuleOf(method: DescMethod): HttpRule | undefined {
  const option = method.proto.options?.$unknown?.findLast(({ no }) => no === httpOption);
  if (option === undefined) return undefined;
  return decode('google.api.HttpRule', new BinaryReader(option.data).bytes()) as unknown as HttpRule;
}

function readFile(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Error(`unable to read file: ${path} (${(error as NodeJS.ErrnoException).code})`);
  }
}

function parse(bytes: Uint8Array) {
  try {
    return fromBinary(FileDescriptorSetSchema, bytes);
  } catch {
    throw new Error('transcoding_filter: Unable to parse proto descriptor');
  }
}
