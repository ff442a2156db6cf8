/** A thread's part of one histogram: HdrHistogram, made with the first value, emptied whenever the main thread asks. */
// The package's index also compiles its WebAssembly version: 50 ms for every thread.
import hdr from 'hdr-histogram-js/dist/Int32Histogram.js';
import type { Histogram } from '../../spi/stats.ts';

/** 24 days in milliseconds: keeps the counts below 15 KB. */
const largestValue = 2 ** 31 - 1;

/** Below this, two digits hold every whole number. */
const smallValues = 256;

/** What one histogram got since the last flush: its name, then value and count in turn, values ascending. */
export type HistogramInterval = readonly [name: string, counts: Float64Array];

export class ThreadHistogram implements Histogram {
  readonly name: string;
  private readonly onFirst: (histogram: ThreadHistogram) => void;
  /** Counts of the values below `smallValues`, which the histogram holds exactly: most values, at a tenth of the cost. */
  private small: Uint32Array | undefined;
  private counts: hdr.default | undefined;
  private filled = false;

  /** `onFirst` is called with the first value after every `take()`. */
  constructor(name: string, onFirst: (histogram: ThreadHistogram) => void) {
    this.name = name;
    this.onFirst = onFirst;
  }

  record(value: number): void {
    if (!this.filled) this.open();
    // Envoy records whole milliseconds too.
    if (value >= 0 && value < smallValues) {
      this.small![value | 0]++;
      return;
    }
    this.counts!.recordValue(value > 0 ? (value < largestValue ? Math.trunc(value) : largestValue) : 0);
  }

  /** What was recorded since the last call. */
  take(): HistogramInterval {
    const { counts } = this;
    const pairs: number[] = [];
    if (counts !== undefined && this.filled) {
      this.moveSmall(counts);
      for (let index = 0, left = counts.totalCount; left > 0; index++) {
        const count = counts.getCountAtIndex(index);
        if (count === 0) continue;
        pairs.push(counts.valueFromIndex(index), count);
        left -= count;
      }
      counts.reset();
    }
    this.filled = false;
    return [this.name, Float64Array.from(pairs)];
  }

  private moveSmall(counts: hdr.default): void {
    const small = this.small!;
    for (let value = 0; value < smallValues; value++) {
      if (small[value] > 0) counts.recordValueWithCount(value, small[value]);
    }
    small.fill(0);
  }

  private open(): void {
    this.filled = true;
    this.small ??= new Uint32Array(smallValues);
    // Two digits, as Envoy's own bins: 2 KB while values stay below 256 ms, growing with the largest value.
    if (this.counts === undefined) {
      this.counts = new hdr.default(1, 2, 2);
      this.counts.autoResize = true;
    }
    this.onFirst(this);
  }
}
