/** Tools for rewriting a source tree (control path, step 1): what is made keeps the place of what it was made from. */
import type { Span } from '../source_text.ts';
import type { ListNode, MapEntry, MapNode, ScalarNode, SourceNode } from '../source_tree.ts';

export type Scalar = string | number | boolean;

/** Something that stands in a text: a node, an entry by its key. */
export type Place = Span | MapEntry;

export function scalar(value: Scalar, at: Place): ScalarNode {
  return { kind: 'scalar', value, ...spanOf(at) };
}

export function list(items: readonly SourceNode[], at: Place): ListNode {
  return { kind: 'list', items, ...spanOf(at) };
}

/** Undefined values are left out; a bare value becomes a scalar. */
export function map(values: Readonly<Record<string, SourceNode | Scalar | undefined>>, at: Place): MapNode {
  const entries: MapEntry[] = [];
  for (const [key, value] of Object.entries(values)) {
    if (value !== undefined) entries.push(entryOf(key, typeof value === 'object' ? value : scalar(value, at), at));
  }
  return { kind: 'map', entries, ...spanOf(at) };
}

export function entryOf(key: string, value: SourceNode, at: Place): MapEntry {
  return { key, keyAt: spanOf(at), value };
}

export function spanOf(at: Place): Span {
  const { source, start, end } = 'keyAt' in at ? at.keyAt : at;
  return { source, start, end };
}

/** What a list holds, or the one thing that stands for a list of one. */
export function itemsOf(node: SourceNode | undefined): readonly SourceNode[] {
  if (node === undefined || isNull(node)) return [];
  return node.kind === 'list' ? node.items : [node];
}

/** The text of a scalar; undefined for anything else. */
export function textOf(node: SourceNode | undefined): string | undefined {
  return node?.kind === 'scalar' && node.value !== null ? String(node.value) : undefined;
}

/** True for `true`, quoted or not. */
export function isTrue(node: SourceNode | undefined): boolean {
  return textOf(node)?.toLowerCase() === 'true';
}

function isNull(node: SourceNode): boolean {
  return node.kind === 'scalar' && node.value === null;
}

/** The entries of a map while some are taken out and others put in. */
export class Fields {
  readonly node: MapNode;
  #entries: MapEntry[];
  #changed = false;

  constructor(node: MapNode) {
    this.node = node;
    this.#entries = [...node.entries];
  }

  /** By its snake_case name, which may be written in lowerCamelCase; the last of equal ones, as it wins. Null is as good as absent. */
  get(name: string): MapEntry | undefined {
    const camel = name.replace(/_(\w)/g, (_all, letter: string) => letter.toUpperCase());
    const found = this.#entries.findLast(({ key }) => key === name || key === camel);
    return found === undefined || isNull(found.value) ? undefined : found;
  }

  /** As `get`; it is no longer among the entries then. */
  take(name: string): MapEntry | undefined {
    const found = this.get(name);
    if (found === undefined) return undefined;
    this.#entries = this.#entries.filter(({ key }) => key !== found.key);
    this.#changed = true;
    return found;
  }

  /** The text of a scalar field. */
  text(name: string): string | undefined {
    return textOf(this.get(name)?.value);
  }

  /** Adds an entry, at the place of what it comes from. */
  put(key: string, value: SourceNode | Scalar, at: Place): MapEntry {
    const entry = entryOf(key, typeof value === 'object' ? value : scalar(value, at), at);
    this.#entries.push(entry);
    this.#changed = true;
    return entry;
  }

  /** Puts an entry where another one stands. */
  replace(old: MapEntry, key: string, value: SourceNode | Scalar): MapEntry {
    const entry = entryOf(key, typeof value === 'object' ? value : scalar(value, old), old);
    this.#entries = this.#entries.map((each) => (each === old ? entry : each));
    this.#changed = true;
    return entry;
  }

  /** A field's list with more behind it, or a new list. */
  append(name: string, items: readonly SourceNode[], at: Place): MapEntry {
    const present = this.get(name);
    if (present === undefined) return this.put(name, list(items, at), at);
    return this.replace(present, name, list([...itemsOf(present.value), ...items], present));
  }

  /** A map inside this one, to edit; made when it is not there. */
  inner(name: string, at: Place, edit: (fields: Fields) => void): void {
    const present = this.get(name);
    const fields = new Fields(present?.value.kind === 'map' ? present.value : map({}, at));
    edit(fields);
    if (present === undefined) this.put(name, fields.done(), at);
    else if (present.value.kind === 'map') this.replace(present, present.key, fields.done());
  }

  entries(): readonly MapEntry[] {
    return this.#entries;
  }

  /** The map as it is now; the very same node when nothing was changed. */
  done(): MapNode {
    return this.#changed ? { ...this.node, entries: this.#entries } : this.node;
  }
}
