/** Fields that only changed their name or their wrapping since v2 (control path, step 1). */
import type { MapEntry, SourceNode } from '../../source_tree.ts';
import type { UpgradeContext } from '../context.ts';
import type { Fields, Scalar } from '../edit.ts';

/** Puts what a v2 field became; both at once is an error. Undefined (and reported) then. */
export function become(
  fields: Fields,
  from: MapEntry,
  name: string,
  value: SourceNode | Scalar,
  { changes, report, version }: UpgradeContext,
): MapEntry | undefined {
  const present = fields.get(name);
  if (present !== undefined) {
    report.error(
      from.keyAt,
      '',
      `'${from.key}' is the ${version} form of '${present.key}': only one of them may be given`,
    );
    return undefined;
  }
  const entry = fields.put(name, value, from);
  changes.converted(from, entry, `${version} field '${from.key}'`, `'${name}'`);
  return entry;
}

/** The same value under another name. */
export function rename(fields: Fields, from: string, to: string, context: UpgradeContext): void {
  const entry = fields.take(from);
  if (entry !== undefined) become(fields, entry, to, entry.value, context);
}

/** A field whose value is made anew. */
export function rewrite(
  fields: Fields,
  from: string,
  to: string,
  context: UpgradeContext,
  value: (entry: MapEntry) => SourceNode | Scalar | undefined,
): void {
  const entry = fields.take(from);
  if (entry === undefined) return;
  const made = value(entry);
  if (made !== undefined) become(fields, entry, to, made, context);
}

export function drop(fields: Fields, name: string, why: string, { changes }: UpgradeContext): void {
  const entry = fields.take(name);
  if (entry !== undefined) changes.dropped(entry, why);
}
