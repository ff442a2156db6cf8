/** The tree a YAML or JSON text is read into (control path, step 1): JSON's values, each knowing where it stands. */
import type { Span } from './source_text.ts';

export type SourceNode = MapNode | ListNode | ScalarNode;

export interface MapNode extends Span {
  readonly kind: 'map';
  /** In the order of the text; a repeated key is repeated here. */
  readonly entries: readonly MapEntry[];
}

export interface MapEntry {
  readonly key: string;
  readonly keyAt: Span;
  readonly value: SourceNode;
}

export interface ListNode extends Span {
  readonly kind: 'list';
  readonly items: readonly SourceNode[];
}

export interface ScalarNode extends Span {
  readonly kind: 'scalar';
  readonly value: string | number | boolean | null;
}

/** The part of a node worth pointing at: a scalar whole, of a map its first key, of a list its beginning. */
export function anchor(node: SourceNode): Span {
  if (node.kind === 'scalar') return node;
  if (node.kind === 'map' && node.entries.length > 0) return node.entries[0].keyAt;
  return { source: node.source, start: node.start, end: node.start + 1 };
}

/** What a node is, in a reader's words: `a map`, `a list`, `the number 5`, `the string 'x'`. */
export function describe(node: SourceNode): string {
  if (node.kind === 'map') return 'a map';
  if (node.kind === 'list') return 'a list';
  if (node.value === null) return 'null';
  if (typeof node.value === 'string') return `the string '${shorten(node.value)}'`;
  return `the ${typeof node.value} ${node.value}`;
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
