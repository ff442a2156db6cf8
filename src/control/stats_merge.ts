/** The statistics of the process: what all threads count, by name, summed when somebody looks. */
import type { HistogramInterval } from '../common/stats/histogram.ts';
import type { AnnouncedLayout, StatsAnnouncement } from '../common/stats/messages.ts';
import { MergedHistogram } from './stats_merge_histogram.ts';
import { extractTags, type TaggedName } from './stats_merge_tags.ts';

export type StatKind = 'counter' | 'gauge';

/** A counter or gauge and its value at the time of asking. */
export interface StatValue {
  readonly name: string;
  readonly kind: StatKind;
  readonly value: number;
  /** Somebody wrote it, be it 0. */
  readonly used: boolean;
}

/** The slots of one name in all threads. */
interface Entry {
  readonly name: string;
  readonly kind: StatKind;
  readonly parts: { readonly source: StatsSource; readonly values: Float64Array; readonly index: number }[];
  /** What dead threads left, less what was reset; -0 while there is none (see ThreadStats on -0). */
  base: number;
}

/** A scope for our own use: by prefix, not in the list. */
interface InternalBlock {
  readonly layout: AnnouncedLayout;
  readonly parts: { readonly source: StatsSource; readonly values: Float64Array }[];
  readonly base: Float64Array;
}

/** One thread's statistics as the main thread sees them. */
export interface StatsSource {
  /** Takes what the thread's ThreadStats told. */
  announce(message: StatsAnnouncement): void;
  /** The thread is gone: its counters stay in the totals, its gauges drop to 0. */
  remove(): void;
}

/** Merges the statistics of threads by full name. Gauges are summed too: one that is the process's own has one writer. */
export class StatsMerge {
  private readonly entries = new Map<string, Entry>();
  private readonly internal = new Map<string, InternalBlock>();
  private readonly histograms = new Map<string, MergedHistogram>();
  private readonly tagged = new Map<string, TaggedName>();
  private readonly refreshers: (() => void)[] = [];
  private readonly sources = new Set<Source>();
  private sorted: Entry[] = [];
  private sortedHistograms: MergedHistogram[] = [];

  addSource(): StatsSource {
    const source = new Source(this.entries, this.internal, this.histograms, () => this.sources.delete(source));
    this.sources.add(source);
    return source;
  }

  /** `refresh` is called before every look at the values: for gauges nobody counts, such as the uptime. */
  onLook(refresh: () => void): void {
    this.refreshers.push(refresh);
  }

