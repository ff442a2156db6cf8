/** Step 1 of the data path: how many connections a listener may hold, counted exactly over all workers. */
import { type CountedWords, countsAt, type SharedWords } from '../common/counted_words.ts';
import type { Runtime } from '../common/runtime.ts';

export class ConnectionLimit {
  private readonly runtime: Runtime;
  private readonly key: string;
  private readonly counts: CountedWords;

  /** `word` is the index of the listener's count among the shared words. */
  constructor(listener: string, runtime: Runtime, shared: SharedWords, word: number) {
    this.runtime = runtime;
    this.key = `envoy.resource_limits.listener.${listener}.connection_limit`;
    this.counts = countsAt(shared, word, 1);
  }

  /** False when the limit is reached. */
  tryTake(): boolean {
    const before = this.counts.add(0, 1);
    if (this.runtime.size === 0 || before < this.runtime.integer(this.key, Number.POSITIVE_INFINITY)) return true;
    this.release();
    return false;
  }

  release(): void {
    this.counts.add(0, -1);
  }
}
