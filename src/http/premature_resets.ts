/** Step 5 of the data path: a client that opens streams only to reset them is cut off (CVE-2023-44487), by Envoy's measure. */
import type { Runtime } from '../common/runtime.ts';

const totalKey = 'overload.premature_reset_total_stream_count';
const lifetimeKey = 'overload.premature_reset_min_stream_lifetime_seconds';

/** Counts for one connection. */
export class PrematureResets {
  private readonly runtime: Runtime;
  private closed = 0;
  private premature = 0;

  constructor(runtime: Runtime) {
    this.runtime = runtime;
  }

  /** A stream is over after `lived` milliseconds. True when the connection must end: half of its streams were reset before an answer. */
  onStreamOver(lived: number, answered: boolean): boolean {
    const { runtime } = this;
    this.closed++;
    // Envoy compares whole seconds.
    if (!answered && Math.floor(lived / 1000) <= runtime.integer(lifetimeKey, 1)) this.premature++;
    if (this.premature === 0) return false;
    const total = runtime.integer(totalKey, 500);
    // Before that many streams it is enough that they could not become the lesser half any more.
    return this.premature * 2 >= Math.max(this.closed, total);
  }
}
