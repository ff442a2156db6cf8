/** Gives every message of a decoded resource its path, so that what is wrong with it is named in full (control path, step 2). */
import { type AnyMessage, messageType } from '../api/registry.ts';
import { fieldValue, isAny, type Origins } from './origins.ts';

/** Through the contents of Any too. Costs a walk: done when there is something to complain about. */
export function namePaths(message: AnyMessage, origins: Origins, path = ''): void {
  origins.set(message, { at: undefined, path, fields: new Map() });
  for (const field of messageType(message.$typeName).fields) {
    if (field.message === undefined) continue;
    const value = fieldValue(message, field);
    if (typeof value !== 'object' || value === null) continue;
    const here = path === '' ? field.name : `${path}.${field.name}`;
    if (field.fieldKind === 'list') {
      for (const [i, item] of (value as AnyMessage[]).entries()) nameChild(item, origins, `${here}[${i}]`);
    } else if (field.fieldKind === 'map') {
      for (const [key, item] of Object.entries(value)) nameChild(item as AnyMessage, origins, `${here}["${key}"]`);
    } else nameChild(value as AnyMessage, origins, here);
  }
}

function nameChild(child: AnyMessage, origins: Origins, path: string): void {
  const inner = isAny(child) ? origins.content(child as never) : child;
  if (inner?.$typeName !== undefined && !inner.$typeName.startsWith('google.protobuf.'))
    namePaths(inner, origins, path);
}
