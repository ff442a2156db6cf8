/** Where a thread keeps its statistics: slots in shared memory that it alone writes, told to the main thread by name. */
import type { Histogram, StatHandle, StatsLayout, StatsStore } from '../../spi/stats.ts';
import { type HistogramInterval, ThreadHistogram } from './histogram.ts';
import type { StatsLayoutDefinition } from './layout.ts';
import type { AnnouncedBlock, AnnouncedLayout, AnnouncedScalar, DroppedName, StatsAnnouncement } from './messages.ts';
import { statNamePart } from './stat_name.ts';

export type { StatsAnnouncement } from './messages.ts';

/** Slots in a chunk (128 KiB); a scope's names must fit into one. */
const chunkSlots = 16_384;

/**
 * The statistics of one thread. New names are told in batches, once the current call stack has ended; `announceNow()`
 * tells them at once.
 *
 * A slot starts as -0, and every write makes it something else, even `+= 0` or one up and one down again. So the sum over
 * all threads is -0 exactly when nobody ever wrote: that is Envoy's `usedonly`, at no cost.
 */
export class ThreadStats implements StatsStore {
  private readonly announce: (message: StatsAnnouncement) => void;
  private readonly blocks = new Map<string, Float64Array>();
  private readonly handles = new Map<string, StatHandle>();
  private readonly histograms = new Map<string, ThreadHistogram>();
  private readonly toldLayouts = new Set<string>();
  private readonly chunks: Float64Array[] = [];
  private nextSlot = 0;
  /** Slots of dropped names that nobody can write any more, by their number. */
  private readonly free = new Map<number, Place[]>();
  private readonly unused = new FinalizationRegistry<Place & { slots: number }>((place) => {
    const list = this.free.get(place.slots);
    if (list === undefined) this.free.set(place.slots, [place]);
    else list.push(place);
  });
  private news = noNews();
  private scheduled = false;
  private filled: ThreadHistogram[] = [];

  /** `announce` is called with new names, never inside a call of this object's other methods. */
  constructor(announce: (message: StatsAnnouncement) => void) {
    this.announce = announce;
  }

  block<Name extends string>(layout: StatsLayout<Name>, prefix: string): Float64Array {
    const internal = (layout as StatsLayoutDefinition<Name>).internal ?? false;
    const name = internal ? prefix : statNamePart(prefix);
    const key = `${layout.id} ${name}`;
    const known = this.blocks.get(key);
    if (known !== undefined) return known;
    const { chunk, base } = this.reserve(layout.names.length);
    const view = this.chunks[chunk].subarray(base, base + layout.names.length);
    this.blocks.set(key, view);
    if (!this.toldLayouts.has(layout.id)) {
      this.toldLayouts.add(layout.id);
      this.news.layouts.push({ id: layout.id, names: layout.names, gauges: layout.gauges, internal });
    }
    this.news.blocks.push({ layoutId: layout.id, prefix: name, chunk, base });
    return view;
  }

  counter(name: string): StatHandle {
    return this.scalar(name, 'counter');
  }

  gauge(name: string): StatHandle {
    return this.scalar(name, 'gauge');
  }

  histogram(name: string): Histogram {
    const clean = statNamePart(name);
    let known = this.histograms.get(clean);
    if (known === undefined) {
      known = new ThreadHistogram(clean, (histogram) => this.filled.push(histogram));
      this.histograms.set(clean, known);
      this.schedule();
      this.news.histograms.push(clean);
    }
    return known;
  }

  /** The histograms that got values since the last call; can be cloned between threads. */
  takeHistograms(): HistogramInterval[] {
    const { filled } = this;
    this.filled = [];
    return filled
      .filter((histogram) => this.histograms.get(histogram.name) === histogram)
      .map((histogram) => histogram.take());
  }

  drop(isGone: (name: string) => boolean): void {
    // What is new by now goes before what is dropped.
    this.announceNow();
    const { dropped } = this.news;
    for (const [key, view] of this.blocks) {
      const space = key.indexOf(' ');
      const name = key.slice(space + 1);
      if (!isGone(name)) continue;
      this.blocks.delete(key);
      this.reuse(view, view.buffer, view.byteOffset / view.BYTES_PER_ELEMENT, view.length);
      dropped.push({ layoutId: key.slice(0, space), name });
    }
    for (const [name, handle] of this.handles) {
      if (!isGone(name)) continue;
      this.handles.delete(name);
      this.reuse(handle, handle.values.buffer, handle.index, 1);
      dropped.push({ name });
    }
    for (const name of this.histograms.keys()) {
      if (!isGone(name)) continue;
      this.histograms.delete(name);
      dropped.push({ name, isHistogram: true });
    }
    if (dropped.length > 0) this.schedule();
  }

  announceNow(): void {
    this.scheduled = false;
    const { news } = this;
    if (news.blocks.length + news.scalars.length + news.histograms.length + news.dropped.length === 0) return;
    this.news = noNews();
    this.announce(news);
  }

  private scalar(name: string, kind: 'counter' | 'gauge'): StatHandle {
    const clean = statNamePart(name);
    let handle = this.handles.get(clean);
    if (handle === undefined) {
      const { chunk, base: index } = this.reserve(1);
      handle = { values: this.chunks[chunk], index };
      this.handles.set(clean, handle);
      this.news.scalars.push({ name: clean, kind, chunk, index });
    }
    return handle;
  }

  /** Slots in a row within a chunk: those of a dropped scope of this size, else behind the last ones. */
  private reserve(slots: number): Place {
    if (slots > chunkSlots) throw new RangeError(`a scope of ${slots} names does not fit into a chunk`);
    this.schedule();
    const again = this.free.get(slots)?.pop();
    if (again !== undefined) {
      this.chunks[again.chunk].fill(-0, again.base, again.base + slots);
      return again;
    }
    if (this.chunks.length === 0 || this.nextSlot + slots > chunkSlots) {
      const memory = new SharedArrayBuffer(chunkSlots * Float64Array.BYTES_PER_ELEMENT);
      this.chunks.push(new Float64Array(memory).fill(-0));
      this.nextSlot = 0;
      this.news.chunks.push(memory);
    }
    const base = this.nextSlot;
    this.nextSlot += slots;
    return { chunk: this.chunks.length - 1, base };
  }

  /** Once nobody holds `owner`, through which alone its slots are written. */
  private reuse(owner: object, memory: ArrayBufferLike, base: number, slots: number): void {
    const chunk = this.chunks.findIndex(({ buffer }) => buffer === memory);
    this.unused.register(owner, { chunk, base, slots });
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    queueMicrotask(() => this.announceNow());
  }
}

interface Place {
  readonly chunk: number;
  readonly base: number;
}

interface News extends StatsAnnouncement {
  chunks: SharedArrayBuffer[];
  layouts: AnnouncedLayout[];
  blocks: AnnouncedBlock[];
  scalars: AnnouncedScalar[];
  histograms: string[];
  dropped: DroppedName[];
}

function noNews(): News {
  return { chunks: [], layouts: [], blocks: [], scalars: [], histograms: [], dropped: [] };
}
