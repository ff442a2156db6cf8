/** Finds the extensions a message holds: the types of all its Anys, however deep. */
import { findMessageType, typeNameOf, unpackAny } from './registry.ts';

interface AnyLike {
  readonly $typeName: 'google.protobuf.Any';
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

/** Full names of the messages in every Any within `message`, Anys within Anys included; unknown types are left out. */
export function typeNamesIn(message: unknown): Set<string> {
  const found = new Set<string>();
  visit(message, found);
  return found;
}

function visit(value: unknown, found: Set<string>): void {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  if (isAny(value)) {
    const name = typeNameOf(value.typeUrl);
    if (findMessageType(name) === undefined) return;
    found.add(name);
    visit(unpackAny(value as never), found);
    return;
  }
  for (const part of Object.values(value)) visit(part, found);
}

function isAny(value: object): value is AnyLike {
  return (value as { $typeName?: string }).$typeName === 'google.protobuf.Any';
}
