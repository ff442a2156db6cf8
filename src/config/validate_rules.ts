/**
 * Checks messages by the rules written into their descriptors (protoc-gen-validate, as Envoy does when it unpacks a message;
 * control path, step 2). One interpreter: the rules of a message type are read from its options when it is first met.
 */
import {
  type DescField,
  type DescMessage,
  type DescOneof,
  getOption,
  hasOption,
  type Message,
} from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { type AnyMessage, messageType, validationOption } from '../api/registry.ts';
import { isWrapper } from './convert_well_known.ts';
import { fieldValue, type Origins } from './origins.ts';
import type { Report } from './report.ts';
import { checkValue, type Rules } from './rule_checks.ts';

interface FieldRules {
  readonly field: DescField;
  /** `{ case: 'string', value: StringRules }`. */
  readonly type: { readonly case: string | undefined; readonly value: Rules };
  readonly required: boolean;
}

interface MessageRules {
  readonly requiredOneofs: readonly DescOneof[];
  readonly fields: readonly FieldRules[];
  /** Fields whose messages have rules of their own. */
  readonly children: readonly DescField[];
}

/** Reports every broken rule in the message and in all messages inside it. */
export function validateRules(message: AnyMessage, report: Report, origins: Origins): void {
  new RuleWalk(report, origins).visit(message, messageType(message.$typeName));
}

class RuleWalk {
  readonly #report: Report;
  readonly #origins: Origins;

  constructor(report: Report, origins: Origins) {
    this.#report = report;
    this.#origins = origins;
  }

  visit(message: AnyMessage, type: DescMessage): void {
    const rules = rulesOf(type);
    for (const oneof of rules.requiredOneofs) this.#oneof(message, oneof);
    for (const entry of rules.fields) this.#field(message, entry);
    for (const field of rules.children) {
      const value = fieldValue(message, field);
      if (value === undefined) continue;
      if (field.fieldKind === 'list') for (const item of value as AnyMessage[]) this.#child(item, field);
      else if (field.fieldKind === 'map') for (const item of Object.values(value as object)) this.#child(item, field);
      else this.#child(value as AnyMessage, field);
    }
  }

  #child(value: AnyMessage, field: DescField): void {
    if (field.message!.typeName !== 'google.protobuf.Any') {
      this.visit(value, field.message!);
      return;
    }
    const content = this.#origins.content(value as unknown as Any);
    if (content !== undefined) this.visit(content, messageType(content.$typeName));
  }

  #oneof(message: AnyMessage, oneof: DescOneof): void {
    if ((message[oneof.localName] as { case?: string }).case !== undefined) return;
    if (oneof.fields.some((field) => this.#failed(message, field))) return;
    const names = oneof.fields.filter((field) => !field.deprecated).map((field) => field.name);
    this.#report.errorIn(
      message,
      '',
      names.length === 1 ? `'${names[0]}' is required` : `one of ${names.join(', ')} is required`,
    );
  }

  #field(message: AnyMessage, { field, type, required }: FieldRules): void {
    if (this.#failed(message, field)) return;
    const value = fieldValue(message, field);
    const unset = value === undefined;
    const emptyAny = isMessage(value) && value.$typeName === 'google.protobuf.Any' && value['typeUrl'] === '';
    if (unset || emptyAny) {
      if (required && !(unset && field.oneof !== undefined)) this.#missing(message, field);
      return;
    }
    if (field.fieldKind === 'list') this.#list(message, field, value as unknown[], type.value);
    else if (field.fieldKind === 'map') this.#map(message, field, value as Record<string, unknown>, type.value);
    else this.#check(message, field, field.name, type, isWrapperMessage(field, value) ? value['value'] : value);
  }

  #list(message: AnyMessage, field: DescField, list: unknown[], rules: Rules): void {
    const reason = countProblem(list.length, rules['minItems'], rules['maxItems'], 'item');
    if (reason !== undefined)
      this.#report.errorIn(message, field.name, this.#missingOr(message, field, field.name, reason));
    if (rules['unique'] === true) {
      const first = list.findIndex((item, i) => list.indexOf(item) !== i);
      if (first !== -1)
        this.#report.errorIn(message, `${field.name}[${first}]`, `${quote(list[first])} is given twice`);
    }
    const items = rules['items'] as FieldRules | undefined;
    if (items?.type === undefined) return;
    list.forEach((item, i) => {
      this.#check(message, field, `${field.name}[${i}]`, items.type, item);
    });
  }

  #map(message: AnyMessage, field: DescField, map: Record<string, unknown>, rules: Rules): void {
    const reason = countProblem(Object.keys(map).length, rules['minPairs'], rules['maxPairs'], 'entry');
    if (reason !== undefined)
      this.#report.errorIn(message, field.name, this.#missingOr(message, field, field.name, reason));
    const keys = rules['keys'] as FieldRules | undefined;
    const values = rules['values'] as FieldRules | undefined;
    for (const [key, value] of Object.entries(map)) {
      const path = `${field.name}["${key}"]`;
      if (keys?.type !== undefined) this.#check(message, field, path, keys.type, key);
      if (values?.type !== undefined) this.#check(message, field, path, values.type, value);
    }
  }

  #check(message: AnyMessage, field: DescField, path: string, type: FieldRules['type'], value: unknown): void {
    if (type.case === undefined || type.case === 'message' || type.case === 'any') return;
    const reason = checkValue(type.case, type.value, value, field);
    if (reason !== undefined) this.#report.errorIn(message, path, this.#missingOr(message, field, path, reason));
  }

  #missing(message: AnyMessage, field: DescField): void {
    this.#report.errorIn(message, field.name, `'${field.name}' is required`);
  }

  /** A rule broken by a field nobody wrote is a missing field; a message is there only when it was written. */
  #missingOr(message: AnyMessage, field: DescField, path: string, reason: string): string {
    const origin = this.#origins.of(message);
    const written = field.fieldKind === 'message' || origin?.fields.has(field.name) === true;
    if (origin === undefined || written) return `${path} ${reason}`;
    return `'${field.name}' is required (it ${reason})`;
  }

  #failed(message: AnyMessage, field: DescField): boolean {
    return this.#origins.of(message)?.fields.get(field.name)?.failed === true;
  }
}

