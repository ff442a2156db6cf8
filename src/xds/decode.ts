/** Control path, step 3: the resources of a response, decoded one by one, each with its name. */
import type { Any } from '@bufbuild/protobuf/wkt';
import type { envoy } from '../api/envoy_types.ts';
import { type AnyMessage, decode, findMessageType, typeNameOf } from '../api/registry.ts';
import { durationMs } from '../common/duration.ts';
import type { DecodedResource, Rejection } from './subscription.ts';
import { typeNameFor } from './type_urls.ts';

const wrapper = 'envoy.service.discovery.v3.Resource';

/** A resource that was decoded, a heartbeat that renews one, or why it is neither. */
export interface Decoded {
  readonly resources: DecodedResource[];
  /** Names whose time to live starts anew. */
  readonly heartbeats: { readonly name: string; readonly ttl: number }[];
  readonly rejections: Rejection[];
}

/** Resources of state of the world: bare, or wrapped when they have a name of their own or a time to live. */
export function decodeAll(list: readonly Any[], typeName: string, version: string): Decoded {
  const decoded: Decoded = { resources: [], heartbeats: [], rejections: [] };
  for (const any of list) {
    if (typeNameOf(any.typeUrl) !== wrapper) add(decoded, any, typeName, '', version, 0);
    else {
      const inner = tryDecode(wrapper, any.value, decoded, '') as unknown as
        | envoy.service.discovery.v3.Resource
        | undefined;
      if (inner !== undefined) addWrapped(decoded, inner, typeName, version);
    }
  }
  return decoded;
}

/** Resources of a delta response. */
export function decodeDelta(
  list: readonly envoy.service.discovery.v3.Resource[],
  typeName: string,
  version: string,
): Decoded {
  const decoded: Decoded = { resources: [], heartbeats: [], rejections: [] };
  for (const resource of list) addWrapped(decoded, resource, typeName, version);
  return decoded;
}

function addWrapped(
  decoded: Decoded,
  { name, version, resource, ttl }: envoy.service.discovery.v3.Resource,
  typeName: string,
  responseVersion: string,
): void {
  const milliseconds = durationMs(ttl) ?? 0;
  if (resource === undefined) decoded.heartbeats.push({ name, ttl: milliseconds });
  else add(decoded, resource, typeName, name, version || responseVersion, milliseconds);
}

function add(decoded: Decoded, any: Any, typeName: string, name: string, version: string, ttl: number): void {
  const found = typeNameFor(any.typeUrl);
  if (found !== typeName) {
    decoded.rejections.push({ resource: name, reason: `is a ${found}, expected a ${typeName}` });
    return;
  }
  const message = tryDecode(typeName, any.value, decoded, name);
  if (message !== undefined) decoded.resources.push({ name: name || nameOf(message), version, message, ttl });
}

function tryDecode(typeName: string, bytes: Uint8Array, decoded: Decoded, name: string): AnyMessage | undefined {
  try {
    return decode(typeName, bytes);
  } catch (error) {
    const known = findMessageType(typeName) !== undefined;
    const reason = known ? `cannot be decoded as ${typeName}: ${(error as Error).message}` : `unknown type ${typeName}`;
    decoded.rejections.push({ resource: name, reason });
    return undefined;
  }
}

/** Endpoints are named after their cluster, everything else by `name`. */
export function nameOf(message: AnyMessage): string {
  const name = message['name'] ?? message['clusterName'];
  return typeof name === 'string' ? name : '';
}

/** The text of error_detail: every reason, each with the resource it is about. Envoy cuts at 4 KiB; so do we. */
export function rejectionText(rejections: readonly Rejection[]): string {
  const text = rejections
    .map(({ resource, reason }) => (resource === '' ? reason : `${resource}: ${reason}`))
    .join('\n');
  return text.length <= mostDetail ? text : `${text.slice(0, mostDetail)}...(truncated)`;
}

const mostDetail = 4096;
