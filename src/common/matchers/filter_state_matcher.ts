/** envoy.type.matcher.v3.FilterStateMatcher compiled: a condition on an object that a filter left with the stream. */
import type { envoy } from '../../api/envoy_types.ts';
import type { StreamInfo } from '../stream_info.ts';
import { compileStringMatcher } from './string_matcher.ts';

/** Objects match as text. Throws on what configuration validation refuses: anything but `string_match`. */
export function compileFilterStateMatcher(
  message: envoy.type.matcher.v3.FilterStateMatcher,
): (info: StreamInfo | undefined) => boolean {
  const { key, matcher } = message;
  if (matcher.case !== 'stringMatch') throw new Error(`filter state matcher ${matcher.case ?? ''} is not supported`);
  const text = compileStringMatcher(matcher.value);
  return (info) => {
    const value = info?.filterStateOf(key);
    return value !== undefined && text.matches(String(value));
  };
}
