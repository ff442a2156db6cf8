/** envoy.config.route.v3.RouteMatch compiled: how a route's path is found, and the conditions that must hold besides. */
import type { RequestHead } from '../../native-free/headers/header_map.ts';
import { CONTENT_TYPE } from '../../native-free/headers/well_known.ts';
import type { envoy } from '../api/envoy_types.ts';
import { unpackAny } from '../api/registry.ts';
import { CookieMatcher } from '../common/matchers/cookie_matcher.ts';
import { compileHeaderMatcher } from '../common/matchers/header_matcher.ts';
import { QueryParameterMatcher } from '../common/matchers/query_parameter_matcher.ts';
import { parseUriTemplate, type UriTemplate } from '../common/matchers/uri_template.ts';
import { type CompiledRegex, compileRegex } from '../common/regex.ts';
import { toWire } from '../common/wire_string.ts';
import { FractionalPercent } from './fractional_percent.ts';

type Message = envoy.config.route.v3.RouteMatch;

/** `separatedPrefix` ends where a segment ends: `/api` matches `/api` and `/api/x`, not `/apis`. */
export type PathMatch =
  | { readonly kind: 'prefix' | 'exact' | 'separatedPrefix'; readonly text: string; readonly caseSensitive: boolean }
  | { readonly kind: 'regex'; readonly regex: CompiledRegex; readonly template: UriTemplate | undefined }
  | { readonly kind: 'connect' };

export class RouteMatch {
  readonly path: PathMatch;
  private readonly conditions: readonly Condition[];

  /** Throws on what configuration validation refuses. */
  constructor(message: Message) {
    this.path = compilePath(message);
    this.conditions = compileConditions(message);
  }

  /** All that is not the path. `random` is a non-negative integer. */
  conditionsMatch(head: RequestHead, random: number): boolean {
    const { conditions } = this;
    for (let i = 0; i < conditions.length; i++) if (!conditions[i](head, random)) return false;
    return true;
  }
}

type Condition = (head: RequestHead, random: number) => boolean;

function compilePath(message: Message): PathMatch {
  const { pathSpecifier: path } = message;
  const caseSensitive = message.caseSensitive ?? true;
  switch (path.case) {
    case 'prefix':
      return { kind: 'prefix', text: toWire(path.value), caseSensitive };
    case 'path':
      return { kind: 'exact', text: toWire(path.value), caseSensitive };
    case 'pathSeparatedPrefix':
      return { kind: 'separatedPrefix', text: toWire(path.value), caseSensitive };
    case 'safeRegex':
      return { kind: 'regex', regex: compileRegex(path.value.regex), template: undefined };
    case 'connectMatcher':
      return { kind: 'connect' };
    case 'pathMatchPolicy':
      return compileTemplate(path.value);
    default:
      throw new Error('a route match needs a path specifier');
  }
}

function compileTemplate(policy: envoy.config.core.v3.TypedExtensionConfig): PathMatch {
  if (policy.typedConfig === undefined) throw new Error('path_match_policy without typed_config');
  const { pathTemplate } = unpackAny(policy.typedConfig) as unknown as { pathTemplate: string };
  const template = parseUriTemplate(pathTemplate);
  if (typeof template === 'string') {
    throw new Error(`path_match_policy.path_template ${pathTemplate} is invalid: ${template}`);
  }
  return { kind: 'regex', regex: compileRegex(template.pattern), template };
}

/** In Envoy's order: the cheap ones first. */
function compileConditions(message: Message): Condition[] {
  const conditions: Condition[] = [];
  if (message.runtimeFraction?.defaultValue !== undefined) {
    const fraction = new FractionalPercent(message.runtimeFraction.defaultValue);
    conditions.push((_, random) => fraction.includes(random));
  }
  if (message.grpc !== undefined) conditions.push(isGrpcRequest);
  for (const header of message.headers) {
    const matcher = compileHeaderMatcher(header);
    conditions.push((head) => matcher.matchesRequest(head));
  }
  for (const parameter of message.queryParameters) {
    const matcher = new QueryParameterMatcher(parameter);
    conditions.push((head) => matcher.matches(head.path));
  }
  for (const cookie of message.cookies) {
    const matcher = new CookieMatcher(cookie);
    conditions.push((head) => matcher.matches(head.headers));
  }
  return conditions;
}

function isGrpcRequest(head: RequestHead): boolean {
  const type = head.headers.get(CONTENT_TYPE);
  return type !== undefined && (type === 'application/grpc' || type.startsWith('application/grpc+'));
}
