/** Control path, step 3: the resources of a response, decoded one by one, each with its name. */
import type { Any } from '@bufbuild/protobuf/wkt';
import type { envoy } from '../api/envoy_types.ts';
import { type AnyMessage, decode, findMessageType, typeNameOf } from '../api/registry.ts';
import { contentHash } from '../common/content_hash.ts';
import { durationMs } from '../common/duration.ts';
import { decodeLargeMessage, largeBytes, mayBeLarge } from '../common/large_messages.ts';
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
  /** Large messages that have been decoded bit by bit, by their bytes. */
  readonly ready: Map<Uint8Array, AnyMessage>;
}

function nothingYet(known?: KnownMessages): Decoded {
  return { resources: [], heartbeats: [], rejections: [], absent: [], known, ready: new Map() };
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

  has(bytes: Uint8Array): boolean {
    if (bytes.length < largeBytes) return false;
    const key = contentHash(bytes);
    return this.now.has(key) || this.before.has(key);
  }

  decoded(bytes: Uint8Array, decodeBytes: () => AnyMessage | undefined): AnyMessage | undefined {
    const key = contentHash(bytes);
    const message = this.now.get(key) ?? this.before.get(key) ?? decodeBytes();
    if (message !== undefined) this.now.set(key, message);
    return message;
  }
}

/** The large messages of a type as they came last, by name: what stayed of them is the same objects in the next ones. */
export class LargeResources {
  private readonly last = new Map<string, WeakRef<AnyMessage>>();

  former(name: string): AnyMessage | undefined {
    return this.last.get(name)?.deref();
  }

  remember(message: AnyMessage): void {
    for (const [name, former] of this.last) if (former.deref() === undefined) this.last.delete(name);
    this.last.set(nameOf(message), new WeakRef(message));
  }
}

/** Bit by bit; what is wrong with it is found when it is decoded as a whole. */
async function decodeLarge(
  decoded: Decoded,
  any: Any | undefined,
  typeName: string,
  slices: Slices,
  large: LargeResources,
): Promise<void> {
  if (any === undefined || any.value.length < largeBytes || !mayBeLarge(typeName)) return;
  if (typeNameFor(any.typeUrl) !== typeName) return;
  try {
    const former = large.former(nameIn(any.value));
    const message = await decodeLargeMessage(typeName, any.value, slices, former);
    large.remember(message);
    decoded.ready.set(any.value, message);
  } catch {
    // As above.
  }
}

/** Of a message whose first field is its name, as it is in all that may be large. */
function nameIn(bytes: Uint8Array): string {
  const nameTag = 0x0a;
  const length = bytes[1];
  return bytes[0] === nameTag && length < 0x80 ? Buffer.from(bytes.subarray(2, 2 + length)).toString() : '';
}

/** Resources of state of the world: bare, or wrapped when they have a name of their own or a time to live. */
export function decodeAll(list: readonly Any[], typeName: string, version: string): Decoded {
  const decoded = nothingYet();
  for (const any of list) addBareOrWrapped(decoded, any, typeName, version);
  return decoded;
}

/** The same in slices; what is the same as in the last response is not decoded again. */
export async function decodeInSlices(
  list: readonly Any[],
  typeName: string,
  version: string,
  known: KnownMessages,
  large: LargeResources,
): Promise<Decoded> {
  const decoded = nothingYet(known);
  const slices = new Slices(sliceTime);
  known.turn();
  for (const any of list) {
    if (!known.has(any.value)) await decodeLarge(decoded, any, typeName, slices, large);
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
  large: LargeResources,
): Promise<Decoded> {
  const decoded = nothingYet();
  const slices = new Slices(sliceTime);
  for (const resource of list) {
    await decodeLarge(decoded, resource.resource, typeName, slices, large);
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
  const ready = decoded.ready.get(bytes);
  if (ready !== undefined) return ready;
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
