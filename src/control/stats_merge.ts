/** The statistics of the process: what all threads count, by name, summed when somebody looks. */

import { xxhash64 } from '../../native-free/hash/xxhash64.ts';
import type { HistogramInterval } from '../common/stats/histogram.ts';
import type { AnnouncedLayout, DroppedName, StatsAnnouncement } from '../common/stats/messages.ts';
import type { TaggedName } from '../common/stats/tag_extraction.ts';
import type { EndpointStat } from './endpoint_stats.ts';
import { MergedHistogram } from './stats_merge_histogram.ts';
import { StatsRules } from './stats_rules.ts';

export type StatKind = 'counter' | 'gauge';

/** A counter or gauge and its value at the time of asking. */
export interface StatValue {
  readonly name: string;
  readonly kind: StatKind;
  /** A bigint where a number is not exact: hashes of versions, pools left of no limit. */
  readonly value: number | bigint;
  /** Somebody wrote it, be it 0. */
  readonly used: boolean;
}

/** A text among the statistics, e.g. the version of a subscription. */
export interface TextReadout {
  readonly name: string;
  readonly value: string;
}

/** The slots of one scope in all threads: a block, or a single counter or gauge. */
interface Group {
  readonly gauges: readonly boolean[];
  /** Of a block: what follows its prefix. */
  readonly names?: readonly string[];
  readonly parts: { readonly source: StatsSource; readonly chunk: Float64Array; readonly offset: number }[];
  /** What dead threads left, less what was reset; made when there is something. */
  base: Float64Array | undefined;
}

/** One name; most have one place, but a counter made by its full name may also be part of a block. */
interface Entry {
  readonly name: string;
  readonly kind: StatKind;
  readonly group: Group;
  readonly slot: number;
  more: Entry | undefined;
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
  /** By name; the main thread's own. */
  readonly texts = new Map<string, string>();
  /** What is counted of hosts, where their clusters ask for it: found when somebody looks. */
  endpoints: () => readonly EndpointStat[] = () => [];
  private readonly rules: StatsRules;
  private readonly names: Names;
  private readonly tagged = new Map<string, TaggedName>();
  private readonly tagLists = new Map<string, TaggedName['tags']>();
  private readonly bases = new Map<string, string>();
  private readonly refreshers: (() => void)[] = [];
  private readonly sources = new Set<Source>();
  private sorted: Entry[] = [];
  private sortedHistograms: MergedHistogram[] = [];
  private sortedVersion = -1;
  private histogramsVersion = -1;

  constructor(rules: StatsRules = new StatsRules()) {
    this.rules = rules;
    this.names = new Names((name) => rules.bucketsOf(name));
  }

  addSource(): StatsSource {
    const source = new Source(this.names, () => this.sources.delete(source));
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
    if (this.sortedVersion !== this.names.version) {
      this.sortedVersion = this.names.version;
      for (const name of this.tagged.keys()) if (!this.names.entries.has(name)) this.tagged.delete(name);
      this.sorted = [...this.names.entries.values()]
        .filter(({ name }) => this.rules.keeps(name))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
    }
    return this.sorted.map((entry) => {
      const value = total(entry);
      return { name: entry.name, kind: entry.kind, value: this.exact(entry, value), used: !Object.is(value, -0) };
    });
  }

