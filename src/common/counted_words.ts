/** What a thread counts in words of shared memory that belong to one owner, and how it lets go of them while it still counts. */

/** Shared words, and this thread's own part of them, which the main thread takes back when the thread dies. */
export interface SharedWords {
  readonly words: Int32Array;
  readonly ledger: Int32Array;
}

/**
 * The counts of one owner: of a cluster, a host, a listener. When the owner is taken away its words get another owner, while
 * connections and requests of this thread may go on for minutes: from `detach()` on they count in words of their own.
 */
export class CountedWords {
  private words: Int32Array;
  private ledger: Int32Array;
  private base: number;
  private readonly size: number;

  constructor(shared: SharedWords, base: number, size: number) {
    this.words = shared.words;
    this.ledger = shared.ledger;
    this.base = base;
    this.size = size;
  }

  /** Returns what was there before. */
  add(word: number, difference: number): number {
    const index = this.base + word;
    this.ledger[index] += difference;
    return Atomics.add(this.words, index, difference);
  }

  load(word: number): number {
    return Atomics.load(this.words, this.base + word);
  }

  detach(): void {
    const own = this.ledger.slice(this.base, this.base + this.size);
    for (let word = 0; word < this.size; word++) this.add(word, -own[word]);
    this.words = own;
    // Nobody asks what is this thread's own part of its own words.
    this.ledger = own.slice();
    this.base = 0;
  }
}

const inUse = new WeakMap<Int32Array, Map<number, CountedWords>>();

/** The counts of the owner whose words begin at `base`: the same ones for whoever asks in this thread, until it is released. */
export function countsAt(shared: SharedWords, base: number, size: number): CountedWords {
  let all = inUse.get(shared.ledger);
  if (all === undefined) {
    all = new Map();
    inUse.set(shared.ledger, all);
  }
  let counts = all.get(base);
  if (counts === undefined) {
    counts = new CountedWords(shared, base, size);
    all.set(base, counts);
  }
  return counts;
}

/** The owner is gone: its words are left clean, as far as this thread has written them. */
export function releaseCounts(shared: SharedWords, base: number): void {
  const all = inUse.get(shared.ledger);
  all?.get(base)?.detach();
  all?.delete(base);
}
