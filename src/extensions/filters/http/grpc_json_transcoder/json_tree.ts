/** Reads JSON as protobuf's own parser does: keys may repeat, numbers keep their digits, and errors are told in its words. */

/** One value; `text` is what it was written as. */
export type JsonNode =
  | { readonly kind: 'object'; readonly entries: readonly (readonly [string, JsonNode])[]; readonly text: string }
  | { readonly kind: 'list'; readonly items: readonly JsonNode[]; readonly text: string }
  | { readonly kind: 'string'; readonly value: string; readonly text: string }
  | { readonly kind: 'number' | 'boolean' | 'null'; readonly text: string };

/** Carried out of the recursion; never leaves this file's functions. */
class Fault extends Error {}

/** What the peer sent cannot be read: the reason, with the place it was found at. */
export interface JsonFault {
  readonly fault: string;
}

/** Objects and lists within each other. */
const mostDepth = 100;
const contextLength = 20;

/** Empty text is an empty object, as in Envoy. */
export function parseJson(text: string): JsonNode | JsonFault {
  if (/^\s*$/.test(text)) return { kind: 'object', entries: [], text: '{}' };
  try {
    return new JsonParser(text).parse();
  } catch (error) {
    if (error instanceof Fault) return { fault: error.message };
    throw error;
  }
}

class JsonParser {
  private readonly text: string;
  private at = 0;
  private depth = 0;

  constructor(text: string) {
    this.text = text;
  }

  parse(): JsonNode {
    const value = this.value('Expected a value.');
    this.skipBlanks();
    if (this.at < this.text.length) this.fail('Parsing terminated before end of input.');
    return value;
  }

  private value(expected: string): JsonNode {
    this.skipBlanks();
    const char = this.text[this.at];
    if (char === '{' || char === '[') {
      if (++this.depth > mostDepth) this.fail('Message too deep. Max recursion depth reached.');
      const node = char === '{' ? this.object() : this.list();
      this.depth--;
      return node;
    }
    if (char === '"' || char === "'") {
      const from = this.at;
      return { kind: 'string', value: this.string(), text: this.text.slice(from, this.at) };
    }
    if (char === '-' || (char >= '0' && char <= '9')) return { kind: 'number', text: this.number() };
    return this.word(expected);
  }

  private object(): JsonNode {
    const from = this.at++;
    const entries: [string, JsonNode][] = [];
    this.skipBlanks();
    if (!this.take('}')) {
      do {
        const key = this.key();
        if (!this.take(':')) this.unknown('Expected : between key:value pair.');
        entries.push([key, this.value('Expected a value.')]);
      } while (this.take(','));
      if (!this.take('}')) this.unknown('Expected , or } after key:value pair.');
    }
    return { kind: 'object', entries, text: this.text.slice(from, this.at) };
  }

  private key(): string {
    this.skipBlanks();
    const char = this.text[this.at];
    if (char === '"' || char === "'") return this.string();
    const bare = /[A-Za-z_$][\w$]*/y;
    bare.lastIndex = this.at;
    const found = bare.exec(this.text);
    if (found === null) return this.unknown('Expected an object key or }.');
    this.at = bare.lastIndex;
    return found[0];
  }

  private list(): JsonNode {
    const from = this.at++;
    const items: JsonNode[] = [];
    this.skipBlanks();
    if (!this.take(']')) {
      do items.push(this.value('Expected a value or ] within an array.'));
      while (this.take(','));
      if (!this.take(']')) this.unknown('Expected , or ] after array value.');
    }
    return { kind: 'list', items, text: this.text.slice(from, this.at) };
  }

  private number(): string {
    const pattern = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found === null) return this.fail('Unable to parse number.');
    this.at = pattern.lastIndex;
    return found[0];
  }

  private word(expected: string): JsonNode {
    for (const [text, kind] of words) {
      if (!this.text.startsWith(text, this.at)) continue;
      this.at += text.length;
      return { kind, text };
    }
    if (/[A-Za-z_$]/.test(this.text[this.at] ?? '')) this.fail('Unexpected token.');
    return this.unknown(expected);
  }

  private string(): string {
    const quote = this.text[this.at];
    const from = ++this.at;
    while (this.at < this.text.length && this.text[this.at] !== quote) this.at += this.text[this.at] === '\\' ? 2 : 1;
    if (this.at >= this.text.length) {
      this.at = this.text.length;
      this.fail('Closing quote expected in string.');
    }
    const raw = this.text.slice(from, this.at++);
    return raw.includes('\\') ? this.unescape(raw) : raw;
  }

  private unescape(raw: string): string {
    return raw.replace(/\\(u[0-9a-fA-F]{4}|u|[^u])/g, (_all, escape: string) => {
      if (escape.length === 5) return String.fromCharCode(Number.parseInt(escape.slice(1), 16));
      if (escape === 'u') return this.fail('Illegal hex string.');
      return escapes[escape] ?? escape;
    });
  }

  private skipBlanks(): void {
    while (' \t\n\r'.includes(this.text[this.at] ?? 'x')) this.at++;
  }

  private take(char: string): boolean {
    this.skipBlanks();
    if (this.text[this.at] !== char) return false;
    this.at++;
    return true;
  }

  private unknown(message: string): never {
    this.skipBlanks();
    return this.fail(this.at < this.text.length ? message : `Unexpected end of string. ${message}`);
  }

  /** With what stands around the place; at the end there is nothing to show. */
  private fail(message: string): never {
    const ended = this.at >= this.text.length;
    const begin = ended ? this.at : Math.max(0, this.at - contextLength);
    const context = this.text.slice(begin, this.at + contextLength);
    throw new Fault(`${message}\n${context}\n${' '.repeat(this.at - begin)}^`);
  }
}

const words = [
  ['true', 'boolean'],
  ['false', 'boolean'],
  ['null', 'null'],
] as const;

const escapes: Record<string, string> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };
