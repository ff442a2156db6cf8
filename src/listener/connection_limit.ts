/** Step 1 of the data path: how many connections a listener may hold, counted exactly over all workers. */
import type { Runtime } from '../common/runtime.ts';

/** Words all threads share, and this worker's own part of them, which the main thread takes back when the worker dies. */
export interface LimitWords {
  readonly words: Int32Array;
  readonly ledger: Int32Array;
}

export class ConnectionLimit {
  private readonly runtime: Runtime;
  private readonly key: string;
  private readonly shared: LimitWords;
  private readonly word: number;

  /** `word` is the index of the listener's count among the shared words. */
  constructor(listener: string, runtime: Runtime, shared: LimitWords, word: number) {
    this.runtime = runtime;
    this.key = `envoy.resource_limits.listener.${listener}.connection_limit`;
    this.shared = shared;
    this.word = word;
  }

  /** False when the limit is reached. */
  tryTake(): boolean {
    const before = this.add(1);
    if (this.runtime.size === 0 || before < this.runtime.integer(this.key, Number.POSITIVE_INFINITY)) return true;
    this.release();
    return false;
  }

  release(): void {
    this.add(-1);
  }

  private add(difference: number): number {
    const { shared, word } = this;
    shared.ledger[word] += difference;
    return Atomics.add(shared.words, word, difference);
  }
}
