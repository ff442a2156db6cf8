/** envoy.type.matcher.v3.MetadataMatcher and ValueMatcher over dynamic metadata: in routes and access log filters. */
import type { envoy } from '../../api/envoy_types.ts';
import type { StreamInfo } from '../stream_info.ts';
import { compileStringMatcher } from './string_matcher.ts';

type ValueMatch = (value: unknown) => boolean;

/** Finds the value that the matcher's path names; undefined when there is none. */
export function metadataValue(matcher: envoy.type.matcher.v3.MetadataMatcher, info: StreamInfo): unknown {
  let value: unknown = info.dynamicMetadata?.get(matcher.filter);
  for (const { segment } of matcher.path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    value = (value as Record<string, unknown>)[segment.value ?? ''];
  }
  return value;
}

/** Of a stream: whether the value is there and matches, or the other way round with `invert`. */
export function compileMetadataMatcher(
  matcher: envoy.type.matcher.v3.MetadataMatcher,
): (info: StreamInfo | undefined) => boolean {
  const match = compileValueMatcher(matcher.value);
  return (info) => {
    const value = info === undefined ? undefined : metadataValue(matcher, info);
    return (value !== undefined && match(value)) !== matcher.invert;
  };
}

/** Tests a value that exists. */
export function compileValueMatcher(matcher: envoy.type.matcher.v3.ValueMatcher | undefined): ValueMatch {
  const pattern = matcher?.matchPattern;
  switch (pattern?.case) {
    case 'nullMatch':
      return (value) => value === null;
    case 'boolMatch':
      return (value) => value === pattern.value;
    case 'presentMatch':
      return () => pattern.value;
    case 'doubleMatch': {
      const { matchPattern } = pattern.value;
      if (matchPattern.case === 'exact') return (value) => value === matchPattern.value;
      if (matchPattern.case !== 'range') return () => false;
      const { start, end } = matchPattern.value;
      return (value) => typeof value === 'number' && value >= start && value < end;
    }
    case 'stringMatch': {
      const matcher = compileStringMatcher(pattern.value);
      return (value) => typeof value === 'string' && matcher.matches(value);
    }
    case 'listMatch': {
      const { matchPattern } = pattern.value;
      const match = matchPattern.case === 'oneOf' ? compileValueMatcher(matchPattern.value) : () => false;
      return (value) => Array.isArray(value) && value.some(match);
    }
    case 'orMatch': {
      const matches = pattern.value.valueMatchers.map((one) => compileValueMatcher(one));
      return (value) => matches.some((match) => match(value));
    }
    default:
      return () => false;
  }
}
