/** A value that is a decimal number in a half-open range: envoy.type.v3.Int64Range. */
import type { StringMatcher } from './string_matcher.ts';

const int64Max = 9223372036854775807n;

export class Int64RangeMatcher implements StringMatcher {
  private readonly start: bigint;
  private readonly end: bigint;

  constructor(start: bigint, end: bigint) {
    this.start = start;
    this.end = end;
  }

  matches(value: string): boolean {
    if (!/^\s*[+-]?\d{1,30}\s*$/.test(value)) return false;
    const trimmed = value.trim();
    const number = BigInt(trimmed[0] === '+' ? trimmed.slice(1) : trimmed);
    return number >= this.start && number < this.end && number <= int64Max;
  }
}
