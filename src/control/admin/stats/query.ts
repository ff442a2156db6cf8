/** What /stats is asked for: the parameters, checked in Envoy's order with Envoy's texts. */
import type { EndpointStat } from '../../endpoint_stats.ts';
import type { StatKind, StatsMerge, StatValue, TextReadout } from '../../stats_merge.ts';
import type { MergedHistogram } from '../../stats_merge_histogram.ts';
import { type AdminReply, badRequest } from '../endpoint.ts';
import { compileRegex, type Matcher } from '../regex_param.ts';

const formats = ['html', 'active-html', 'json', 'prometheus', 'text'] as const;
export type StatsFormat = (typeof formats)[number];

const bucketModes = ['cumulative', 'disjoint', 'detailed', 'summary'] as const;
export type BucketMode = (typeof bucketModes)[number];

/** Whether statistics that are not meant to be seen are shown, too or alone. */
const hiddenModes: readonly string[] = ['include', 'only', 'exclude'];

const types = ['All', 'Counters', 'Histograms', 'Gauges', 'TextReadouts'] as const;
type StatType = (typeof types)[number];

export interface StatsQuery {
  readonly format: StatsFormat;
  /** Undefined when not asked for: each format has its own default. */
  readonly buckets: BucketMode | undefined;
  readonly usedOnly: boolean;
  readonly type: StatType;
  /** True for names that are wanted. */
  readonly wants: Matcher;
}

/** The query, or the reply that says what is wrong with it. */
export function parseStatsQuery(query: URLSearchParams): StatsQuery | { readonly error: AdminReply } {
  const given = (name: string): string | undefined => query.get(name) || undefined;
  const hidden = given('hidden') ?? 'exclude';
  if (!hiddenModes.includes(hidden)) return fail(`usage: /stats?hidden=(${hiddenModes.join('|')})\n\n`);
  const wanted = given('histogram_buckets');
  const buckets = bucketModes.find((mode) => mode === wanted);
  // The last one, histograms as protobuf, is not offered here.
  if (buckets === undefined && wanted !== undefined && wanted !== 'none') {
    return fail(`usage: /stats?histogram_buckets=(${bucketModes.join('|')}|prometheusnative)\n`);
  }
  const wants = nameFilter(given('filter'), query.has('invert_filter'));
  if (typeof wants !== 'function') return fail(wants.error);
  const type = types.find((each) => each === (given('type') ?? 'All'));
  if (type === undefined) return fail('invalid &type= param');
  const format = formats.find((each) => each === (given('format') ?? 'text'));
  if (format === undefined) return fail(`usage: /stats?format=(${formats.join('|')})\n\n`);
  // No statistic is hidden.
  return { format, buckets, usedOnly: query.has('usedonly'), type, wants: hidden === 'only' ? () => false : wants };
}

function fail(body: string): { readonly error: AdminReply } {
  return { error: badRequest(body) };
}

function nameFilter(source: string | undefined, invert: boolean): Matcher | { readonly error: string } {
  if (source === undefined) {
    return invert ? { error: 'invert_filter can only be used if filter is also provided' } : () => true;
  }
  const matches = compileRegex(source, false);
  if (typeof matches !== 'function') return { error: `Invalid re2 regex: ${matches.error}` };
  return invert ? (name) => !matches(name) : matches;
}

const kindOfType: Partial<Record<StatType, StatKind>> = { Counters: 'counter', Gauges: 'gauge' };

/** The counters and gauges a query wants, sorted by name. */
export function wantedValues(stats: StatsMerge, query: StatsQuery, anyType = false): StatValue[] {
  const kind = kindOfType[query.type];
  if (!anyType && kind === undefined && query.type !== 'All') return [];
  return stats
    .values()
    .filter((stat) => (!query.usedOnly || stat.used) && (anyType || kind === undefined || stat.kind === kind))
    .filter(({ name }) => query.wants(name));
}

/** What of hosts a query wants. */
export function wantedEndpoints(stats: StatsMerge, query: StatsQuery, anyType = false): EndpointStat[] {
  const kind = kindOfType[query.type];
  if (!anyType && kind === undefined && query.type !== 'All') return [];
  return stats
    .endpoints()
    .filter((stat) => (anyType || kind === undefined || stat.kind === kind) && query.wants(stat.name));
}

/** The texts a query wants, sorted by name. */
export function wantedTexts(stats: StatsMerge, query: StatsQuery, anyType = false): TextReadout[] {
  if (!anyType && query.type !== 'All' && query.type !== 'TextReadouts') return [];
  return stats.textReadouts().filter(({ name, value }) => (!query.usedOnly || value !== '') && query.wants(name));
}

/** The histograms a query wants, sorted by name. */
export function wantedHistograms(stats: StatsMerge, query: StatsQuery, anyType = false): MergedHistogram[] {
  if (!anyType && query.type !== 'All' && query.type !== 'Histograms') return [];
  return stats.allHistograms().filter(({ name, used }) => (!query.usedOnly || used) && query.wants(name));
}
