/** Path templates of google.api.http: `/v1/{name=shelves/*}/books/{book.id}:verb`. */

/** A literal, or one of the wildcards. */
export type Segment = string;

export const oneSegment = '*';
export const anySegments = '**';

/** A place between the segments of a path; behind `**` it is counted from the path's end. */
export interface Place {
  readonly fromEnd: boolean;
  readonly offset: number;
}

export interface TemplateVariable {
  readonly fieldPath: readonly string[];
  /** Its segments: from `start` up to, not including, `end`. */
  readonly start: Place;
  readonly end: Place;
  /** It has `**` in it. */
  readonly deep: boolean;
}

export interface PathTemplate {
  readonly segments: readonly Segment[];
  /** What follows a colon; empty: nothing. */
  readonly verb: string;
  readonly variables: readonly TemplateVariable[];
}

const identifier = /^[A-Za-z_][\w]*$/;

/** Undefined when it is none. */
export function parsePathTemplate(text: string): PathTemplate | undefined {
  if (!text.startsWith('/')) return undefined;
  const parser = new TemplateParser(text);
  return parser.parse();
}

class TemplateParser {
  private readonly text: string;
  private at = 1;
  private readonly segments: Segment[] = [];
  private readonly variables: { fieldPath: string[]; start: number; end: number; deep: boolean }[] = [];
  private verb = '';

  constructor(text: string) {
    this.text = text;
  }

  parse(): PathTemplate | undefined {
    if (!this.list(false)) return undefined;
    if (this.text[this.at] === ':') {
      this.at++;
      this.verb = this.literal();
      if (this.verb === '') return undefined;
    }
    if (this.at !== this.text.length) return undefined;
    const deepAt = this.segments.indexOf(anySegments);
    if (deepAt >= 0 && this.segments.indexOf(anySegments, deepAt + 1) >= 0) return undefined;
    const variables = this.variables.map(({ fieldPath, start, end, deep }) => ({
      fieldPath,
      start: this.place(start, deepAt),
      end: this.place(end, deepAt),
      deep,
    }));
    return { segments: this.segments, verb: this.verb, variables };
  }

  private place(index: number, deepAt: number): Place {
    const fromEnd = deepAt >= 0 && index > deepAt;
    return { fromEnd, offset: fromEnd ? this.segments.length - index : index };
  }

  private list(inVariable: boolean): boolean {
    do {
      if (!this.segment(inVariable)) return false;
    } while (this.take('/'));
    return true;
  }

  private segment(inVariable: boolean): boolean {
    if (this.take('{')) return !inVariable && this.variable();
    if (this.take('**')) this.segments.push(anySegments);
    else if (this.take('*')) this.segments.push(oneSegment);
    else {
      const literal = this.literal();
      if (literal === '') return false;
      this.segments.push(literal);
    }
    return true;
  }

  private variable(): boolean {
    const fieldPath = this.until(/[=}]/).split('.');
    if (!fieldPath.every((name) => identifier.test(name))) return false;
    const start = this.segments.length;
    if (this.take('=')) {
      if (!this.list(true)) return false;
    } else this.segments.push(oneSegment);
    const end = this.segments.length;
    this.variables.push({ fieldPath, start, end, deep: this.segments.indexOf(anySegments, start) >= 0 });
    return this.take('}');
  }

  private literal(): string {
    return this.until(/[/:{}=*]/);
  }

  private until(stop: RegExp): string {
    const from = this.at;
    while (this.at < this.text.length && !stop.test(this.text[this.at])) this.at++;
    return this.text.slice(from, this.at);
  }

  private take(token: string): boolean {
    if (!this.text.startsWith(token, this.at)) return false;
    this.at += token.length;
    return true;
  }
}
