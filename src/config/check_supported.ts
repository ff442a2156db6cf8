/** Refuses by name what is set but not honoured yet (control path, step 2); the table is supported.ts. */
import { type DescField, type DescMessage, isFieldSet } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { type AnyMessage, messageType } from '../api/registry.ts';
import { extensionName } from './extension_points.ts';
import { fieldValue, type Origins } from './origins.ts';
import type { Report } from './report.ts';
import { type SupportedRow, supported } from './supported.ts';

interface SupportedField {
  /** The names of the values that are taken; undefined for all. */
  readonly values: readonly string[] | undefined;
  /** Whatever is in it changes nothing. */
  readonly harmless: boolean;
}
type Row = 'all' | ReadonlyMap<string, SupportedField>;

/** Reports every set field and every extension below the message that nuncio does not honour. */
export function checkSupported(message: AnyMessage, report: Report, origins: Origins): void {
  new SupportWalk(report, origins).visit(message, messageType(message.$typeName), rowOf(message.$typeName));
}

/** The row of a message type, or of a field of one; undefined when there is none. */
export function rowOf(typeName: string, parentField?: string): Row | undefined {
  const key = parentField !== undefined && shortName(parentField) in supported ? parentField : typeName;
  let row = rows.get(key);
  if (row === undefined && shortName(key) in supported) {
    row = parseRow(supported[shortName(key)]);
    rows.set(key, row);
  }
  return row;
}

const rows = new Map<string, Row>();

class SupportWalk {
  readonly #report: Report;
  readonly #origins: Origins;

  constructor(report: Report, origins: Origins) {
    this.#report = report;
    this.#origins = origins;
  }

  visit(message: AnyMessage, type: DescMessage, row: Row | undefined): void {
    if (row === 'all') return;
    if (row === undefined) {
      this.#report.errorIn(message, '', `${extensionName(type.typeName)} is not supported yet`);
      return;
    }
    for (const field of type.fields) {
      if (!isFieldSet(message, field)) continue;
      const entry = row.get(field.name);
      if (entry === undefined) {
        this.#report.errorAtField(message, field.name, `'${field.name}' is not supported yet`);
        continue;
      }
      if (entry.values !== undefined) this.#value(message, field, entry.values);
      if (field.message !== undefined && !entry.harmless) this.#children(message, type, field);
    }
  }

  #value(message: AnyMessage, field: DescField, values: readonly string[]): void {
    const value = fieldValue(message, field);
    const name = field.enum === undefined ? String(value) : field.enum.value[value as number]?.name;
    if (name === undefined || values.includes(name)) return; // a number without a name broke a rule
    this.#report.errorIn(
      message,
      field.name,
      `${field.name} ${name} is not supported yet`,
      `supported: ${values.join(', ')}`,
    );
  }

  #children(message: AnyMessage, type: DescMessage, field: DescField): void {
    const value = fieldValue(message, field);
    const parent = `${type.typeName}.${field.name}`;
    if (field.fieldKind === 'list') for (const item of value as AnyMessage[]) this.#child(item, field, parent);
    else if (field.fieldKind === 'map')
      for (const item of Object.values(value as object)) this.#child(item, field, parent);
    else this.#child(value as AnyMessage, field, parent);
  }

  #child(value: AnyMessage, field: DescField, parent: string): void {
    const type = field.message!;
    if (type.typeName === 'google.protobuf.Any') {
      const content = this.#origins.content(value as unknown as Any);
      if (content !== undefined) this.visit(content, messageType(content.$typeName), rowOf(content.$typeName));
    } else if (!type.typeName.startsWith('google.protobuf.')) {
      this.visit(value, type, rowOf(type.typeName, parent));
    }
  }
}

function parseRow([honoured, harmless = '']: SupportedRow): Row {
  if (honoured === '*') return 'all';
  const fields = new Map<string, SupportedField>();
  const add = (token: string, isHarmless: boolean) => {
    const [name, values] = token.split('=');
    if (name !== '') fields.set(name, { values: values?.split('|'), harmless: isHarmless });
  };
  for (const token of honoured.split(' ')) add(token, false);
  for (const token of harmless.split(' ')) add(token, true);
  return fields;
}

function shortName(typeName: string): string {
  return typeName.replace(/^envoy\./, '');
}
