/** Step 1 of the data path: how many connections a listener, or all together, may hold, counted exactly over all workers. */
import { type CountedWords, countsAt, type SharedWords } from '../common/counted_words.ts';
import type { Runtime } from '../common/runtime.ts';

/** Of all listeners but those with `ignore_global_conn_limit`. */
export const globalLimitKey = 'overload.global_downstream_max_connections';

export function listenerLimitKey(listener: string): string {
  return `envoy.resource_limits.listener.${listener}.connection_limit`;
}

export class ConnectionLimit {
  private readonly runtime: Runtime;
  private readonly key: string;
  private readonly counts: CountedWords;

  /** `key` is that of the runtime value; `word` the index of the count among the shared words. */
  constructor(key: string, runtime: Runtime, shared: SharedWords, word: number) {
    this.runtime = runtime;
    this.key = key;
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
