/** /stats as text: texts first, then `name: value`, then histograms. */
import type { StatValue, TextReadout } from '../../stats_merge.ts';
import { type BinnedCounts, defaultQuantiles, type MergedHistogram } from '../../stats_merge_histogram.ts';
import { sixDigits, spelledNumber } from './numbers.ts';
import type { BucketMode } from './query.ts';

export function* renderText(
  texts: readonly TextReadout[],
  values: readonly StatValue[],
  histograms: readonly MergedHistogram[],
  buckets: BucketMode = 'summary',
): Generator<string> {
  for (const { name, value } of texts) yield `${name}: "${value.replace(/[<>&"']/g, escaped)}"\n`;
  for (const { name, value } of values) yield `${name}: ${value}\n`;
  for (const histogram of histograms) yield `${histogram.name}:${histogramText(histogram, buckets)}\n`;
}

/** As in Envoy, for whoever looks at it in a browser. */
function escaped(character: string): string {
  return entities[character];
}

const entities: Readonly<Record<string, string>> = {
  '<': '&lt;',
  '>': '&gt;',
  '&': '&amp;',
  '"': '&quot;',
  "'": '&#39;',
};

function histogramText(histogram: MergedHistogram, buckets: BucketMode): string {
  if (!histogram.used) return ' No recorded values';
  switch (buckets) {
    case 'summary':
      return ` ${summary(histogram)}`;
    case 'detailed':
      return `\n  totals=${bins(histogram.total)}\n  intervals=${bins(histogram.interval)}\n  summary=${summary(histogram)}`;
    default:
      return ` ${bucketCounts(histogram, buckets)}`;
  }
}

/** `P50(interval,cumulative)`; nan while the interval has none. */
function summary({ interval, total }: MergedHistogram): string {
  const recent = interval.quantiles(defaultQuantiles);
  const ever = total.quantiles(defaultQuantiles);
  return defaultQuantiles
    .map((quantile, i) => `P${100 * quantile}(${spelledNumber(recent[i])},${spelledNumber(ever[i])})`)
    .join(' ');
}

function bucketCounts({ interval, total, buckets }: MergedHistogram, mode: 'cumulative' | 'disjoint'): string {
  const recent = countsByBucket(interval, buckets, mode);
  const ever = countsByBucket(total, buckets, mode);
  return buckets.map((bound, i) => `B${sixDigits(bound)}(${recent[i]},${ever[i]})`).join(' ');
}

/** Values up to each bound; `disjoint` takes off what is below the bound before. */
export function countsByBucket(
  counts: BinnedCounts,
  buckets: readonly number[],
  mode: 'cumulative' | 'disjoint',
): number[] {
  const upTo = counts.cumulative(buckets);
  return mode === 'cumulative' ? upTo : upTo.map((count, i) => count - (upTo[i - 1] ?? 0));
}

function bins(counts: BinnedCounts): string {
  return counts.bins.map(({ lower, width, count }) => `${sixDigits(lower)},${sixDigits(width)}:${count}`).join(', ');
}
