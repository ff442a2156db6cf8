/** envoy.config.route.v3.HeaderMatcher compiled: a condition on one header of a request or response. */
import type { HeaderMap, RequestHead } from '../../../native-free/headers/header_map.ts';
import { type HeaderName, headerName } from '../../../native-free/headers/header_name.ts';
import type { envoy } from '../../api/envoy_types.ts';
import { compileRegex } from '../regex.ts';
import { Int64RangeMatcher } from './int64_range_matcher.ts';
import { compileStringMatcher, RegexMatcher, type StringMatcher, textMatcher } from './string_matcher.ts';

export function compileHeaderMatcher(message: envoy.config.route.v3.HeaderMatcher): HeaderMatcher {
  const specifier = message.headerMatchSpecifier;
  const present = specifier.case === 'presentMatch' ? specifier.value : true;
  return new HeaderMatcher(
    message.name.toLowerCase(),
    compileValueMatcher(specifier),
    present,
    message.invertMatch,
    message.treatMissingHeaderAsEmpty,
  );
}

/** Undefined: only presence counts. */
function compileValueMatcher(
  specifier: envoy.config.route.v3.HeaderMatcher['headerMatchSpecifier'],
): StringMatcher | undefined {
  switch (specifier.case) {
    case 'stringMatch':
      return compileStringMatcher(specifier.value);
    case 'exactMatch':
      // The old form: an empty text matches any value of a header that is there.
      return specifier.value === '' ? textMatcher('prefix', '', false) : textMatcher('exact', specifier.value, false);
    case 'prefixMatch':
      return textMatcher('prefix', specifier.value, false);
    case 'suffixMatch':
      return textMatcher('suffix', specifier.value, false);
    case 'containsMatch':
      return textMatcher('contains', specifier.value, false);
    case 'safeRegexMatch':
      return new RegexMatcher(compileRegex(specifier.value.regex));
    case 'rangeMatch':
      return new Int64RangeMatcher(specifier.value.start, specifier.value.end);
    default:
      return undefined;
  }
}

export class HeaderMatcher {
  private readonly name: HeaderName;
  private readonly value: StringMatcher | undefined;
  private readonly present: boolean;
  private readonly invert: boolean;
  private readonly missingAsEmpty: boolean;

  /** `value` undefined: the header must be there, or must not be when `present` is false. `name` is in lower case. */
  constructor(
    name: string,
    value: StringMatcher | undefined,
    present: boolean,
    invert: boolean,
    missingAsEmpty: boolean,
  ) {
    this.name = headerName(name);
    this.value = value;
    this.present = present;
    this.invert = invert;
    this.missingAsEmpty = missingAsEmpty;
  }

  /** Also for `:method`, `:path`, `:authority` (or `host`) and `:scheme`. */
  matchesRequest(head: RequestHead): boolean {
    switch (this.name.text) {
      case ':method':
        return this.matchesValue(head.method);
      case ':path':
        return this.matchesValue(head.path === '' ? undefined : head.path);
      case ':authority':
      case 'host':
        return this.matchesValue(head.authority);
      case ':scheme':
        return this.matchesValue(head.scheme);
      default:
        return this.matchesHeaders(head.headers);
    }
  }

  /** Also for `:status`. */
  matchesResponse(status: number, headers: HeaderMap): boolean {
    return this.name.text === ':status' ? this.matchesValue(String(status)) : this.matchesHeaders(headers);
  }

  /** A repeated header matches when one of its values does. */
  matchesHeaders(headers: HeaderMap): boolean {
    const { names, values } = headers;
    let at = names.indexOf(this.name);
    if (at < 0) return this.matchesMissing();
    if (this.value === undefined) return this.present !== this.invert;
    do {
      if (this.value.matches(values[at])) return !this.invert;
      at = names.indexOf(this.name, at + 1);
    } while (at >= 0);
    return this.invert;
  }

  private matchesValue(value: string | undefined): boolean {
    if (value === undefined) return this.matchesMissing();
    return (this.value === undefined ? this.present : this.value.matches(value)) !== this.invert;
  }

  /** A value match on a missing header is false, inverted or not. */
  private matchesMissing(): boolean {
    if (this.missingAsEmpty) return (this.value === undefined ? this.present : this.value.matches('')) !== this.invert;
    return this.value === undefined && this.present === this.invert;
  }
}
