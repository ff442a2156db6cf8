/** Statistics as the data path sees them: blocks of slots for the fixed names of a scope, handles for names known later. */

/** The fixed names of one kind of scope, e.g. everything below `cluster.<name>.`; slots in this order. */
export interface StatsLayout<Name extends string = string> {
  /** Unique, e.g. `cluster`. */
  readonly id: string;
  readonly names: readonly Name[];
  /** True at the index of a gauge; else a counter. */
  readonly gauges: readonly boolean[];
  /** Slot of each name: `stats[layout.slot.upstream_cx_total]++`. */
  readonly slot: { readonly [N in Name]: number };
}

/** One number that is known by its full name. */
export interface StatHandle {
  readonly values: Float64Array;
  readonly index: number;
}

export interface Histogram {
  /** Milliseconds (or the unit of its name), >= 0. */
  record(value: number): void;
}

/** Where a thread's statistics live. A thread only ever writes to its own store; the main thread reads all of them. */
export interface StatsStore {
  /** The slots of a scope: prefix with its final dot, e.g. `cluster.backend.`. The same prefix gives the same block. */
  block<Name extends string>(layout: StatsLayout<Name>, prefix: string): Float64Array;
  counter(name: string): StatHandle;
  gauge(name: string): StatHandle;
  /** Made at once, its memory only with the first value. */
  histogram(name: string): Histogram;
  /** Forgets every name, and every prefix of a scope, that `isGone` is true for. Who still counts there counts for nobody. */
  drop(isGone: (name: string) => boolean): void;
}
