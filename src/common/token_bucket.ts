/**
 * A token bucket that all threads share: one 64-bit word, the time (nanoseconds of the system's monotonic clock) at which it
 * was or would have been empty. It fills all the time, as Envoy's does, not once an interval.
 */

export interface TokenBucketSettings {
  readonly maxTokens: number;
  /** Tokens that come in one interval; 1 or more. */
  readonly tokensPerFill: number;
  /** Milliseconds. */
  readonly fillInterval: number;
}

export class SharedTokenBucket {
  private readonly words: BigInt64Array;
  private readonly index: number;
  /** Nanoseconds one token takes, and all of them. */
  private readonly one: bigint;
  private readonly full: bigint;

  constructor(words: BigInt64Array, index: number, { maxTokens, tokensPerFill, fillInterval }: TokenBucketSettings) {
    this.words = words;
    this.index = index;
    const perToken = (fillInterval * 1e6) / tokensPerFill;
    this.one = BigInt(Math.max(1, Math.ceil(perToken)));
    this.full = BigInt(maxTokens) * this.one;
  }

  /** Takes tokens; false when there are not that many, and none is taken. */
  consume(tokens = 1, now: bigint = process.hrtime.bigint()): boolean {
    const { words, index, full } = this;
    const cost = BigInt(tokens) * this.one;
    for (;;) {
      const before = Atomics.load(words, index);
      // A word of 0 is a bucket nobody has used: full.
      const emptyAt = before === 0n || now - before > full ? now - full : before;
      if (now - emptyAt < cost) return false;
      if (Atomics.compareExchange(words, index, before, emptyAt + cost) === before) return true;
    }
  }
}
