/**
 * Counts and token buckets that all threads share, found by name: a table with open addressing in the shared words, so that
 * no thread has to be asked for a place. A name keeps its place as long as the process runs.
 */
import { SharedTokenBucket, type TokenBucketSettings } from './token_bucket.ts';

/** Words of a place: two of the name's hash, two of value. */
export const namedWordSize = 4;

export interface NamedWordsMemory {
  readonly words: Int32Array;
  /** This thread's own part of counts; taken back when it dies. */
  readonly ledger: Int32Array;
  /** Index of the first word; even. */
  readonly base: number;
  /** How many places there are. */
  readonly places: number;
}

export class NamedWords {
  private readonly memory: NamedWordsMemory;
  private readonly long: BigInt64Array;

  constructor(memory: NamedWordsMemory) {
    this.memory = memory;
    this.long = new BigInt64Array(memory.words.buffer, memory.words.byteOffset, memory.words.length >> 1);
  }

  /** A count of what there is now in all threads, e.g. connections. */
  count(name: string): SharedCount {
    return new SharedCount(this.memory, this.place(`count ${name}`));
  }

  tokenBucket(name: string, settings: TokenBucketSettings): SharedTokenBucket {
    return new SharedTokenBucket(this.long, this.place(`bucket ${name}`) >> 1, settings);
  }

  /** Index of the value's first word. Throws a RangeError when all places are taken. */
  private place(name: string): number {
    const { words, base, places } = this.memory;
    const first = hash(name, 0x811c9dc5);
    const second = hash(name, 0x9e3779b9);
    for (let step = 0; step < places; step++) {
      const at = base + ((first + step) % places) * namedWordSize;
      if (!claims(words, at, first) || !claims(words, at + 1, second)) continue;
      return at + 2;
    }
    throw new RangeError(`no more than ${places} shared counts can be held at once`);
  }
}

export class SharedCount {
  private readonly memory: NamedWordsMemory;
  private readonly index: number;

  constructor(memory: NamedWordsMemory, index: number) {
    this.memory = memory;
    this.index = index;
  }

  /** Answers what the count was before. */
  add(difference: number): number {
    const { words, ledger } = this.memory;
    ledger[this.index] += difference;
    return Atomics.add(words, this.index, difference);
  }
}

/** The word is free or ours already. */
function claims(words: Int32Array, index: number, value: number): boolean {
  const before = Atomics.compareExchange(words, index, 0, value | 0);
  return before === 0 || before === (value | 0);
}

/** FNV-1a with a seed; never 0. */
function hash(text: string, seed: number): number {
  let value = seed;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0 || 1;
}
