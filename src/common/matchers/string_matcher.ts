/** envoy.type.matcher.v3.StringMatcher compiled to an object that answers for one value. */
import type { envoy } from '../../api/envoy_types.ts';
import { type CompiledRegex, compileRegex } from '../regex.ts';
import { asciiLowerCase, toWire } from '../wire_string.ts';

export interface StringMatcher {
  /** `value` holds one char a byte. */
  matches(value: string): boolean;
}

/** Throws on what configuration validation refuses: an invalid expression, a `custom` matcher, no pattern at all. */
export function compileStringMatcher(message: envoy.type.matcher.v3.StringMatcher): StringMatcher {
  const { matchPattern: pattern, ignoreCase } = message;
  switch (pattern.case) {
    case 'exact':
    case 'prefix':
    case 'suffix':
    case 'contains':
      return textMatcher(pattern.case, pattern.value, ignoreCase);
    case 'safeRegex':
      return new RegexMatcher(compileRegex(pattern.value.regex));
    default:
      throw new Error(`string matcher ${pattern.case ?? 'without a pattern'} is not supported`);
  }
}

export type TextMatch = 'exact' | 'prefix' | 'suffix' | 'contains';

export function textMatcher(kind: TextMatch, text: string, ignoreCase: boolean): StringMatcher {
  const wire = toWire(text);
  return ignoreCase
    ? new IgnoreCaseMatcher(new matcherClasses[kind](asciiLowerCase(wire)))
    : new matcherClasses[kind](wire);
}

/** A regular expression, which matches the whole value. `ignore_case` has no effect on it. */
export class RegexMatcher implements StringMatcher {
  private readonly regex: CompiledRegex;
  constructor(regex: CompiledRegex) {
    this.regex = regex;
  }
  matches(value: string): boolean {
    return this.regex.fullMatch(value);
  }
}

class ExactMatcher implements StringMatcher {
  private readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  matches(value: string): boolean {
    return value === this.text;
  }
}

class PrefixMatcher implements StringMatcher {
  private readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  matches(value: string): boolean {
    return value.startsWith(this.text);
  }
}

class SuffixMatcher implements StringMatcher {
  private readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  matches(value: string): boolean {
    return value.endsWith(this.text);
  }
}

class ContainsMatcher implements StringMatcher {
  private readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  matches(value: string): boolean {
    return value.includes(this.text);
  }
}

class IgnoreCaseMatcher implements StringMatcher {
  private readonly lower: StringMatcher;
  constructor(lower: StringMatcher) {
    this.lower = lower;
  }
  matches(value: string): boolean {
    return this.lower.matches(asciiLowerCase(value));
  }
}

const matcherClasses = {
  exact: ExactMatcher,
  prefix: PrefixMatcher,
  suffix: SuffixMatcher,
  contains: ContainsMatcher,
} as const;
