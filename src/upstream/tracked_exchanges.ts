/** What `track_cluster_stats` adds to a cluster's statistics: how much of its time a request took, and the sizes of heads and bodies. */
import type { HeaderMap, RequestHead } from '../../native-free/headers/header_map.ts';
import { now } from '../common/clock.ts';
import { requestHeadBytes, responseHeadBytes } from '../common/head_bytes.ts';
import { budgetHistograms, sizeHistograms } from '../common/stats/layouts.ts';
import type { Histogram, StatsStore } from '../spi/stats.ts';

type Histograms<Name extends string> = Readonly<Record<Name, Histogram>>;

/** The pseudo-headers of a request, which Envoy counts as headers. */
const pseudoHeaders = 4;

const chunkedBytes = 'transfer-encoding'.length + 'chunked'.length;

/** Of one cluster. */
export class TrackedExchanges {
  private readonly budgets: Histograms<(typeof budgetHistograms)[number]> | undefined;
  readonly sizes: Histograms<(typeof sizeHistograms)[number]> | undefined;

  /** `prefix` as `cluster.a.`. */
  constructor(store: StatsStore, prefix: string, budgets: boolean, sizes: boolean) {
    this.budgets = budgets ? histograms(store, prefix, budgetHistograms) : undefined;
    this.sizes = sizes ? histograms(store, prefix, sizeHistograms) : undefined;
  }

  /** A request is over after `took` ms of its `timeout` (0: none). */
  requestEnded(took: number, timeout: number): void {
    this.budgets?.upstream_rq_timeout_budget_percent_used.record(percent(took, timeout));
  }

  /** A try at a host has been answered. */
  tryAnswered(took: number, timeout: number): void {
    this.budgets?.upstream_rq_timeout_budget_per_try_percent_used.record(percent(took, timeout));
  }
}

/** One try at a host. */
export class TrackedTry {
  private readonly of: TrackedExchanges;
  private readonly startedAt = now;
  private answered = false;
  private received = 0;

  constructor(of: TrackedExchanges, head: RequestHead) {
    this.of = of;
    of.sizes?.upstream_rq_headers_size.record(requestHeadBytes(head));
    of.sizes?.upstream_rq_headers_count.record(head.headers.size + pseudoHeaders);
  }

  /** `chunked`: the map is without the transfer-encoding that Envoy has in its own. */
  onHeaders(headers: HeaderMap, chunked: boolean): void {
    const { sizes } = this.of;
    this.answered = true;
    sizes?.upstream_rs_headers_size.record(responseHeadBytes(headers) + (chunked ? chunkedBytes : 0));
    sizes?.upstream_rs_headers_count.record(headers.size + (chunked ? 2 : 1));
  }

  onData(bytes: number): void {
    this.received += bytes;
  }

  /** `sent`: bytes of the request's body; `timeout`: ms of one try, 0 without. */
  onEnd(sent: number, timeout: number): void {
    const { sizes } = this.of;
    sizes?.upstream_rq_body_size.record(sent);
    if (!this.answered) return;
    sizes?.upstream_rs_body_size.record(this.received);
    this.of.tryAnswered(now - this.startedAt, timeout);
  }
}

function percent(took: number, timeout: number): number {
  return timeout > 0 ? (took * 100) / timeout : 0;
}

function histograms<Name extends string>(store: StatsStore, prefix: string, names: readonly Name[]): Histograms<Name> {
  return Object.fromEntries(names.map((name) => [name, store.histogram(prefix + name)])) as Histograms<Name>;
}
