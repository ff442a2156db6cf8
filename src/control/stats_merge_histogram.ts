/** A histogram of the whole process: the last interval and all time, in the bins and with the quantiles Envoy shows. */

/** One bin: values from `lower` to below `lower + width`. */
export interface Bin {
  readonly lower: number;
  readonly width: number;
  count: number;
}

/** Upper bounds of Envoy's default buckets, milliseconds. */
export const defaultBuckets: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000,
];

export const defaultQuantiles: readonly number[] = [0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1];

/** Counts of values in bins of two decimal digits, as Envoy's libcircllhist: 41, 42 … 100-109, 110-119 … */
export class BinnedCounts {
  private readonly byLower = new Map<number, Bin>();
  private sorted: Bin[] | undefined;
  count = 0;

  add(value: number, count: number): void {
    const width = value < 1 ? 0 : 10 ** (Math.floor(Math.log10(value)) - 1);
    // Whole numbers of widths: 1 / 0.1 and the like are exact for what HdrHistogram hands out.
    const lower = width === 0 ? 0 : Math.floor(value / width) * width;
    this.count += count;
    const bin = this.byLower.get(lower);
    if (bin !== undefined) {
      bin.count += count;
      return;
    }
    this.byLower.set(lower, { lower, width, count });
    this.sorted = undefined;
  }

  /** Bins that have values, ascending. */
  get bins(): readonly Bin[] {
    this.sorted ??= [...this.byLower.values()].sort((a, b) => a.lower - b.lower);
    return this.sorted;
  }

  /** Sum of the values, each taken for its bin's middle as libcircllhist defines it (the one of least relative error). */
  get sum(): number {
    let sum = 0;
    for (const { lower, width, count } of this.bins) {
      if (width > 0) sum += ((2 * lower * (lower + width)) / (2 * lower + width)) * count;
    }
    return sum;
  }

  /** Values up to and including each of `bounds`, which ascend. */
  cumulative(bounds: readonly number[]): number[] {
    const { bins } = this;
    let next = 0;
    let below = 0;
    return bounds.map((bound) => {
      while (next < bins.length && bins[next].lower <= bound) below += bins[next++].count;
      return below;
    });
  }

  /** The value at each quantile (0 to 1, ascending): by rank, the samples of a bin spread evenly inside of it. NaN when empty. */
  quantiles(wanted: readonly number[]): number[] {
    const { bins, count } = this;
    let index = 0;
    let before = 0;
    return wanted.map((quantile) => {
      if (count === 0) return Number.NaN;
      const rank = Math.max(1, Math.ceil(quantile * count));
      while (index < bins.length - 1 && before + bins[index].count < rank) before += bins[index++].count;
      const bin = bins[index];
      return bin.lower + (bin.width * (rank - before)) / (bin.count + 1);
    });
  }
}

/** What all threads recorded under one name. */
export class MergedHistogram {
  readonly name: string;
  interval = new BinnedCounts();
  readonly total = new BinnedCounts();
  /** Upper bounds of its buckets, ascending. */
  readonly buckets: readonly number[];

  constructor(name: string, buckets: readonly number[] = defaultBuckets) {
    this.name = name;
    this.buckets = buckets;
  }

  /** False while nothing was ever recorded. */
  get used(): boolean {
    return this.total.count > 0;
  }

  startInterval(): void {
    this.interval = new BinnedCounts();
  }

  /** Takes value and count in turn into both. */
  add(pairs: Float64Array): void {
    for (let i = 0; i < pairs.length; i += 2) {
      this.interval.add(pairs[i], pairs[i + 1]);
      this.total.add(pairs[i], pairs[i + 1]);
    }
  }
}
