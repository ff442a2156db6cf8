/** Fields by their names, as paths, queries and JSON name them: the proto name or the JSON one. */
import type { DescField, DescMessage } from '@bufbuild/protobuf';

const fieldsByName = new WeakMap<DescMessage, ReadonlyMap<string, DescField>>();

export function findField(type: DescMessage, name: string): DescField | undefined {
  let fields = fieldsByName.get(type);
  if (fields === undefined) {
    const byName = new Map(type.fields.map((field) => [field.jsonName, field]));
    for (const field of type.fields) byName.set(field.name, field);
    fields = byName;
    fieldsByName.set(type, fields);
  }
  return fields.get(name);
}

/** The fields from a message down, or in Envoy's words why there are none. */
export function resolveFieldPath(type: DescMessage, names: readonly string[]): DescField[] | string {
  const path: DescField[] = [];
  let current = type;
  for (let i = 0; i < names.length; i++) {
    const field = findField(current, names[i]);
    if (field === undefined) return `Could not find field "${names[i]}" in the type "${current.typeName}".`;
    path.push(field);
    if (i === names.length - 1) break;
    if (field.message === undefined || field.fieldKind === 'map')
      return `Encountered a non-leaf field "${names[i]}" that is not a message while parsing a field path`;
    current = field.message;
  }
  return path;
}