const cache = new WeakMap<DescMessage, MessageRules>();

function rulesOf(type: DescMessage): MessageRules {
  let rules = cache.get(type);
  if (rules === undefined) {
    rules = readRules(type);
    cache.set(type, rules);
  }
  return rules;
}

function readRules(type: DescMessage): MessageRules {
  const fields: FieldRules[] = [];
  const children: DescField[] = [];
  for (const field of type.fields) {
    const option = fieldOption(field);
    const value = option?.type.value;
    const required = value !== undefined && (value['required'] === true || option?.message?.['required'] === true);
    if (option !== undefined && (required || option.type.case !== undefined)) {
      fields.push({ field, type: option.type, required });
    }
    if (hasRulesInside(field) && option?.message?.['skip'] !== true) children.push(field);
  }
  const required = validationOption('required');
  return { requiredOneofs: type.oneofs.filter((oneof) => hasOption(oneof, required)), fields, children };
}

function fieldOption(field: DescField): { type: FieldRules['type']; message?: Rules } | undefined {
  const rules = validationOption('rules');
  if (!hasOption(field, rules)) return undefined;
  const option = getOption(field, rules) as Message & { type: FieldRules['type']; message?: Rules };
  return option.type.case === undefined
    ? { type: { case: undefined, value: option.message ?? {} }, message: option.message }
    : option;
}

function hasRulesInside(field: DescField): boolean {
  const name = field.message?.typeName;
  return name !== undefined && (name === 'google.protobuf.Any' || !name.startsWith('google.protobuf.'));
}

function countProblem(count: number, min: unknown, max: unknown, what: string): string | undefined {
  if (typeof min === 'bigint' && min > 0n && count < min) return `must have at least ${min} ${plural(what, min)}`;
  if (typeof max === 'bigint' && max > 0n && count > max)
    return `must have at most ${max} ${plural(what, max)}, has ${count}`;
  return undefined;
}

function plural(what: string, count: bigint): string {
  if (count === 1n) return what;
  return what.endsWith('y') ? `${what.slice(0, -1)}ies` : `${what}s`;
}

function quote(value: unknown): string {
  return `'${String(value)}'`;
}

function isMessage(value: unknown): value is AnyMessage {
  return typeof value === 'object' && value !== null && '$typeName' in value;
}

function isWrapperMessage(field: DescField, value: unknown): value is AnyMessage {
  return field.message !== undefined && isWrapper(field.message.typeName) && isMessage(value);
}