  /** All texts, sorted by name. */
  textReadouts(): TextReadout[] {
    return [...this.texts]
      .filter(([name]) => this.rules.keeps(name))
      .map(([name, value]) => ({ name, value }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** One counter or gauge; undefined when there is none of that name. */
  value(name: string): number | undefined {
    this.look();
    const entry = this.names.entries.get(name);
    // -0 says that nobody wrote it: of no interest here.
    return entry === undefined ? undefined : total(entry) + 0;
  }

  /** Like `value`, without refreshing what is only known when somebody looks. */
  lastValue(name: string): number {
    const entry = this.names.entries.get(name);
    return entry === undefined ? 0 : total(entry) + 0;
  }

  /** All histograms, sorted by name. */
  allHistograms(): readonly MergedHistogram[] {
    for (const source of this.sources) source.learn();
    if (this.histogramsVersion !== this.names.version) {
      this.histogramsVersion = this.names.version;
      this.sortedHistograms = [...this.names.histograms.values()]
        .filter(({ name }) => this.rules.keeps(name))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
    }
    return this.sortedHistograms;
  }

  /** The sums of a scope whose layout is internal, in the order of the layout; undefined when no thread has it. */
  internalBlock(prefix: string): readonly number[] | undefined {
    for (const source of this.sources) source.learn();
    const group = this.names.internal.get(prefix);
    return group?.gauges.map((_, slot) => totalOf(group, slot) + 0);
  }

  /** Begins a new interval with what all threads recorded since the last one; Envoy does so every stats_flush_interval. */
  mergeHistograms(intervals: Iterable<HistogramInterval>): void {
    // Those that nobody has entered yet have no values either.
    for (const histogram of this.names.histograms.values()) {
      if (histogram.interval.count > 0) histogram.startInterval();
    }
    for (const [name, pairs] of intervals) this.names.histogram(name).add(pairs);
  }

  /** All counters are 0 from here on; gauges and histograms stay. */
  resetCounters(): void {
    this.look();
    for (const entry of this.names.entries.values()) {
      if (entry.kind === 'gauge') continue;
      for (let place: Entry | undefined = entry; place !== undefined; place = place.more) {
        baseOf(place.group)[place.slot] -= totalOf(place.group, place.slot);
      }
    }
  }

  /** Tags that every name has. */
  fixedTags(): TaggedName['tags'] {
    return this.rules.tags.extract('').tags;
  }

  /** The name without tags, and the tags; found once for a name. */
  tagsOf(name: string): TaggedName {
    let known = this.tagged.get(name);
    if (known === undefined) {
      const { base, tags } = this.rules.tags.extract(name);
      known = { base: intern(this.bases, base, base), tags: intern(this.tagLists, tags.join(), tags) };
      this.tagged.set(name, known);
    }
    return known;
  }

  /** Gauges of Envoy are unsigned, of 64 bits: what is below 0 counts down from the largest, a version is the hash of its text. */
  private exact({ name, kind }: Entry, value: number): number | bigint {
    if (value < 0 && kind === 'gauge' && name.endsWith('.remaining_cx_pools')) return BigInt.asUintN(64, BigInt(value));
    if (value <= Number.MAX_SAFE_INTEGER) return value;
    const text = this.texts.get(`${name}_text`);
    return text === undefined ? BigInt(value) : xxhash64(text);
  }

  private look(): void {
    // Some of what is refreshed depends on what threads have told by now.
    for (const source of this.sources) source.learn();
    for (const refresh of this.refreshers) refresh();
    for (const source of this.sources) source.learn();
  }
}

/** With thousands of clusters most names share their tags, and most clusters the names without tags. */
function intern<T>(known: Map<string, T>, key: string, value: T): T {
  const present = known.get(key);
  if (present !== undefined) return present;
  known.set(key, value);
  return value;
}

/** Sum over the living and the dead; -0 when nobody ever wrote (see ThreadStats). */
function totalOf({ parts, base }: Group, slot: number): number {
  let sum = base === undefined ? -0 : base[slot];
  for (const { chunk, offset } of parts) sum += chunk[offset + slot];
  return sum;
}

function total(entry: Entry): number {
  let sum = -0;
  for (let place: Entry | undefined = entry; place !== undefined; place = place.more) {
    sum += totalOf(place.group, place.slot);
  }
  return sum;
}

function baseOf(group: Group): Float64Array {
  group.base ??= new Float64Array(group.gauges.length).fill(-0);
  return group.base;
}

const oneOfKind: Readonly<Record<StatKind, readonly boolean[]>> = { counter: [false], gauge: [true] };

/** What the sources tell, joined. */
class Names {
  private readonly bucketsOf: (name: string) => readonly number[];
  readonly entries = new Map<string, Entry>();
  /** Another one when any name came or went. */
  version = 0;
  /** Blocks and single names by key. */
  readonly groups = new Map<string, Group>();
  /** Blocks of internal layouts by prefix; not in `entries`. */
  readonly internal = new Map<string, Group>();
  readonly histograms = new Map<string, MergedHistogram>();

  constructor(bucketsOf: (name: string) => readonly number[]) {
    this.bucketsOf = bucketsOf;
  }

  histogram(name: string): MergedHistogram {
    let histogram = this.histograms.get(name);
    if (histogram === undefined) {
      histogram = new MergedHistogram(name, this.bucketsOf(name));
      this.version++;
      this.histograms.set(name, histogram);
    }
    return histogram;
  }

  block(layout: AnnouncedLayout, prefix: string): Group {
    const key = `${layout.id} ${prefix}`;
    let group = this.groups.get(key);
    if (group !== undefined) return group;
    group = { gauges: layout.gauges, names: layout.names, parts: [], base: undefined };
    this.groups.set(key, group);
    if (layout.internal) this.internal.set(prefix, group);
    else for (let slot = 0; slot < layout.names.length; slot++) this.enter(prefix + layout.names[slot], group, slot);
    return group;
  }

  scalar(name: string, kind: StatKind): Group {
    let group = this.groups.get(name);
    if (group === undefined) {
      group = { gauges: oneOfKind[kind], parts: [], base: undefined };
      this.groups.set(name, group);
      this.enter(name, group, 0);
    }
    return group;
  }

  /** A source counts no more under a name; with the last one it is forgotten. */
  drop(source: StatsSource, { layoutId, isHistogram, name }: DroppedName): void {
    if (isHistogram === true) {
      this.histograms.delete(name);
      this.version++;
      return;
    }
    const key = layoutId === undefined ? name : `${layoutId} ${name}`;
    const group = this.groups.get(key);
    if (group === undefined) return;
    group.parts.splice(0, group.parts.length, ...group.parts.filter((part) => part.source !== source));
    if (group.parts.length > 0) return;
    this.groups.delete(key);
    this.internal.delete(name);
    const names = group.names?.map((own) => name + own) ?? [name];
    for (const full of names) this.leave(full, group);
  }

  private leave(name: string, group: Group): void {
    this.version++;
    let entry = this.entries.get(name);
    if (entry?.group === group) {
      if (entry.more === undefined) this.entries.delete(name);
      else this.entries.set(name, entry.more);
      return;
    }
    for (; entry !== undefined; entry = entry.more) if (entry.more?.group === group) entry.more = entry.more.more;
  }

  private enter(name: string, group: Group, slot: number): void {
    const kind = group.gauges[slot] ? 'gauge' : 'counter';
    this.version++;
    const known = this.entries.get(name);
    if (known === undefined) this.entries.set(name, { name, kind, group, slot, more: undefined });
    else known.more = { name, kind, group, slot, more: known.more };
  }
}

/** Names that come and go while nobody looks are entered now and then. */
const mostPending = 1000;

class Source implements StatsSource {
  private readonly names: Names;
  private readonly onRemove: () => void;
  private readonly chunks: Float64Array[] = [];
  private readonly layouts = new Map<string, AnnouncedLayout>();
  /** Told but not yet entered: with thousands of clusters names are only built once somebody looks. */
  private pending: StatsAnnouncement[] = [];

  constructor(names: Names, onRemove: () => void) {
    this.names = names;
    this.onRemove = onRemove;
  }

  announce(message: StatsAnnouncement): void {
    this.pending.push(message);
    if (message.dropped.length > 0 && this.pending.length > mostPending) this.learn();
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
    for (const group of this.names.groups.values()) {
      const at = group.parts.findIndex((part) => part.source === this);
      if (at < 0) continue;
      const [{ chunk, offset }] = group.parts.splice(at, 1);
      const base = baseOf(group);
      // A gauge that was never written is -0 and leaves -0.
      for (let i = 0; i < base.length; i++) base[i] += group.gauges[i] ? chunk[offset + i] * 0 : chunk[offset + i];
    }
  }

  private enter(message: StatsAnnouncement): void {
    for (const name of message.dropped) this.names.drop(this, name);
    for (const memory of message.chunks) this.chunks.push(new Float64Array(memory));
    for (const layout of message.layouts) this.layouts.set(layout.id, layout);
    for (const { layoutId, prefix, chunk, base } of message.blocks) {
      const group = this.names.block(this.layouts.get(layoutId)!, prefix);
      group.parts.push({ source: this, chunk: this.chunks[chunk], offset: base });
    }
    for (const { name, kind, chunk, index } of message.scalars) {
      this.names.scalar(name, kind).parts.push({ source: this, chunk: this.chunks[chunk], offset: index });
    }
    for (const name of message.histograms) this.names.histogram(name);
  }
}
