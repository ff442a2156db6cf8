/** A source tree as YAML that reads back as the same tree, comments before what was changed (`nuncio convert`). */
import { plainScalarValue } from './read_yaml.ts';
import type { MapEntry, ScalarNode, SourceNode } from './source_tree.ts';

export type CommentOf = (entry: MapEntry) => string | undefined;

/** Ends with a line feed. */
export function printYaml(tree: SourceNode, commentOf: CommentOf): string {
  const lines: string[] = [];
  new Printer(lines, commentOf).block(tree, '', '');
  return `${lines.join('\n')}\n`;
}

class Printer {
  readonly #lines: string[];
  readonly #commentOf: CommentOf;

  constructor(lines: string[], commentOf: CommentOf) {
    this.#lines = lines;
    this.#commentOf = commentOf;
  }

  /** `first` stands before the first line, `indent` before the others. */
  block(node: SourceNode, first: string, indent: string): void {
    if (node.kind === 'map' && node.entries.length > 0) {
      let lead = first;
      for (const entry of lastOfEach(node.entries)) {
        this.#entry(entry, lead, indent);
        lead = indent;
      }
    } else if (node.kind === 'list' && node.items.length > 0) {
      let lead = first;
      for (const item of node.items) {
        this.block(item, `${lead}- `, `${indent}  `);
        lead = indent;
      }
    } else this.#lines.push(first + inline(node));
  }

  #entry(entry: MapEntry, lead: string, indent: string): void {
    const comment = this.#commentOf(entry);
    if (comment !== undefined && lead === indent) this.#lines.push(`${indent}# ${comment.replaceAll('\n', ' ')}`);
    // Behind the dash of a list there is no line before the first key.
    const behind = comment !== undefined && lead !== indent ? ` # ${comment.replaceAll('\n', ' ')}` : '';
    const key = `${lead}${printText(entry.key)}:`;
    const { value } = entry;
    if (value.kind === 'scalar' || isEmpty(value)) this.#lines.push(`${key} ${inline(value)}${behind}`);
    else {
      this.#lines.push(key + behind);
      this.block(value, `${indent}  `, `${indent}  `);
    }
  }
}

function inline(node: SourceNode): string {
  if (node.kind === 'map') return '{}';
  return node.kind === 'list' ? '[]' : printScalar(node);
}

function isEmpty(node: SourceNode): boolean {
  return node.kind === 'map' ? node.entries.length === 0 : node.kind === 'list' && node.items.length === 0;
}

function printScalar({ value }: ScalarNode): string {
  return typeof value === 'string' ? printText(value) : String(value);
}

/** Characters that mean nothing to YAML wherever they stand in a plain scalar. */
const harmless = /^[A-Za-z0-9_./$+<=()~^;][A-Za-z0-9_./$%+<>=()~^;:@ \-*]*$/;

/** Plain where YAML reads it back as this very text, in quotes otherwise. */
function printText(text: string): string {
  const plain = harmless.test(text) && !/: | $|:$/.test(text) && plainScalarValue(text) === text;
  return plain ? text : JSON.stringify(text);
}

function lastOfEach(entries: readonly MapEntry[]): MapEntry[] {
  return entries.filter((entry, i) => !entries.some((other, j) => j > i && other.key === entry.key));
}
