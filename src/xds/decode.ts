/** Control path, step 3: the resources of a response, decoded one by one, each with its name. */
import { hash } from 'node:crypto';
import type { Any } from '@bufbuild/protobuf/wkt';
import type { envoy } from '../api/envoy_types.ts';
import { type AnyMessage, decode, findMessageType, typeNameOf } from '../api/registry.ts';
import { durationMs } from '../common/duration.ts';
import { Slices } from '../common/slices.ts';
import type { DecodedResource, Rejection } from './subscription.ts';
import { typeNameFor } from './type_urls.ts';

const virtualHost = 'envoy.config.route.v3.VirtualHost';
const wrapper = 'envoy.service.discovery.v3.Resource';

/** A resource that was decoded, a heartbeat that renews one, or why it is neither. */
export interface Decoded {
  readonly resources: DecodedResource[];
  /** Names whose time to live starts anew. */
  readonly heartbeats: { readonly name: string; readonly ttl: number }[];
  readonly rejections: Rejection[];
  /** Names the control plane says it has nothing for: VHDS. */
  readonly absent: string[];
  readonly known: KnownMessages | undefined;
}

/** Milliseconds of work at most before the event loop goes on. */
export const sliceTime = 10;

/**
 * The messages of the last response by the hash of their bytes. State of the world brings everything again with every change:
 * what stayed is the same object, so that nobody need look at it again.
 */
export class KnownMessages {
  private before = new Map<string, AnyMessage>();
  private now = new Map<string, AnyMessage>();

  /** The next response begins. */
  turn(): void {
    this.before = this.now;
    this.now = new Map();
  }

  decoded(bytes: Uint8Array, decodeBytes: () => AnyMessage | undefined): AnyMessage | undefined {
    const key = hash('sha1', bytes, 'latin1');
    const message = this.now.get(key) ?? this.before.get(key) ?? decodeBytes();
    if (message !== undefined) this.now.set(key, message);
    return message;
  }
}

/** Resources of state of the world: bare, or wrapped when they have a name of their own or a time to live. */
export function decodeAll(list: readonly Any[], typeName: string, version: string): Decoded {
  const decoded: Decoded = { resources: [], heartbeats: [], rejections: [], absent: [], known: undefined };
  for (const any of list) addBareOrWrapped(decoded, any, typeName, version);
  return decoded;
}

/** The same in slices; what is the same as in the last response is not decoded again. */
export async function decodeInSlices(
  list: readonly Any[],
  typeName: string,
  version: string,
  known: KnownMessages,
): Promise<Decoded> {
  const decoded: Decoded = { resources: [], heartbeats: [], rejections: [], absent: [], known };
  const slices = new Slices(sliceTime);
  known.turn();
  for (const any of list) {
    addBareOrWrapped(decoded, any, typeName, version);
    if (slices.over) await slices.next();
  }
  return decoded;
}

/** Resources of a delta response. In slices. */
export async function decodeDelta(
  list: readonly envoy.service.discovery.v3.Resource[],
  typeName: string,
  version: string,
): Promise<Decoded> {
  const decoded: Decoded = { resources: [], heartbeats: [], rejections: [], absent: [], known: undefined };
  const slices = new Slices(sliceTime);
  for (const resource of list) {
    addWrapped(decoded, resource, typeName, version);
    if (slices.over) await slices.next();
  }
  return decoded;
}

function addBareOrWrapped(decoded: Decoded, any: Any, typeName: string, version: string): void {
  if (typeNameOf(any.typeUrl) !== wrapper) {
    add(decoded, any, typeName, '', version, 0);
    return;
  }
  const inner = tryDecode(wrapper, any.value, decoded, '') as unknown as
    | envoy.service.discovery.v3.Resource
    | undefined;
  if (inner !== undefined) addWrapped(decoded, inner, typeName, version);
}

function addWrapped(
  decoded: Decoded,
  { name, version, resource, ttl, aliases }: envoy.service.discovery.v3.Resource,
  typeName: string,
  responseVersion: string,
): void {
  const milliseconds = durationMs(ttl) ?? 0;
  if (resource !== undefined) add(decoded, resource, typeName, name, version || responseVersion, milliseconds, aliases);
  else if (typeName === virtualHost && ttl === undefined) decoded.absent.push(name, ...aliases);
  else decoded.heartbeats.push({ name, ttl: milliseconds });
}

function add(
  decoded: Decoded,
  any: Any,
  typeName: string,
  name: string,
  version: string,
  ttl: number,
  aliases: readonly string[] = [],
): void {
  const found = typeNameFor(any.typeUrl);
  if (found !== typeName) {
    decoded.rejections.push({ resource: name, reason: `is a ${found}, expected a ${typeName}` });
    return;
  }
  const fresh = () => tryDecode(typeName, any.value, decoded, name);
  const message = decoded.known === undefined ? fresh() : decoded.known.decoded(any.value, fresh);
  if (message === undefined) return;
  const more = aliases.length > 0 ? { aliases } : {};
  decoded.resources.push({ name: name || nameOf(message), version, message, ttl, ...more });
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
