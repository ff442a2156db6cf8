/** A field mask on JSON: keeps the named paths of a message, those inside of an Any too. */

type JsonRecord = Record<string, unknown>;

/** What the comma-separated paths select; undefined when a message has none of them. `@type` always stays. */
export function maskFields(message: JsonRecord, mask: string): JsonRecord | undefined {
  let kept: JsonRecord | undefined;
  for (const path of mask.split(',')) {
    const part = select(message, path.split('.'));
    if (part !== undefined) kept = kept === undefined ? part : merge(kept, part);
  }
  if (kept === undefined || !('@type' in message)) return kept;
  return { '@type': message['@type'], ...kept };
}

/** A list can only be taken as a whole. */
function select(message: JsonRecord, [field, ...rest]: readonly string[]): JsonRecord | undefined {
  if (!Object.hasOwn(message, field)) return undefined;
  const value = message[field];
  if (rest.length === 0) return { [field]: value };
  if (!isRecord(value)) return undefined;
  const inner = select(value, rest);
  if (inner === undefined) return undefined;
  return { [field]: '@type' in value ? { '@type': value['@type'], ...inner } : inner };
}

function merge(a: JsonRecord, b: JsonRecord): JsonRecord {
  const merged: JsonRecord = { ...a };
  for (const [name, value] of Object.entries(b)) {
    const present = merged[name];
    merged[name] = isRecord(present) && isRecord(value) ? merge(present, value) : value;
  }
  return merged;
}

function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
