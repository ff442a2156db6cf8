/** Reads one map of a v1 file field by field into its v3 form (control path, step 1): what nobody asked for is unknown. */
import type { MapEntry, MapNode, SourceNode } from '../../source_tree.ts';
import { describe } from '../../source_tree.ts';
import { didYouMean } from '../../suggest.ts';
import type { UpgradeContext } from '../context.ts';
import { Fields, itemsOf, map, type Scalar, scalar } from '../edit.ts';

/** How a v1 value becomes a v3 value; undefined: there is none, and why has been reported. */
export type Form = (value: SourceNode, entry: MapEntry) => SourceNode | Scalar | undefined;

export class Section {
  readonly context: UpgradeContext;
  readonly out: Fields;
  readonly #fields: Fields;
  readonly #what: string;
  readonly #asked = new Set<string>();

  /** `what` names the map in errors, e.g. `a v1 cluster`. */
  constructor(node: MapNode, what: string, context: UpgradeContext) {
    this.#fields = new Fields(node);
    this.#what = what;
    this.context = context;
    this.out = new Fields(map({}, node));
  }

  get node(): MapNode {
    return this.#fields.node;
  }

  /** A field, for a hand-made conversion. */
  take(name: string): MapEntry | undefined {
    this.#asked.add(name);
    return this.#fields.take(name);
  }

  /** A field that is kept, or renamed, or given another form. */
  field(name: string, to = name, form: Form = (value) => value): void {
    const entry = this.take(name);
    if (entry === undefined) return;
    const value = form(entry.value, entry);
    if (value !== undefined) this.put(to, typeof value === 'object' ? value : scalar(value, entry.value), entry);
  }

  fields(...names: string[]): void {
    for (const name of names) this.field(name);
  }

  /** `…_ms` → a duration. */
  ms(name: string, to = name.replace(/_ms$/, '')): void {
    this.field(name, to, (value) => milliseconds(value, this.context));
  }

  put(name: string, value: SourceNode | Scalar, from: MapEntry): MapEntry {
    const made = this.out.put(name, value, from);
    if (from.key !== name) this.context.changes.comment(made, `v1 '${from.key}'`);
    return made;
  }

  /** A map inside this one. Undefined when it is not there; reported when it is no map. */
  section(name: string, what: string): Section | undefined {
    const entry = this.take(name);
    return entry === undefined ? undefined : sectionOf(entry.value, what, this.context);
  }

  drop(name: string, why: string): void {
    const entry = this.take(name);
    if (entry !== undefined) this.context.changes.dropped(entry, why);
  }

  /** The finished v3 map; reports every field that was not asked for. */
  done(): MapNode {
    for (const entry of this.#fields.entries()) {
      if (entry.value.kind === 'scalar' && entry.value.value === null) continue;
      const hint = didYouMean(entry.key, [...this.#asked]);
      this.context.error(entry, `unknown field '${entry.key}' in ${this.#what}`, hint);
    }
    return this.out.done();
  }
}

export function sectionOf(node: SourceNode, what: string, context: UpgradeContext): Section | undefined {
  if (node.kind === 'map') return new Section(node, what, context);
  context.error(node, `expected a map, ${what}, got ${describe(node)}`);
  return undefined;
}

/** The maps of a list. */
export function sectionsOf(node: SourceNode | undefined, what: string, context: UpgradeContext): Section[] {
  return itemsOf(node).flatMap((item) => sectionOf(item, what, context) ?? []);
}

/** A number of milliseconds → `0.25s`. */
export function milliseconds(node: SourceNode, context: UpgradeContext): SourceNode | undefined {
  return duration(node, 1000, 'milliseconds', context);
}

/** A number of seconds → `5s`. */
export function seconds(node: SourceNode, context: UpgradeContext): SourceNode | undefined {
  return duration(node, 1, 'seconds', context);
}

function duration(node: SourceNode, unit: number, name: string, context: UpgradeContext): SourceNode | undefined {
  const number = node.kind === 'scalar' && node.value !== null && node.value !== '' ? Number(node.value) : Number.NaN;
  if (Number.isFinite(number) && number >= 0 && typeof (node as { value?: unknown }).value !== 'boolean') {
    return scalar(`${Number((number / unit).toFixed(9))}s`, node);
  }
  context.error(node, `expected a number of ${name}, got ${describe(node)}`);
  return undefined;
}
