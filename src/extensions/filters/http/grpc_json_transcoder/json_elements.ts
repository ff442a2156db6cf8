/** Cuts a JSON list that comes in pieces into its elements, so that each can be sent on before the next is there. */
import type { Bytes } from '../../../../../native-free/bytes/bytes.ts';
import { BodyBuffer } from '../../../../common/body_buffer.ts';

const notList = 'Expected an array instead of an object';

const BLANK = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

export class JsonElements {
  private state: 'start' | 'before' | 'inside' | 'after' | 'end' = 'start';
  private readonly element = new BodyBuffer();
  private depth = 0;
  private inString = false;
  private escaped = false;
  /** A comma has been read: another element must come. */
  private owed = false;

  /** Bytes of an element that is not complete. */
  get held(): number {
    return this.element.size;
  }

  private get isInside(): boolean {
    return this.state === 'inside';
  }

  /** Tells each complete element to `onElement`, which answers whether to go on; else why this is no list. */
  push(bytes: Bytes, start: number, end: number, onElement: (text: string) => boolean): string | undefined {
    let from = start;
    for (let at = start; at < end; at++) {
      const byte = bytes[at];
      if (!this.isInside) {
        const fault = this.outside(byte);
        if (fault !== undefined) return fault;
        from = at;
        if (!this.isInside) continue;
      }
      const cut = this.cut(byte);
      if (cut === 'no') continue;
      this.element.add(bytes, from, cut === 'behind' ? at + 1 : at);
      this.state = 'after';
      this.owed = false;
      if (!onElement(this.take())) return undefined;
      // What ends a number is looked at once more, for itself.
      if (cut === 'before') at--;
    }
    if (this.isInside) this.element.add(bytes, from, end);
    return undefined;
  }

  /** At the end of the body: why it is not complete. */
  finish(): string | undefined {
    if (this.state === 'end') return undefined;
    if (this.state === 'start') return notList;
    const expected =
      this.state === 'after' ? 'Expected , or ] after array value.' : 'Expected a value or ] within an array.';
    return `Unexpected end of string. ${expected}\n\n^`;
  }

  private outside(byte: number): string | undefined {
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) return undefined;
    const char = String.fromCharCode(byte);
    switch (this.state) {
      case 'start':
        if (char !== '[') return notList;
        this.state = 'before';
        return undefined;
      case 'before':
        if (char === ']' && !this.owed) this.state = 'end';
        else this.begin();
        return undefined;
      case 'after':
        if (char === ']') this.state = 'end';
        else if (char === ',') {
          this.state = 'before';
          this.owed = true;
        } else return `Expected , or ] after array value.\n${char}\n^`;
        return undefined;
      default:
        return `Parsing terminated before end of input.\n${char}\n^`;
    }
  }

  private begin(): void {
    this.state = 'inside';
    this.depth = 0;
    this.inString = false;
    this.escaped = false;
  }

  /** Where the element ends at this byte. */
  private cut(byte: number): 'no' | 'before' | 'behind' {
    if (this.inString) {
      if (this.escaped) this.escaped = false;
      else if (byte === BACKSLASH) this.escaped = true;
      else if (byte === QUOTE) this.inString = false;
      return this.inString || this.depth > 0 ? 'no' : 'behind';
    }
    switch (byte) {
      case QUOTE:
        this.inString = true;
        return 'no';
      case OPEN_BRACE:
      case OPEN_BRACKET:
        this.depth++;
        return 'no';
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        if (this.depth === 0) return 'before';
        return --this.depth === 0 ? 'behind' : 'no';
      default:
        return this.depth === 0 && (byte === COMMA || byte <= BLANK) ? 'before' : 'no';
    }
  }

  private take(): string {
    return this.element.take()?.toString('utf8') ?? '';
  }
}
