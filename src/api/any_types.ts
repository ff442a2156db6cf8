/** Looks through a message and the Anys in it, however deep: for the extensions it names, and for messages of one type. */
import { findMessageType, typeNameOf, unpackAny } from './registry.ts';

interface AnyLike {
  readonly $typeName: 'google.protobuf.Any';
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

/** Full names of the messages in every Any within `message`, Anys within Anys included; unknown types are left out. */
export function typeNamesIn(message: unknown): Set<string> {
  const found = new Set<string>();
  visit(message, (part) => {
    if (isAny(part)) found.add(typeNameOf(part.typeUrl));
  });
  return found;
}

/** Every message of a type within `message`, in the order of the fields. */
export function messagesIn(message: unknown, typeName: string): unknown[] {
  const found: unknown[] = [];
  visit(message, (part) => {
    if ((part as { $typeName?: string }).$typeName === typeName) found.push(part);
  });
  return found;
}

function visit(value: unknown, see: (part: object) => void): void {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  if (isAny(value)) {
    if (findMessageType(typeNameOf(value.typeUrl)) === undefined) return;
    see(value);
    visit(unpackAny(value as never), see);
    return;
  }
  see(value);
  for (const part of Object.values(value)) visit(part, see);
}

function isAny(value: object): value is AnyLike {
  return (value as { $typeName?: string }).$typeName === 'google.protobuf.Any';
}
