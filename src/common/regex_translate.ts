/** RE2 syntax to a JavaScript RegExp source without flags, over one char a byte; only for patterns RE2 has accepted. */
import { RE2JS } from 're2js';

export interface Translation {
  readonly source: string;
  readonly groups: number;
  /** A capturing group lies within a repetition. */
  readonly repeatsGroup: boolean;
}

/** Writes out what re2js does not know or reads differently: `\Q…\E`, `\C`, and names of groups, which may repeat in RE2. */
export function expandRe2(pattern: string): string {
  let out = '';
  for (let at = 0; at < pattern.length; ) {
    let end = at + 1;
    let text: string | undefined;
    if (pattern[at] === '[') end = classEnd(pattern, at);
    else if (pattern.startsWith('\\Q', at)) {
      const quoteEnd = pattern.indexOf('\\E', at + 2);
      end = quoteEnd < 0 ? pattern.length : quoteEnd + 2;
      text = pattern.slice(at + 2, quoteEnd < 0 ? undefined : quoteEnd).replace(/[^\w\x80-\xff]/g, '\\$&');
    } else if (pattern.startsWith('\\C', at)) {
      end = at + 2;
      text = '(?s:.)';
    } else if (pattern[at] === '\\') end = at + 2;
    else if (pattern[at] === '(') {
      const name = /^\(\?P?<\w+>/.exec(pattern.slice(at, at + 300));
      if (name !== null) {
        end = at + name[0].length;
        text = '(';
      }
    }
    out += text ?? pattern.slice(at, end);
    at = end;
  }
  return out;
}

/** `pattern` comes from `expandRe2` and was accepted by RE2. */
export function translateRe2(pattern: string): Translation {
  const translator = new Translator(pattern);
  const source = translator.alternation();
  return { source, groups: translator.groups, repeatsGroup: translator.repeatsGroup };
}

class Translator {
  groups = 0;
  repeatsGroup = false;
  private readonly pattern: string;
  private at = 0;
  private ignoreCase = false;
  private dotAll = false;
  private ungreedy = false;

  constructor(pattern: string) {
    this.pattern = pattern;
  }

  /** Up to the closing parenthesis or the end; flags set inside end with it. */
  alternation(): string {
    const { ignoreCase, dotAll, ungreedy } = this;
    let out = '';
    while (this.at < this.pattern.length && this.pattern[this.at] !== ')') {
      if (this.pattern[this.at] === '|') {
        out += '|';
        this.at++;
      } else {
        const groupsBefore = this.groups;
        const atom = this.atom();
        out += atom === '' ? '' : this.quantified(atom, this.groups > groupsBefore);
      }
    }
    this.at++;
    this.ignoreCase = ignoreCase;
    this.dotAll = dotAll;
    this.ungreedy = ungreedy;
    return out;
  }

  private quantified(atom: string, holdsGroup: boolean): string {
    const match = /^(?:[*+?]|\{\d+(?:,\d*)?\})(\??)/.exec(this.pattern.slice(this.at, this.at + 16));
    if (match === null) return atom;
    this.at += match[0].length;
    if (holdsGroup) this.repeatsGroup = true;
    const lazy = (match[1] === '?') !== this.ungreedy;
    const repetition = match[1] === '?' ? match[0].slice(0, -1) : match[0];
    // JavaScript takes no repetition of an assertion.
    const repeatable = /^(?:\^|\$|\\[bB])$/.test(atom) ? `(?:${atom})` : atom;
    return `${repeatable}${repetition}${lazy ? '?' : ''}`;
  }

  private atom(): string {
    const char = this.pattern[this.at];
    switch (char) {
      case '(':
        return this.group();
      case '[': {
        const start = this.at;
        this.at = classEnd(this.pattern, start);
        return this.set(this.pattern.slice(start, this.at));
      }
      case '\\':
        return this.escape();
      case '.':
        this.at++;
        return this.dotAll ? '[^]' : '[^\\n]';
      case '^':
      case '$':
        // With (?m) these would also match at a line feed, which no subject holds.
        this.at++;
        return char;
      default:
        this.at++;
        return this.literal(char);
    }
  }

  private group(): string {
    const flags = /^\(\?([imsU-]*)([:)])/.exec(this.pattern.slice(this.at, this.at + 16));
    if (flags === null) {
      this.at++;
      this.groups++;
      return `(${this.alternation()})`;
    }
    this.at += flags[0].length;
    const { ignoreCase, dotAll, ungreedy } = this;
    this.setFlags(flags[1]);
    if (flags[2] === ')') return '';
    const inner = this.alternation();
    this.ignoreCase = ignoreCase;
    this.dotAll = dotAll;
    this.ungreedy = ungreedy;
    return `(?:${inner})`;
  }

  private setFlags(flags: string): void {
    let on = true;
    for (const flag of flags) {
      if (flag === '-') on = false;
      else if (flag === 'i') this.ignoreCase = on;
      else if (flag === 's') this.dotAll = on;
      else if (flag === 'U') this.ungreedy = on;
    }
  }

  private escape(): string {
    const rest = this.pattern.slice(this.at, this.at + 40);
    const anchor = anchors[rest[1]];
    if (anchor !== undefined) {
      this.at += 2;
      return anchor;
    }
    const text = /^\\(?:[pP]\{[^}]*\}|[pP].|x\{[^}]*\}|x..|[0-7]{1,3}|[\s\S])/.exec(rest)![0];
    this.at += text.length;
    if (/^\\[^\w]$/.test(text)) return this.literal(text[1]);
    return this.set(text);
  }

  private literal(char: string): string {
    if (this.ignoreCase && /[a-zA-Z]/.test(char)) return `[${char.toLowerCase()}${char.toUpperCase()}]`;
    if (this.ignoreCase && char > '\x7f') return this.set(char);
    return literalChar(char);
  }

  private set(text: string): string {
    return charSet(this.ignoreCase ? `(?i)${text}` : text);
  }
}

const anchors: Record<string, string> = { A: '^', z: '$', b: '\\b', B: '\\B' };
const sets = new Map<string, string>();

/** What a class or an escape stands for, found out by asking RE2 about each of the 256 chars. */
function charSet(text: string): string {
  const known = sets.get(text);
  if (known !== undefined) return known;
  const re2 = RE2JS.compile(text);
  let body = '';
  for (let first = 0; first < 256; first++) {
    if (!re2.testExact(String.fromCharCode(first))) continue;
    let last = first;
    while (last < 255 && re2.testExact(String.fromCharCode(last + 1))) last++;
    body += hex(first) + (last > first ? `-${hex(last)}` : '');
    first = last;
  }
  const single = /^\\x..$/.test(body) ? body : `[${body}]`;
  if (sets.size < 1000) sets.set(text, single);
  return single;
}

/** Where the class that begins at `start` ends, after its bracket; the pattern's end when it does not. */
function classEnd(pattern: string, start: number): number {
  let at = start + 1;
  if (pattern[at] === '^') at++;
  if (pattern[at] === ']') at++;
  while (at < pattern.length && pattern[at] !== ']') {
    const named = pattern.startsWith('[:', at) ? pattern.indexOf(':]', at + 2) : -1;
    if (named >= 0) at = named + 2;
    else at += pattern[at] === '\\' ? 2 : 1;
  }
  return Math.min(at + 1, pattern.length);
}

function literalChar(char: string): string {
  return /[a-zA-Z0-9_\-/ ,:;=&@~%!#"'<>`]/.test(char) ? char : hex(char.charCodeAt(0));
}

function hex(code: number): string {
  return `\\x${code.toString(16).padStart(2, '0')}`;
}
