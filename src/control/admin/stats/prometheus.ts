/** /stats/prometheus: counters, gauges, texts, histograms; each sorted by the name without tags, `# TYPE` lines and no HELP. */
import type { TaggedName } from '../../../common/stats/tag_extraction.ts';
import type { EndpointStat } from '../../endpoint_stats.ts';
import type { StatsMerge, StatValue, TextReadout } from '../../stats_merge.ts';
import { defaultQuantiles, type MergedHistogram } from '../../stats_merge_histogram.ts';
import { thirtyTwoDigits } from './numbers.ts';

export interface Wanted {
  readonly values: readonly StatValue[];
  readonly texts: readonly TextReadout[];
  readonly histograms: readonly MergedHistogram[];
  readonly endpoints: readonly EndpointStat[];
}

export function* renderPrometheus(
  stats: StatsMerge,
  { values, texts, histograms, endpoints }: Wanted,
  buckets: 'cumulative' | 'summary' = 'cumulative',
): Generator<string> {
  yield* valueLines(stats, values);
  // Gauges without a value, the text in a label.
  for (const { family, members } of families(stats, texts)) {
    yield `# TYPE ${family} gauge\n`;
    for (const { stat, labels } of members) {
      const label = `text_value="${stat.value.replace(/[\\"\n]/g, escapeLabel)}"`;
      yield `${family}{${labels === '' ? label : `${labels},${label}`}} 0\n`;
    }
  }
  for (const { family, members } of families(stats, histograms)) {
    yield `# TYPE ${family} ${buckets === 'summary' ? 'summary' : 'histogram'}\n`;
    for (const { stat, labels } of members) {
      yield buckets === 'summary' ? summaryLines(family, labels, stat) : bucketLines(family, labels, stat);
    }
  }
  yield* valueLines(stats, endpoints);
}

function* valueLines(stats: StatsMerge, values: readonly (StatValue | EndpointStat)[]): Generator<string> {
  for (const kind of ['counter', 'gauge'] as const) {
    const ofKind = values.filter((stat) => stat.kind === kind);
    for (const { family, members } of families(stats, ofKind)) {
      yield `# TYPE ${family} ${kind}\n`;
      for (const { stat, labels } of members) yield `${family}{${labels}} ${stat.value}\n`;
    }
  }
}

interface Family<T> {
  readonly family: string;
  readonly members: readonly { readonly stat: T; readonly labels: string }[];
}

/**
 * Groups by the name without tags. `all` is sorted by name; Envoy sorts a family by the parts of the full name, so that a dot
 * comes before everything: that is different only when a name has one of the few characters before the dot.
 */
function families<T extends { readonly name: string; readonly tagged?: TaggedName }>(
  stats: StatsMerge,
  all: readonly T[],
): Family<T>[] {
  const byBase = new Map<string, { stat: T; labels: string }[]>();
  let unsorted = false;
  for (const stat of all) {
    const tagged = stat.tagged ?? stats.tagsOf(stat.name);
    const member = { stat, labels: labelsOf(tagged.tags) };
    const members = byBase.get(tagged.base);
    if (members === undefined) byBase.set(tagged.base, [member]);
    else members.push(member);
    unsorted ||= /[ --]/.test(stat.name);
  }
  const key = (name: string): string => name.replaceAll('.', '\0');
  return [...byBase.keys()].sort().map((base) => {
    const members = byBase.get(base)!;
    if (unsorted) members.sort((a, b) => (key(a.stat.name) < key(b.stat.name) ? -1 : 1));
    return { family: `envoy_${metricName(base)}`, members };
  });
}

function metricName(text: string): string {
  return text.replace(/[^a-zA-Z0-9_]/g, '_');
}

/** Lists of tags are shared by all names that have the same. */
const labelTexts = new WeakMap<TaggedName['tags'], string>();

function labelsOf(tags: TaggedName['tags']): string {
  let text = labelTexts.get(tags);
  if (text === undefined) {
    text = tags.map(([name, value]) => `${metricName(name)}="${value.replace(/[\\"\n]/g, escapeLabel)}"`).join(',');
    labelTexts.set(tags, text);
  }
  return text;
}

function escapeLabel(character: string): string {
  return character === '\n' ? '\\n' : `\\${character}`;
}

function bucketLines(family: string, labels: string, { total, buckets }: MergedHistogram): string {
  const start = labels === '' ? '' : `${labels},`;
  const counts = total.cumulative(buckets);
  let lines = '';
  buckets.forEach((bound, i) => {
    lines += `${family}_bucket{${start}le="${bound}"} ${counts[i]}\n`;
  });
  lines += `${family}_bucket{${start}le="+Inf"} ${total.count}\n`;
  lines += `${family}_sum{${labels}} ${thirtyTwoDigits(total.sum)}\n`;
  return `${lines}${family}_count{${labels}} ${total.count}\n`;
}

/** Of the last interval, as Envoy does it. */
function summaryLines(family: string, labels: string, { interval }: MergedHistogram): string {
  const start = labels === '' ? '' : `${labels},`;
  const values = interval.quantiles(defaultQuantiles);
  let lines = '';
  defaultQuantiles.forEach((quantile, i) => {
    lines += `${family}{${start}quantile="${quantile}"} ${thirtyTwoDigits(values[i])}\n`;
  });
  lines += `${family}_sum{${labels}} ${thirtyTwoDigits(interval.sum)}\n`;
  return `${lines}${family}_count{${labels}} ${interval.count}\n`;
}
