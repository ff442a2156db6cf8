/** The host a route sends on: host_rewrite_literal, host_rewrite_header, host_rewrite_path_regex or the format of host_rewrite. */
import type { RequestHead } from '../../native-free/headers/header_map.ts';
import { type HeaderName, headerName } from '../../native-free/headers/header_name.ts';
import { X_ENVOY_ORIGINAL_HOST, X_FORWARDED_HOST } from '../../native-free/headers/well_known.ts';
import type { envoy } from '../api/envoy_types.ts';
import { compileFormat, type Formatter } from '../common/formatter/parse_format.ts';
import { RegexRewrite } from '../common/regex.ts';
import { toWire } from '../common/wire_string.ts';
import type { FormatContext } from '../spi/format.ts';
import { queryStart } from './path_rewrite.ts';

export interface HostRewrite {
  /** The new host; empty: leave it alone. */
  host(head: RequestHead, context: FormatContext): string;
}

export function compileHostRewrite(action: envoy.config.route.v3.RouteAction): HostRewrite | undefined {
  const { hostRewriteSpecifier: specifier } = action;
  switch (specifier.case) {
    case 'hostRewriteLiteral':
      return new LiteralHost(toWire(specifier.value));
    case 'hostRewriteHeader':
      return new HeaderHost(headerName(specifier.value));
    case 'hostRewritePathRegex':
      return new PathRegexHost(new RegexRewrite(specifier.value.pattern?.regex ?? '', specifier.value.substitution));
    case 'hostRewrite':
      // Missing values print `-`, as in Envoy.
      return new FormattedHost(compileFormat(specifier.value));
    default:
      return undefined;
  }
}

/**
 * Sets the host; `appendForwarded` adds the old one to `x-forwarded-host` unless it is the last there already, and
 * `keepOriginal` puts it into `x-envoy-original-host`. Also for auto_host_rewrite, once the upstream host is chosen.
 */
export function updateAuthority(
  head: RequestHead,
  host: string,
  appendForwarded: boolean,
  keepOriginal: boolean,
): void {
  const { headers, authority } = head;
  if (keepOriginal) headers.set(X_ENVOY_ORIGINAL_HOST, authority);
  if (appendForwarded && authority !== '') {
    const forwarded = headers.getAll(X_FORWARDED_HOST);
    if (forwarded === undefined || forwarded === '') headers.set(X_FORWARDED_HOST, authority);
    else if (forwarded.slice(forwarded.lastIndexOf(',') + 1) !== authority) {
      headers.set(X_FORWARDED_HOST, `${forwarded},${authority}`);
    }
  }
  head.authority = host;
}

class LiteralHost implements HostRewrite {
  private readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  host(): string {
    return this.text;
  }
}

class HeaderHost implements HostRewrite {
  private readonly name: HeaderName;
  constructor(name: HeaderName) {
    this.name = name;
  }
  host(head: RequestHead): string {
    return head.headers.get(this.name) ?? '';
  }
}

class FormattedHost implements HostRewrite {
  private readonly formatter: Formatter;
  constructor(formatter: Formatter) {
    this.formatter = formatter;
  }
  host(_head: RequestHead, context: FormatContext): string {
    return this.formatter.format(context);
  }
}

class PathRegexHost implements HostRewrite {
  private readonly regex: RegexRewrite;
  constructor(regex: RegexRewrite) {
    this.regex = regex;
  }
  host(head: RequestHead): string {
    return this.regex.replaceAll(head.path.slice(0, queryStart(head.path)));
  }
}
