/** What was converted in a configuration of an older API (control path, step 1): for warnings, and for the comments of `nuncio convert`. */
import type { Report } from '../report.ts';
import type { Span } from '../source_text.ts';
import type { MapEntry } from '../source_tree.ts';
import { type Place, spanOf } from './edit.ts';

interface Kind {
  readonly at: Span;
  places: number;
}

export class Changes {
  readonly #comments = new Map<MapEntry, string>();
  readonly #dropped: { readonly line: number; readonly text: string }[] = [];
  readonly #kinds = new Map<string, Kind>();

  /** A field or a type of an older API became `entry`; `what` is as it was called, `became` as it is now. */
  converted(from: Place, entry: MapEntry, what: string, became: string): void {
    this.#count(`${what} was converted to ${became}`, from);
    this.comment(entry, `${what}, line ${lineOf(from)}`);
  }

  /** A change that is worth a comment only, because another warning covers it. */
  comment(entry: MapEntry, text: string): void {
    const earlier = this.#comments.get(entry);
    this.#comments.set(entry, earlier === undefined ? text : `${earlier}; ${text}`);
  }

  /** A field that has no meaning any more, or none that can be kept. */
  dropped(from: MapEntry, why: string): void {
    const text = `'${from.key}' is left out: ${why}`;
    this.#count(text, from);
    this.#dropped.push({ line: lineOf(from), text });
  }

  /** Something that holds for the file as a whole. */
  general(at: Place, text: string): void {
    this.#count(text, at);
  }

  /** Anything was converted or left out. */
  get any(): boolean {
    return this.#kinds.size > 0;
  }

  commentOf(entry: MapEntry): string | undefined {
    return this.#comments.get(entry);
  }

  /** Each with its line, in the order of the text. */
  leftOut(): string[] {
    return [...this.#dropped].sort((a, b) => a.line - b.line).map(({ line, text }) => `line ${line}: ${text}`);
  }

  /** One line for each kind of change, at its first place. */
  warn(report: Report): void {
    for (const [text, { at, places }] of this.#kinds) {
      report.note(at, places === 1 ? text : `${text} (${places} places)`);
    }
  }

  #count(text: string, from: Place): void {
    const kind = this.#kinds.get(text);
    if (kind === undefined) this.#kinds.set(text, { at: spanOf(from), places: 1 });
    else kind.places++;
  }
}

function lineOf(from: Place): number {
  const { source, start } = spanOf(from);
  return source.position(start).line;
}
