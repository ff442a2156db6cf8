/** Step 8 and 9 of the data path: connections to the hosts that the next requests will go to (`predictive_preconnect_ratio`). */
import type { ConnectionPool } from './connection_pool.ts';
import type { Host } from './host.ts';

/** Envoy's cap on connections that one request opens ahead. */
const mostAhead = 3;

interface Balanced {
  readonly allHosts: Iterable<Host>;
  pickHost(avoid: number): Host | undefined;
  /** The pool of another host for what `pool` is used for. */
  poolLike(pool: ConnectionPool, host: Host): ConnectionPool | undefined;
}

export class PredictivePreconnect {
  private readonly cluster: Balanced;
  private readonly ratio: number;
  /** Hosts the balancer has named ahead; they come first when it is asked. */
  private picked: Host[] = [];

  /** `ratio`: connections wanted in the cluster for each request, 1 to 3. */
  constructor(cluster: Balanced, ratio: number) {
    this.cluster = cluster;
    this.ratio = ratio;
  }

  /** The host for the next request. */
  pick(avoid: number): Host | undefined {
    return (avoid === 0 ? this.picked.shift() : undefined) ?? this.cluster.pickHost(avoid);
  }

  /** Before a pool gets a request: that one is counted already, and so is one to come in each pool that may connect. */
  beforeStream(pool: ConnectionPool): void {
    for (let i = 0; i < mostAhead; i++) {
      const { demand, room, active } = this.load();
      if ((demand + 1) * this.ratio <= room + active) return;
      const host = this.peek();
      if (host === undefined || !this.cluster.poolLike(pool, host)?.connectAhead(this.ratio)) return;
    }
  }

  /** The hosts are others now. */
  forget(): void {
    this.picked = [];
  }

  /** One host more than was named so far; no more at a time than there are hosts. */
  private peek(): Host | undefined {
    let hosts = 0;
    for (const _ of this.cluster.allHosts) hosts++;
    if (this.picked.length >= hosts) return undefined;
    const host = this.cluster.pickHost(0);
    if (host !== undefined) this.picked.push(host);
    return host;
  }

  private load(): { demand: number; room: number; active: number } {
    const sum = { demand: 0, room: 0, active: 0 };
    for (const host of this.cluster.allHosts) {
      for (const pool of host.allPools()) {
        sum.demand += pool.waitingStreams + pool.activeStreams;
        sum.room += pool.expectedRoom;
        sum.active += pool.activeStreams;
      }
    }
    return sum;
  }
}
