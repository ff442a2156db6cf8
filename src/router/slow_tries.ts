/** Step 7 of the data path: the tries of one request that were too slow and go on beside the newest (hedge_on_per_try_timeout). */
import { CLUSTER, HOST } from '../common/stats/layouts.ts';
import type { Cluster } from '../upstream/cluster.ts';
import type { RequestCharges } from './request_charges.ts';
import type { UpstreamRequest } from './upstream_request.ts';

export class SlowTries {
  private readonly tries: UpstreamRequest[] = [];

  add(upstream: UpstreamRequest): void {
    this.tries.push(upstream);
  }

  /** True when one goes on besides `upstream`, be it the newest. */
  hasOther(upstream: UpstreamRequest, newest: UpstreamRequest | undefined): boolean {
    return (newest !== undefined && newest !== upstream) || this.tries.some((other) => other !== upstream);
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

  /**
   * The time for all of them is over: each counts as one that timed out. One of all tries is left to count by the reply:
   * the newest where it is still `there`.
   */
  timeOut(cluster: Cluster, charges: RequestCharges, there: boolean): void {
    const more = there ? this.tries.length : this.tries.length - 1;
    for (let i = 0; i < more; i++) {
      cluster.stats[CLUSTER.slot.upstream_rq_timeout]++;
      charges.count('upstream_rq_timeout');
      charges.code(504);
    }
    for (const { host } of this.tries) {
      host.stats[HOST.slot.rq_timeout]++;
      host.stats[HOST.slot.rq_error]++;
    }
    this.cancel();
  }
}
