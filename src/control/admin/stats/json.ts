/** /stats?format=json: one line, histograms as the last element. */
import type { StatValue, TextReadout } from '../../stats_merge.ts';
import { type BinnedCounts, defaultQuantiles, type MergedHistogram } from '../../stats_merge_histogram.ts';
import { shortestNumber } from './numbers.ts';
import type { BucketMode } from './query.ts';
import { countsByBucket } from './text.ts';

const percentNames = defaultQuantiles.map((quantile) => 100 * quantile).join(',');

export function* renderJson(
  texts: readonly TextReadout[],
  values: readonly StatValue[],
  histograms: readonly MergedHistogram[],
  buckets: BucketMode = 'summary',
): Generator<string> {
  yield '{"stats":[';
  let comma = '';
  for (const { name, value } of texts) {
    yield `${comma}{"name":${JSON.stringify(name)},"value":${JSON.stringify(value)}}`;
    comma = ',';
  }
  for (const { name, value } of values) {
    yield `${comma}{"name":${JSON.stringify(name)},"value":${value}}`;
    comma = ',';
  }
  if (histograms.length > 0) yield `${comma}{"histograms":${histogramsJson(histograms, buckets)}}`;
  yield ']}';
}

function histogramsJson(histograms: readonly MergedHistogram[], mode: BucketMode): string {
  switch (mode) {
    case 'summary': {
      const each = histograms.map(
        ({ name, ...rest }) => `{"name":${JSON.stringify(name)},"values":${percentiles(rest)}}`,
      );
      return `{"supported_quantiles":[${percentNames}],"computed_quantiles":[${each.join(',')}]}`;
    }
    case 'detailed': {
      const each = histograms.map(({ name, total, interval }) => {
        const bins = `"totals":${binsJson(total)},"intervals":${binsJson(interval)}`;
        return `{"name":${JSON.stringify(name)},${bins},"percentiles":${percentiles({ total, interval })}}`;
      });
      return `{"supported_percentiles":[${percentNames}],"details":[${each.join(',')}]}`;
    }
    default:
      return `[${histograms.map((histogram) => bucketsJson(histogram, mode)).join(',')}]`;
  }
}

function percentiles({ interval, total }: Pick<MergedHistogram, 'interval' | 'total'>): string {
  const recent = interval.quantiles(defaultQuantiles);
  const each = total
    .quantiles(defaultQuantiles)
    .map((ever, i) => `{"cumulative":${numberOrNull(ever)},"interval":${numberOrNull(recent[i])}}`);
  return `[${each.join(',')}]`;
}

function numberOrNull(value: number): string {
  return Number.isNaN(value) ? 'null' : shortestNumber(value);
}

function binsJson(counts: BinnedCounts): string {
  const each = counts.bins.map(({ lower, width, count }) => {
    return `{"lower_bound":${shortestNumber(lower)},"width":${shortestNumber(width)},"count":${count}}`;
  });
  return `[${each.join(',')}]`;
}

function bucketsJson({ name, interval, total, buckets }: MergedHistogram, mode: 'cumulative' | 'disjoint'): string {
  const recent = countsByBucket(interval, buckets, mode);
  const ever = countsByBucket(total, buckets, mode);
  const each = buckets.map((bound, i) => {
    return `{"upper_bound":${shortestNumber(bound)},"interval":${recent[i]},"cumulative":${ever[i]}}`;
  });
  return `{"name":${JSON.stringify(name)},"buckets":[${each.join(',')}]}`;
}
