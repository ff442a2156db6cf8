/** Goes through a message and everything inside it, the contents of Any included. */
import type { Any } from '@bufbuild/protobuf/wkt';
import { type AnyMessage, messageType } from '../api/registry.ts';
import { fieldValue, isAny, type Origins } from './origins.ts';

/** Calls `visit` for the message itself and each message below it, parents first. */
export function walkMessages(message: AnyMessage, origins: Origins, visit: (message: AnyMessage) => void): void {
  visit(message);
  for (const field of messageType(message.$typeName).fields) {
    if (field.message === undefined || (isGoogle(field.message.typeName) && field.message.name !== 'Any')) continue;
    const value = fieldValue(message, field);
    if (value === undefined) continue;
    const children = field.fieldKind === 'list' || field.fieldKind === 'map' ? Object.values(value as object) : [value];
    for (const child of children as AnyMessage[]) {
      const inner = isAny(child) ? origins.content(child as Any) : child;
      if (inner !== undefined && !isGoogle(inner.$typeName)) walkMessages(inner, origins, visit);
    }
  }
}

function isGoogle(typeName: string): boolean {
  return typeName.startsWith('google.protobuf.');
}
