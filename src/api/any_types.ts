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
  const see = (part: object) => {
    if ((part as { $typeName?: string }).$typeName === typeName) found.push(part);
  };
  visit(message, see, typeName);
  return found;
}

/** Names of all messages in an Any that was looked through before: to look for one that is not there need not decode it again. */
const contents = new WeakMap<AnyLike, ReadonlySet<string>>();
/** Many Anys hold the same. */
const sets = new Map<string, ReadonlySet<string>>();

/** Calls `see` for every message; Anys that are known to hold none of type `wanted` may be left out. */
function visit(value: unknown, see: (part: object) => void, wanted?: string): void {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  if (isAny(value)) {
    visitAny(value, see, wanted);
    return;
  }
  see(value);
  for (const part of Object.values(value)) visit(part, see, wanted);
}

function visitAny(any: AnyLike, see: (part: object) => void, wanted: string | undefined): void {
  if (findMessageType(typeNameOf(any.typeUrl)) === undefined) return;
  see(any);
  const known = contents.get(any);
  if (known !== undefined) {
    if (wanted === undefined || known.has(wanted)) visit(unpackAny(any as never), see, wanted);
    return;
  }
  const names = new Set<string>();
  visit(unpackAny(any as never), (part) => {
    const { $typeName: name } = part as { $typeName?: string };
    if (name !== undefined) names.add(name);
    see(part);
  });
  const key = [...names].join();
  const same = sets.get(key) ?? names;
  if (sets.size < mostSets) sets.set(key, same);
  contents.set(any, same);
}

const mostSets = 1000;

function isAny(value: object): value is AnyLike {
  return (value as { $typeName?: string }).$typeName === 'google.protobuf.Any';
}
