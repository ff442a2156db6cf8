/** The path a route sends on: prefix_rewrite, regex_rewrite, the format of path_rewrite or a path template, for forwarding and for redirects. */
import type { RequestHead } from '../../native-free/headers/header_map.ts';
import { X_ENVOY_ORIGINAL_PATH } from '../../native-free/headers/well_known.ts';
import type { envoy } from '../api/envoy_types.ts';
import { unpackAny } from '../api/registry.ts';
import { compileFormat, type Formatter } from '../common/formatter/parse_format.ts';
import { parseUriRewrite } from '../common/matchers/uri_template.ts';
import { RegexRewrite } from '../common/regex.ts';
import { toWire } from '../common/wire_string.ts';
import type { FormatContext } from '../spi/format.ts';
import type { PathMatch } from './route_match.ts';

export interface PathRewrite {
  /** The new path without query for a path without query; empty: leave the path alone. */
  rewrite(pathOnly: string, context: FormatContext): string;
}

/** The fields a route action and a redirect share; undefined when none is set. Throws on what validation refuses. */
export function compilePathRewrite(
  match: PathMatch,
  prefixRewrite: string,
  regexRewrite: envoy.type.matcher.v3.RegexMatchAndSubstitute | undefined,
  policy?: envoy.config.core.v3.TypedExtensionConfig,
  format = '',
): PathRewrite | undefined {
  if (format !== '') return new FormattedPath(compilePathFormat(format));
  if (policy?.typedConfig !== undefined) return compileTemplateRewrite(match, policy);
  if (regexRewrite?.pattern !== undefined) {
    return new RegexPathRewrite(new RegexRewrite(regexRewrite.pattern.regex, regexRewrite.substitution));
  }
  if (prefixRewrite === '') return undefined;
  return new PrefixRewrite('text' in match ? match.text.length : undefined, toWire(prefixRewrite));
}

/** Missing values print nothing. */
export function compilePathFormat(format: string): Formatter {
  return compileFormat(format, true);
}

/** Rewrites the path and keeps the query; tells the upstream the old one by `x-envoy-original-path` if `keepOriginal`. */
export function rewritePath(
  head: RequestHead,
  rewrite: PathRewrite,
  keepOriginal: boolean,
  context: FormatContext,
): void {
  const { path } = head;
  const end = queryStart(path);
  const rewritten = rewrite.rewrite(end === path.length ? path : path.slice(0, end), context);
  if (rewritten === '') return;
  if (keepOriginal) head.headers.set(X_ENVOY_ORIGINAL_PATH, path);
  head.path = end === path.length ? rewritten : rewritten + path.slice(end);
}

/** Where the query begins; the path's length without one. A fragment never comes so far. */
export function queryStart(path: string): number {
  const at = path.indexOf('?');
  return at < 0 ? path.length : at;
}

class PrefixRewrite implements PathRewrite {
  private readonly matchedLength: number | undefined;
  private readonly replacement: string;

  /** `matchedLength` undefined: the whole path was matched. */
  constructor(matchedLength: number | undefined, replacement: string) {
    this.matchedLength = matchedLength;
    this.replacement = replacement;
  }

  rewrite(pathOnly: string): string {
    return this.matchedLength === undefined ? this.replacement : this.replacement + pathOnly.slice(this.matchedLength);
  }
}

class FormattedPath implements PathRewrite {
  private readonly formatter: Formatter;
  constructor(formatter: Formatter) {
    this.formatter = formatter;
  }
  rewrite(_pathOnly: string, context: FormatContext): string {
    return this.formatter.format(context);
  }
}

class RegexPathRewrite implements PathRewrite {
  private readonly regex: RegexRewrite;
  constructor(regex: RegexRewrite) {
    this.regex = regex;
  }
  rewrite(pathOnly: string): string {
    return this.regex.replaceAll(pathOnly);
  }
}

function compileTemplateRewrite(match: PathMatch, policy: envoy.config.core.v3.TypedExtensionConfig): PathRewrite {
  const { pathTemplateRewrite } = unpackAny(policy.typedConfig!) as unknown as { pathTemplateRewrite: string };
  const template = match.kind === 'regex' ? match.template : undefined;
  if (template === undefined) {
    const needs = 'envoy.path.match.uri_template.uri_template_matcher';
    throw new Error(
      `unable to use envoy.path.rewrite.uri_template.uri_template_rewriter extension without ${needs} extension`,
    );
  }
  const rewrite = parseUriRewrite(pathTemplateRewrite, template.variables);
  if (typeof rewrite === 'string') {
    throw new Error(`path_rewrite_policy.path_template_rewrite ${pathTemplateRewrite} is invalid: ${rewrite}`);
  }
  return new RegexPathRewrite(new RegexRewrite(`^(?:${template.pattern})$`, rewrite.substitution));
}
