/** The words of protobuf's text format (control path, step 1): names, numbers, strings with their escapes, punctuation, comments left out. */
import type { SourceText, Span } from './source_text.ts';

export interface Token {
  readonly kind: 'word' | 'number' | 'string' | 'symbol' | 'end';
  /** As it is written; of a string its content. */
  readonly text: string;
  /** Of a string: escapes may make bytes that are no text. */
  readonly bytes?: Buffer;
  readonly at: Span;
}

export class TextSyntaxError extends Error {
  readonly at: Span;

  constructor(message: string, at: Span) {
    super(message);
    this.at = at;
  }
}

const blank = /(?:\s|#[^\n]*)*/y;
const word = /[A-Za-z_][A-Za-z0-9_]*/y;
const number = /-?\s*(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fF]?|inf(?:inity)?|nan)/iy;
const url = /\s*([A-Za-z0-9_.\-/%]+)\s*\]/y;

export class TextScanner {
  readonly #source: SourceText;
  #offset = 0;
  #ahead: Token | undefined;

  constructor(source: SourceText) {
    this.#source = source;
  }

  peek(): Token {
    this.#ahead ??= this.#read();
    return this.#ahead;
  }

  next(): Token {
    const token = this.peek();
    this.#ahead = undefined;
    return token;
  }

  /** Takes the next token when it is one of these symbols. */
  skip(...symbols: string[]): boolean {
    const token = this.peek();
    if (token.kind !== 'symbol' || !symbols.includes(token.text)) return false;
    this.#ahead = undefined;
    return true;
  }

  /** What stands in brackets before the contents of an Any, the closing one included. */
  typeUrl(): Token {
    const found = this.#match(url);
    if (found === undefined)
      throw new TextSyntaxError("expected a type URL and ']'", this.#span(this.#offset, this.#offset + 1));
    const start = this.#offset + found[0].indexOf(found[1]);
    this.#offset += found[0].length;
    return { kind: 'word', text: found[1], at: this.#span(start, start + found[1].length) };
  }

  #read(): Token {
    const { text } = this.#source;
    this.#offset += this.#match(blank)?.[0].length ?? 0;
    const start = this.#offset;
    if (start >= text.length) return { kind: 'end', text: 'the end of the text', at: this.#span(start, start) };
    const quote = text[start];
    if (quote === '"' || quote === "'") return this.#string();
    for (const [kind, pattern] of [
      ['word', word],
      ['number', number],
    ] as const) {
      const found = this.#match(pattern);
      if (found === undefined) continue;
      this.#offset += found[0].length;
      return { kind, text: found[0].replace(/\s/g, ''), at: this.#span(start, this.#offset) };
    }
    this.#offset++;
    return { kind: 'symbol', text: quote, at: this.#span(start, this.#offset) };
  }

  /** Strings one behind the other are one. */
  #string(): Token {
    const { text } = this.#source;
    const start = this.#offset;
    let end = start;
    const parts: Buffer[] = [];
    while (text[this.#offset] === '"' || text[this.#offset] === "'") {
      parts.push(this.#quoted());
      end = this.#offset;
      this.#offset += this.#match(blank)?.[0].length ?? 0;
    }
    const bytes = Buffer.concat(parts);
    return { kind: 'string', text: bytes.toString('utf8'), bytes, at: this.#span(start, end) };
  }

  #quoted(): Buffer {
    const { text } = this.#source;
    const quote = text[this.#offset];
    const start = this.#offset;
    let end = start + 1;
    while (text[end] !== quote) {
      if (end >= text.length || text[end] === '\n')
        throw new TextSyntaxError('the string does not end in its line', this.#span(start, end));
      end += text[end] === '\\' ? 2 : 1;
    }
    this.#offset = end + 1;
    return unescape(text.slice(start + 1, end));
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#offset;
    return pattern.exec(this.#source.text) ?? undefined;
  }

  #span(start: number, end: number): Span {
    return { source: this.#source, start, end };
  }
}

const simple: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, a: 7, b: 8, f: 12, v: 11 };
const escape = /\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))|[^\\]+/gs;

function unescape(text: string): Buffer {
  const parts: Buffer[] = [];
  for (const [all, octal, hex, short, long, other] of text.matchAll(escape)) {
    if (octal !== undefined) parts.push(Buffer.from([Number.parseInt(octal, 8) & 255]));
    else if (hex !== undefined) parts.push(Buffer.from([Number.parseInt(hex, 16)]));
    else if (short !== undefined || long !== undefined) {
      const code = Number.parseInt(short ?? long, 16);
      parts.push(Buffer.from(code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd', 'utf8'));
    } else if (other !== undefined)
      parts.push(simple[other] === undefined ? Buffer.from(other, 'utf8') : Buffer.from([simple[other]]));
    else parts.push(Buffer.from(all, 'utf8'));
  }
  return Buffer.concat(parts);
}
