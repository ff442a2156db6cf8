/** Regular expressions as Envoy reads them (RE2 syntax over bytes), matched by V8 in linear time; used by matchers and rewrites. */
import v8 from 'node:v8';
import { RE2JS } from 're2js';
import { re2Error } from './regex_error.ts';
import { expandRe2, translateRe2 } from './regex_translate.ts';
import { toWire } from './wire_string.ts';

// V8's backtracking engine hands an expression that backtracks too much to its linear engine instead of going on. The second
// flag only brings in the `l` flag of RegExp, by which compileRegex() asks whether the linear engine can take an expression.
v8.setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks');
v8.setFlagsFromString('--enable-experimental-regexp-engine');

/** What is wrong with a pattern in RE2's words, e.g. `missing ): a(b`; undefined when it is a valid RE2 expression. */
export function checkRegex(pattern: string): string | undefined {
  const wire = toWire(pattern);
  const wide = /\\x\{0*([0-9a-fA-F]{3,})\}/.exec(wire);
  if (wide !== null) return `invalid escape sequence: ${wide[0].slice(0, -1)}`;
  try {
    RE2JS.compile(expandRe2(wire));
    return undefined;
  } catch (error) {
    return re2Error((error as Error).message, wire);
  }
}

/** Compiles a pattern; throws an Error in RE2's words when it is not valid, so check configuration by `checkRegex` before. */
export function compileRegex(pattern: string): CompiledRegex {
  const error = checkRegex(pattern);
  if (error !== undefined) throw new Error(error);
  return new CompiledRegex(pattern);
}

/**
 * A compiled expression. Subjects are strings of bytes (one char a byte, as header values and paths are): Envoy 1.40 runs RE2
 * in Latin-1 mode, so `.` is one byte. They never hold CR or LF: the codecs refuse those.
 */
export class CompiledRegex {
  readonly pattern: string;
  readonly groups: number;
  /** Undefined when V8 could not run it in linear time (counted repetition beyond its limits): then RE2 itself runs. */
  private readonly full: RegExp | undefined;
  private readonly global: RegExp | undefined;
  private readonly re2: RE2JS | undefined;

  constructor(pattern: string) {
    this.pattern = pattern;
    const expanded = expandRe2(toWire(pattern));
    const { source, groups, repeatsGroup } = translateRe2(expanded);
    this.groups = groups;
    if (isLinear(source)) {
      this.full = new RegExp(`^(?:${source})$`);
      this.global = new RegExp(source, 'g');
    }
    // Of a group within a repetition RE2 keeps the last round that took part, JavaScript only what the very last round set.
    if (this.full === undefined || repeatsGroup) this.re2 = RE2JS.compile(expanded);
  }

  /** The whole of `text` matches, as all of Envoy's matchers want it. */
  fullMatch(text: string): boolean {
    return this.full !== undefined ? this.full.test(text) : this.re2!.testExact(text);
  }

  /** Some part of `text` matches. */
  search(text: string): boolean {
    if (this.global === undefined) return this.re2!.test(text);
    this.global.lastIndex = 0;
    return this.global.test(text);
  }

  /** All matches from left to right; an empty one right behind another does not count (RE2::GlobalReplace). */
  *matches(text: string): Generator<RegexMatch> {
    let lastEnd = -1;
    for (const match of this.re2 !== undefined ? this.re2.matchAll(text) : text.matchAll(this.global!)) {
      const start = match.index!;
      if (match[0] === '' && start === lastEnd) continue;
      lastEnd = start + match[0].length;
      yield match as unknown as RegexMatch;
    }
  }
}

/** A match: the whole at 0, groups after it (undefined: took no part), `index` where it begins. */
export type RegexMatch = readonly (string | undefined)[] & { readonly 0: string; readonly index: number };

/** A pattern with its replacement, compiled: RegexMatchAndSubstitute. */
export class RegexRewrite {
  private readonly regex: CompiledRegex;
  /** Literal text and group numbers in turn. */
  private readonly parts: (string | number)[];

  constructor(pattern: string, substitution: string) {
    this.regex = compileRegex(pattern);
    this.parts = parseSubstitution(toWire(substitution));
  }

  /** Replaces every match. A group the pattern does not have leaves the text as it is, as RE2 does. */
  replaceAll(text: string): string {
    for (const part of this.parts) if (typeof part === 'number' && part > this.regex.groups) return text;
    let out = '';
    let at = 0;
    for (const match of this.regex.matches(text)) {
      out += text.slice(at, match.index);
      for (const part of this.parts) out += typeof part === 'string' ? part : (match[part] ?? '');
      at = match.index + match[0].length;
    }
    return out + text.slice(at);
  }
}

/** `\0` to `\9` are groups, `\\` a backslash; at any other escape the replacement ends (RE2::Rewrite). */
function parseSubstitution(text: string): (string | number)[] {
  const parts: (string | number)[] = [];
  let at = 0;
  while (at < text.length) {
    const slash = text.indexOf('\\', at);
    if (slash !== at) parts.push(text.slice(at, slash < 0 ? text.length : slash));
    if (slash < 0) break;
    const next = text[slash + 1];
    if (next === '\\') parts.push('\\');
    else if (next >= '0' && next <= '9') parts.push(Number(next));
    else break;
    at = slash + 2;
  }
  return parts;
}

function isLinear(source: string): boolean {
  try {
    new RegExp(source, 'l');
    return true;
  } catch {
    return false;
  }
}