  /** All counters and gauges, sorted by name. */
  values(): StatValue[] {
    this.look();
    if (this.sorted.length !== this.entries.size) {
      this.sorted = [...this.entries.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    }
    return this.sorted.map((entry) => {
      const value = total(entry);
      return { name: entry.name, kind: entry.kind, value, used: !Object.is(value, -0) };
    });
  }

  /** One counter or gauge; undefined when there is none of that name. */
  value(name: string): number | undefined {
    this.look();
    const entry = this.entries.get(name);
    // -0 says that nobody wrote it: of no interest here.
    return entry === undefined ? undefined : total(entry) + 0;
  }

  /** All histograms, sorted by name. */
  allHistograms(): readonly MergedHistogram[] {
    for (const source of this.sources) source.learn();
    if (this.sortedHistograms.length !== this.histograms.size) {
      this.sortedHistograms = [...this.histograms.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    }
    return this.sortedHistograms;
  }

  /** The sums of a scope whose layout is internal, in the order of the layout; undefined when no thread has it. */
  internalBlock(prefix: string): Float64Array | undefined {
    for (const source of this.sources) source.learn();
    const block = this.internal.get(prefix);
    if (block === undefined) return undefined;
    const sums = block.base.slice();
    for (const { values } of block.parts) for (let i = 0; i < sums.length; i++) sums[i] += values[i];
    return sums;
  }

  /** Begins a new interval with what all threads recorded since the last one; Envoy does so every stats_flush_interval. */
  mergeHistograms(intervals: Iterable<HistogramInterval>): void {
    for (const histogram of this.allHistograms()) {
      if (histogram.interval.count > 0) histogram.startInterval();
    }
    for (const [name, pairs] of intervals) histogramOf(this.histograms, name).add(pairs);
  }

  /** All counters are 0 from here on; gauges and histograms stay. */
  resetCounters(): void {
    this.look();
    for (const entry of this.entries.values()) if (entry.kind === 'counter') entry.base -= total(entry);
  }

  /** The name without tags, and the tags; found once for a name. */
  tagsOf(name: string): TaggedName {
    let known = this.tagged.get(name);
    if (known === undefined) {
      known = extractTags(name);
      this.tagged.set(name, known);
    }
    return known;
  }

  private look(): void {
    for (const refresh of this.refreshers) refresh();
    for (const source of this.sources) source.learn();
  }
}

/** Sum over the living and the dead. */
function total(entry: Entry): number {
  let sum = entry.base;
  for (const { values, index } of entry.parts) sum += values[index];
  return sum;
}

function histogramOf(histograms: Map<string, MergedHistogram>, name: string): MergedHistogram {
  let histogram = histograms.get(name);
  if (histogram === undefined) {
    histogram = new MergedHistogram(name);
    histograms.set(name, histogram);
  }
  return histogram;
}

class Source implements StatsSource {
  private readonly entries: Map<string, Entry>;
  private readonly internal: Map<string, InternalBlock>;
  private readonly histograms: Map<string, MergedHistogram>;
  private readonly onRemove: () => void;
  private readonly chunks: Float64Array[] = [];
  private readonly layouts = new Map<string, AnnouncedLayout>();
  /** Told but not yet entered: with thousands of clusters names are only built once somebody looks. */
  private pending: StatsAnnouncement[] = [];

  constructor(
    entries: Map<string, Entry>,
    internal: Map<string, InternalBlock>,
    histograms: Map<string, MergedHistogram>,
    onRemove: () => void,
  ) {
    this.entries = entries;
    this.internal = internal;
    this.histograms = histograms;
    this.onRemove = onRemove;
  }

  announce(message: StatsAnnouncement): void {
    this.pending.push(message);
  }

  learn(): void {
    if (this.pending.length === 0) return;
    const { pending } = this;
    this.pending = [];
    for (const message of pending) this.enter(message);
  }

  remove(): void {
    this.learn();
    this.onRemove();
    for (const entry of this.entries.values()) {
      const { kind, parts } = entry;
      for (let i = parts.length - 1; i >= 0; i--) {
        const { source, values, index } = parts[i];
        if (source !== this) continue;
        // A gauge that was never written is -0 and leaves -0.
        entry.base += kind === 'counter' ? values[index] : values[index] * 0;
        parts.splice(i, 1);
      }
    }
    for (const block of this.internal.values()) this.removeFrom(block);
  }

  private removeFrom({ layout, parts, base }: InternalBlock): void {
    const at = parts.findIndex((part) => part.source === this);
    if (at < 0) return;
    for (let i = 0; i < base.length; i++) if (!layout.gauges[i]) base[i] += parts[at].values[i];
    parts.splice(at, 1);
  }

  private enter(message: StatsAnnouncement): void {
    for (const memory of message.chunks) this.chunks.push(new Float64Array(memory));
    for (const layout of message.layouts) this.layouts.set(layout.id, layout);
    for (const { layoutId, prefix, chunk, base } of message.blocks) {
      const layout = this.layouts.get(layoutId)!;
      if (layout.internal) {
        this.enterInternal(layout, prefix, this.chunks[chunk].subarray(base, base + layout.names.length));
        continue;
      }
      layout.names.forEach((name, i) => {
        this.enterScalar(prefix + name, layout.gauges[i] ? 'gauge' : 'counter', this.chunks[chunk], base + i);
      });
    }
    for (const { name, kind, chunk, index } of message.scalars) this.enterScalar(name, kind, this.chunks[chunk], index);
    for (const name of message.histograms) histogramOf(this.histograms, name);
  }

  private enterScalar(name: string, kind: StatKind, values: Float64Array, index: number): void {
    let entry = this.entries.get(name);
    if (entry === undefined) {
      entry = { name, kind, parts: [], base: -0 };
      this.entries.set(name, entry);
    }
    entry.parts.push({ source: this, values, index });
  }

  private enterInternal(layout: AnnouncedLayout, prefix: string, values: Float64Array): void {
    let block = this.internal.get(prefix);
    if (block === undefined) {
      block = { layout, parts: [], base: new Float64Array(layout.names.length) };
      this.internal.set(prefix, block);
    }
    block.parts.push({ source: this, values });
  }
}
