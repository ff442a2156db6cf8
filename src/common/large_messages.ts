/** Decodes and encodes large messages bit by bit: the members of the one repeated field that makes them large, one after the other. */
import type { DescField } from '@bufbuild/protobuf';
import { splitMessage } from '../api/message_parts.ts';
import { type AnyMessage, decode, encode, messageType } from '../api/registry.ts';
import { contentHash } from './content_hash.ts';
import type { Slices } from './slices.ts';

/** From this many bytes on it takes more than a few milliseconds. */
export const largeBytes = 32 * 1024;

/** The field that grows. */
const growing: Readonly<Record<string, string>> = {
  'envoy.config.route.v3.RouteConfiguration': 'virtualHosts',
  'envoy.config.route.v3.VirtualHost': 'routes',
  'envoy.config.endpoint.v3.ClusterLoadAssignment': 'endpoints',
  'envoy.config.endpoint.v3.LocalityLbEndpoints': 'lbEndpoints',
  'envoy.config.listener.v3.Listener': 'filterChains',
};

/** Parts of the last message by the hash of their bytes; what is smaller is decoded as fast as it is found. */
type KnownParts = Map<string, AnyMessage>;
const smallBytes = 128;
const partsOf = new WeakMap<AnyMessage, KnownParts>();

export function mayBeLarge(typeName: string): boolean {
  return growing[typeName] !== undefined;
}

/** Throws as `decode` does. */
export function decodeInSlices(typeName: string, bytes: Uint8Array, slices: Slices): Promise<AnyMessage> {
  return decodeParts(typeName, bytes, slices, decode);
}

/**
 * Throws as `decode` does. Parts whose bytes are those of a part of `former`, which came from here, are the same objects as
 * there.
 */
export async function decodeLargeMessage(
  typeName: string,
  bytes: Uint8Array,
  slices: Slices,
  former: AnyMessage | undefined,
): Promise<AnyMessage> {
  const known: KnownParts = new Map();
  const before = former === undefined ? undefined : partsOf.get(former);
  const message = await decodeParts(typeName, bytes, slices, (partType, part) => {
    if (part.length < smallBytes) return decode(partType, part);
    const key = contentHash(part);
    const found = before?.get(key) ?? decode(partType, part);
    known.set(key, found);
    return found;
  });
  partsOf.set(message, known);
  return message;
}

async function decodeParts(
  typeName: string,
  bytes: Uint8Array,
  slices: Slices,
  decodePart: (typeName: string, bytes: Uint8Array) => AnyMessage,
): Promise<AnyMessage> {
  const field = growingField(typeName);
  const split = field === undefined ? undefined : splitMessage(bytes, field.number);
  if (field === undefined || split === undefined) return decode(typeName, bytes);
  const message = decode(typeName, split.rest);
  const list: AnyMessage[] = [];
  const partType = field.message!.typeName;
  for (const part of split.parts) {
    if (slices.over) await slices.next();
    const deeper = part.length >= largeBytes && mayBeLarge(partType);
    list.push(deeper ? await decodeParts(partType, part, slices, decodePart) : decodePart(partType, part));
  }
  (message as Record<string, unknown>)[field.localName] = list;
  return message;
}

/** Decodes to an equal message; the order of the fields is not `encode`'s. */
export async function encodeLargeMessage(message: AnyMessage, slices: Slices): Promise<Uint8Array> {
  const field = growingField(message.$typeName);
  if (field === undefined) return encode(message.$typeName, message);
  const pieces: Uint8Array[] = [encode(message.$typeName, { ...message, [field.localName]: [] })];
  for (const part of message[field.localName] as AnyMessage[]) {
    if (slices.over) await slices.next();
    const bytes = mayBeLarge(part.$typeName) ? await encodeLargeMessage(part, slices) : encode(part.$typeName, part);
    const lengthDelimited = 2;
    pieces.push(varints(field.number * 8 + lengthDelimited, bytes.length), bytes);
  }
  return Buffer.concat(pieces);
}

function growingField(typeName: string): DescField | undefined {
  const name = growing[typeName];
  return name === undefined ? undefined : messageType(typeName).field[name];
}

function varints(...values: readonly number[]): Uint8Array {
  const bytes: number[] = [];
  for (let value of values) {
    for (; value > 0x7f; value = Math.floor(value / 128)) bytes.push((value % 128) | 0x80);
    bytes.push(value);
  }
  return Uint8Array.from(bytes);
}
