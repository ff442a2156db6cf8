/** envoy.config.route.v3.QueryParameterMatcher compiled: a condition on the first value of one query parameter. */
import type { envoy } from '../../api/envoy_types.ts';
import { toWire } from '../wire_string.ts';
import { compileStringMatcher, type StringMatcher } from './string_matcher.ts';

export class QueryParameterMatcher {
  private readonly name: string;
  private readonly present: boolean;
  private readonly value: StringMatcher | undefined;

  constructor(message: envoy.config.route.v3.QueryParameterMatcher) {
    const specifier = message.queryParameterMatchSpecifier;
    this.name = toWire(message.name);
    this.present = specifier.case === 'presentMatch' ? specifier.value : true;
    this.value = specifier.case === 'stringMatch' ? compileStringMatcher(specifier.value) : undefined;
  }

  /** `path` with its query, which is compared undecoded. */
  matches(path: string): boolean {
    const value = firstQueryValue(path, this.name);
    if (this.value === undefined) return (value !== undefined) === this.present;
    return value !== undefined && this.value.matches(value);
  }
}

/** The first value of a parameter; empty without `=`, undefined when there is no such parameter. */
function firstQueryValue(path: string, name: string): string | undefined {
  let at = path.indexOf('?') + 1;
  if (at === 0) return undefined;
  while (at < path.length) {
    const ampersand = path.indexOf('&', at);
    const end = ampersand < 0 ? path.length : ampersand;
    const nameEnd = at + name.length;
    if (nameEnd <= end && path.startsWith(name, at)) {
      if (nameEnd === end) return '';
      if (path[nameEnd] === '=') return path.slice(nameEnd + 1, end);
    }
    at = end + 1;
  }
  return undefined;
}
