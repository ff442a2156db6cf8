/** A configuration text and positions in it (control path, step 1): offsets become line and column only when one is shown. */

/** A text with the name it is known by: a file's path, or `--config-yaml`. */
export class SourceText {
  readonly name: string;
  readonly text: string;
  #lineStarts: number[] | undefined;

  constructor(name: string, text: string) {
    this.name = name;
    this.text = text;
  }

  /** Line and column of an offset, both counted from 1, columns in UTF-16 units. */
  position(offset: number): { line: number; column: number } {
    const starts = this.#starts();
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle] <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - starts[low] + 1 };
  }

  /** The text of a line, counted from 1, without its line end. */
  line(number: number): string {
    const starts = this.#starts();
    const end = number < starts.length ? starts[number] : this.text.length;
    return this.text.slice(starts[number - 1], end).replace(/\r?\n$/, '');
  }

  #starts(): number[] {
    if (this.#lineStarts === undefined) {
      this.#lineStarts = [0];
      for (let i = this.text.indexOf('\n'); i !== -1; i = this.text.indexOf('\n', i + 1)) this.#lineStarts.push(i + 1);
    }
    return this.#lineStarts;
  }
}

/** A stretch of a source: `end` is exclusive. */
export interface Span {
  readonly source: SourceText;
  readonly start: number;
  readonly end: number;
}
