/** Step 7 of the data path: the tries of one request that were too slow and go on beside the newest (hedge_on_per_try_timeout). */
import { HOST } from '../common/stats/layouts.ts';
import type { UpstreamRequest } from './upstream_request.ts';

export class SlowTries {
  private readonly tries: UpstreamRequest[] = [];

  get size(): number {
    return this.tries.length;
  }

  add(upstream: UpstreamRequest): void {
    this.tries.push(upstream);
  }

  /** True when there is one besides `upstream`. */
  hasOther(upstream: UpstreamRequest): boolean {
    return this.tries.some((other) => other !== upstream);
  }

  /** Gives one up; nothing when it is not among them. */
  drop(upstream: UpstreamRequest): void {
    const index = this.tries.indexOf(upstream);
    if (index >= 0) this.tries.splice(index, 1);
    upstream.cancel();
  }

  /** Gives up all but the one that has won. */
  cancel(winner?: UpstreamRequest): void {
    for (const upstream of this.tries) if (upstream !== winner) upstream.cancel();
    this.tries.length = 0;
  }

  /** The time for all of them is over. */
  timeOut(): void {
    for (const { host } of this.tries) {
      host.stats[HOST.slot.rq_timeout]++;
      host.stats[HOST.slot.rq_error]++;
    }
    this.cancel();
  }
}
