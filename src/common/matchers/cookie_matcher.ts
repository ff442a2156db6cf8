/** envoy.config.route.v3.CookieMatcher compiled: a condition on one cookie of a request. */
import type { HeaderMap } from '../../../native-free/headers/header_map.ts';
import { COOKIE } from '../../../native-free/headers/well_known.ts';
import type { envoy } from '../../api/envoy_types.ts';
import { toWire } from '../wire_string.ts';
import { compileStringMatcher, type StringMatcher } from './string_matcher.ts';

export class CookieMatcher {
  private readonly name: string;
  private readonly value: StringMatcher;
  private readonly invert: boolean;

  constructor(message: envoy.config.route.v3.CookieMatcher) {
    if (message.stringMatch === undefined) throw new Error('cookie matcher without string_match');
    this.name = toWire(message.name);
    this.value = compileStringMatcher(message.stringMatch);
    this.invert = message.invertMatch;
  }

  matches(headers: HeaderMap): boolean {
    const value = firstCookie(headers, this.name);
    return (value !== undefined && this.value.matches(value)) !== this.invert;
  }
}

/** The value of the first cookie of this name over all Cookie headers, without the quotes around it. */
function firstCookie(headers: HeaderMap, name: string): string | undefined {
  const { names, values } = headers;
  for (let i = names.indexOf(COOKIE); i >= 0; i = names.indexOf(COOKIE, i + 1)) {
    const text = values[i];
    for (let at = 0; at < text.length; ) {
      const semicolon = text.indexOf(';', at);
      const end = semicolon < 0 ? text.length : semicolon;
      while (at < end && text[at] === ' ') at++;
      if (text.startsWith(name, at) && text[at + name.length] === '=') {
        return unquoted(text.slice(at + name.length + 1, end));
      }
      at = end + 1;
    }
  }
  return undefined;
}

function unquoted(value: string): string {
  return value.length >= 2 && value[0] === '"' && value.endsWith('"') ? value.slice(1, -1) : value;
}
