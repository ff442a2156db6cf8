/** xds.type.matcher.v3.IPMatcher: matches of an address by its ranges, the most specific first. */
import type { xds } from '../../api/envoy_types.ts';
import { ipVersion } from '../address.ts';
import { PrefixMap } from '../prefix_map.ts';
import type { MatchTree, ValueTree } from './matcher_tree.ts';

type OnMatch = xds.type.matcher.v3.Matcher_OnMatch;

interface Range<C, A> {
  readonly outcome: MatchTree<C, A>;
  /** Where it has no action, wider ranges have none either. */
  readonly exclusive: boolean;
}

export function ipTree<C, A>(
  { rangeMatchers }: xds.type.matcher.v3.IPMatcher,
  compile: (onMatch: OnMatch | undefined) => MatchTree<C, A>,
): ValueTree<C, A> {
  const map = new PrefixMap<Range<C, A>[]>();
  for (const { ranges, onMatch, exclusive } of rangeMatchers) {
    const range = { outcome: compile(onMatch), exclusive };
    for (const { addressPrefix, prefixLen = 0 } of ranges) {
      const width = ipVersion(addressPrefix) === 6 ? 128 : 32;
      map.at(`${addressPrefix}/${Math.min(prefixLen, width)}`, () => []).push(range);
    }
  }
  return (value, context) => {
    for (const ranges of map.findAll(value)) {
      for (const { outcome, exclusive } of ranges) {
        const action = outcome(context);
        if (action !== undefined || exclusive) return action;
      }
    }
    return undefined;
  };
}
