/** What answers count for in the statistics below one prefix: codes and times, of all requests and of those from inside or outside. */
import { codeCounters, omittedCode } from '../common/stats/codes.ts';
import type { Histogram, StatsStore } from '../spi/stats.ts';

/** Names that clients may choose (x-envoy-upstream-alt-stat-name) before others are no longer counted apart. */
const mostAlternatives = 1000;

export class ResponseCharges {
  private readonly store: StatsStore;
  private readonly prefix: string;
  private readonly all: Charges;
  private readonly external: Charges;
  private readonly internal: Charges;
  private canaries: Charges | undefined;
  private alternatives: Map<string, ResponseCharges> | undefined;

  /** `prefix` as `cluster.a.`. */
  constructor(store: StatsStore, prefix: string) {
    this.store = store;
    this.prefix = prefix;
    this.all = new Charges(store, prefix);
    this.external = new Charges(store, `${prefix}external.`);
    this.internal = new Charges(store, `${prefix}internal.`);
  }

  /** `omitsStatus`: as in Envoy the count of all requests alone goes without the status. */
  code(status: number, internal: boolean, canary: boolean, omitsStatus = false): void {
    this.all.codes.inc(omitsStatus ? omittedCode : status);
    (internal ? this.internal : this.external).codes.inc(status);
    if (canary) this.canary.codes.inc(status);
  }

  /** `milliseconds` from the request's headers to the end of the answer. */
  time(milliseconds: number, internal: boolean, canary: boolean): void {
    this.all.record(milliseconds);
    (internal ? this.internal : this.external).record(milliseconds);
    if (canary) this.canary.record(milliseconds);
  }

  /** A second tree below a name of its own; undefined when there are too many of them. */
  alternative(name: string): ResponseCharges | undefined {
    this.alternatives ??= new Map();
    let found = this.alternatives.get(name);
    if (found === undefined && this.alternatives.size < mostAlternatives) {
      found = new ResponseCharges(this.store, `${this.prefix}${name}.`);
      this.alternatives.set(name, found);
    }
    return found;
  }

  private get canary(): Charges {
    this.canaries ??= new Charges(this.store, `${this.prefix}canary.`);
    return this.canaries;
  }
}

class Charges {
  readonly codes: ReturnType<typeof codeCounters>;
  private readonly store: StatsStore;
  private readonly prefix: string;
  private time: Histogram | undefined;

  constructor(store: StatsStore, prefix: string) {
    this.store = store;
    this.prefix = prefix;
    this.codes = codeCounters(store, `${prefix}upstream_rq_`);
  }

  /** The name is there from the first value on, as in Envoy. */
  record(milliseconds: number): void {
    this.time ??= this.store.histogram(`${this.prefix}upstream_rq_time`);
    this.time.record(milliseconds);
  }
}
