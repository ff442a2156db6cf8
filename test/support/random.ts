/** A seeded source of random numbers, so that whatever a run finds can be run again. */

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0;
  }

  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  /** An integer from 0 to `below` - 1. */
  int(below: number): number {
    return Math.floor(this.next() * below);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.int(list.length)];
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }
}

/** The seed of this run: FUZZ_SEED, or the time. */
export function seedOfRun(): number {
  return Number(process.env['FUZZ_SEED'] ?? Date.now() % 0x7fffffff);
}
