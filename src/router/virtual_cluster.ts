/** Step 7 of the data path: statistics of requests by virtual cluster and by route, besides those of their cluster. */
import type { RequestHead } from '../../native-free/headers/header_map.ts';
import type { envoy } from '../api/envoy_types.ts';
import { compileHeaderMatcher, type HeaderMatcher } from '../common/matchers/header_matcher.ts';
import { codeCounters } from '../common/stats/codes.ts';
import { VIRTUAL_CLUSTER } from '../common/stats/layouts.ts';
import type { StreamInfo } from '../common/stream_info.ts';
import type { Histogram, StatsStore } from '../spi/stats.ts';

/** What is counted of a request as a whole: the names of Envoy's virtual clusters and routes. */
export type RequestCounter =
  | 'upstream_rq_total'
  | 'upstream_rq_timeout'
  | 'upstream_rq_retry'
  | 'upstream_rq_retry_limit_exceeded'
  | 'upstream_rq_retry_overflow'
  | 'upstream_rq_retry_success';

/** The counters below `vhost.<virtual host>.vcluster.<name>.` or `vhost.<virtual host>.route.<stat_prefix>.`. */
export class RequestStats {
  private readonly prefix: string;
  private readonly store: StatsStore;
  private readonly stats: Float64Array;
  private readonly codes: ReturnType<typeof codeCounters>;
  private time: Histogram | undefined;

  constructor(store: StatsStore, prefix: string) {
    this.store = store;
    this.prefix = prefix;
    this.stats = store.block(VIRTUAL_CLUSTER, prefix);
    this.codes = codeCounters(store, `${prefix}upstream_rq_`);
  }

  inc(counter: RequestCounter): void {
    this.stats[VIRTUAL_CLUSTER.slot[counter]]++;
  }

  chargeCode(status: number): void {
    this.codes.inc(status);
  }

  /** Milliseconds from the request to the end of its answer. */
  chargeTime(milliseconds: number): void {
    this.time ??= this.store.histogram(`${this.prefix}upstream_rq_time`);
    this.time.record(milliseconds);
  }
}

interface VirtualCluster {
  /** Empty for the one that takes what no other does. */
  readonly name: string;
  readonly matchers: readonly HeaderMatcher[];
  readonly stats: RequestStats;
}

/** The virtual clusters of one virtual host. */
export class VirtualClusters {
  private readonly clusters: readonly VirtualCluster[];

  constructor(messages: readonly envoy.config.route.v3.VirtualCluster[], virtualHost: string, store: StatsStore) {
    const stats = (name: string) => new RequestStats(store, `vhost.${virtualHost}.vcluster.${name}.`);
    const named = messages.map(({ name, headers }) => ({
      name,
      matchers: headers.map(compileHeaderMatcher),
      stats: stats(name),
    }));
    this.clusters = [...named, { name: '', matchers: [], stats: stats('other') }];
  }

  /** The first whose headers all match; notes its name on the stream. */
  find(head: RequestHead, info: StreamInfo): RequestStats {
    const { clusters } = this;
    let i = 0;
    while (!clusters[i].matchers.every((matcher) => matcher.matchesRequest(head))) i++;
    info.virtualClusterName = clusters[i].name;
    return clusters[i].stats;
  }
}

/** Undefined: nothing is counted, which costs nothing. */
export function compileVirtualClusters(
  message: envoy.config.route.v3.VirtualHost,
  store: StatsStore | undefined,
): VirtualClusters | undefined {
  if (store === undefined || message.virtualClusters.length === 0) return undefined;
  return new VirtualClusters(message.virtualClusters, message.name, store);
}

export function compileRouteStats(
  message: envoy.config.route.v3.Route,
  virtualHost: string,
  store: StatsStore | undefined,
): RequestStats | undefined {
  if (store === undefined || message.statPrefix === '') return undefined;
  return new RequestStats(store, `vhost.${virtualHost}.route.${message.statPrefix}.`);
}
