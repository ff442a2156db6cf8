/** What `stats_config` and `--stats-tag` say of the process' statistics: their tags, which are kept, the buckets of histograms. */
import type { envoy } from '../api/envoy_types.ts';
import { compileStringMatcher } from '../common/matchers/string_matcher.ts';
import { TagExtraction } from '../common/stats/tag_extraction.ts';
import { defaultBuckets } from './stats_merge_histogram.ts';

export class StatsRules {
  readonly tags: TagExtraction;
  /** Whether the statistic of this full name is shown at all. */
  readonly keeps: (name: string) => boolean;
  private readonly buckets: readonly { matches: (name: string) => boolean; bounds: readonly number[] }[];

  /** `config` has been checked; `tags` are those of the command line, `name:value` each. */
  constructor(config?: envoy.config.metrics.v3.StatsConfig, tags: readonly string[] = []) {
    this.tags = new TagExtraction(config, tags);
    this.keeps = keptBy(config?.statsMatcher);
    this.buckets = (config?.histogramBucketSettings ?? []).map(({ match, buckets }) => ({
      matches: anyOf([match!]),
      bounds: buckets.length > 0 ? [...buckets].sort((a, b) => a - b) : defaultBuckets,
    }));
  }

  /** Upper bounds of the buckets of a histogram, ascending. */
  bucketsOf(name: string): readonly number[] {
    return this.buckets.find(({ matches }) => matches(name))?.bounds ?? defaultBuckets;
  }
}

function keptBy(matcher: envoy.config.metrics.v3.StatsMatcher | undefined): (name: string) => boolean {
  const { case: kind, value } = matcher?.statsMatcher ?? { case: undefined };
  switch (kind) {
    case 'rejectAll':
      return () => !value;
    case 'inclusionList':
      return anyOf(value.patterns);
    case 'exclusionList': {
      const excluded = anyOf(value.patterns);
      return (name) => !excluded(name);
    }
    default:
      return () => true;
  }
}

function anyOf(patterns: readonly envoy.type.matcher.v3.StringMatcher[]): (name: string) => boolean {
  const matchers = patterns.map(compileStringMatcher);
  return (name) => matchers.some((matcher) => matcher.matches(name));
}
