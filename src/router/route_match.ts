/** envoy.config.route.v3.RouteMatch compiled: how a route's path is found, and the conditions that must hold besides. */
import { isGrpcType } from '../../native-free/grpc/content_type.ts';
import type { RequestHead } from '../../native-free/headers/header_map.ts';
import { CONTENT_TYPE } from '../../native-free/headers/well_known.ts';
import type { envoy } from '../api/envoy_types.ts';
import { unpackAny } from '../api/registry.ts';
import { CookieMatcher } from '../common/matchers/cookie_matcher.ts';
import { compileFilterStateMatcher } from '../common/matchers/filter_state_matcher.ts';
import { compileHeaderMatcher } from '../common/matchers/header_matcher.ts';
import { compileMetadataMatcher } from '../common/matchers/metadata_matcher.ts';
import { QueryParameterMatcher } from '../common/matchers/query_parameter_matcher.ts';
import { parseUriTemplate, type UriTemplate } from '../common/matchers/uri_template.ts';
import { type CompiledRegex, compileRegex } from '../common/regex.ts';
import { type Runtime, RuntimeFraction } from '../common/runtime.ts';
import type { StreamInfo } from '../common/stream_info.ts';
import { toWire } from '../common/wire_string.ts';

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
  constructor(message: Message, runtime: Runtime) {
    this.path = compilePath(message);
    this.conditions = compileConditions(message, runtime);
  }

  /** All that is not the path. `random` is a non-negative integer. */
  conditionsMatch(head: RequestHead, random: number, info: StreamInfo | undefined): boolean {
    const { conditions } = this;
    for (let i = 0; i < conditions.length; i++) if (!conditions[i](head, random, info)) return false;
    return true;
  }
}

type Condition = (head: RequestHead, random: number, info: StreamInfo | undefined) => boolean;

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
function compileConditions(message: Message, runtime: Runtime): Condition[] {
  const conditions: Condition[] = [];
  if (message.runtimeFraction !== undefined) {
    const fraction = new RuntimeFraction(message.runtimeFraction, runtime);
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
  if (message.tlsContext !== undefined) conditions.push(compileTlsContext(message.tlsContext));
  for (const metadata of message.dynamicMetadata) {
    const matches = compileMetadataMatcher(metadata);
    conditions.push((_head, _random, info) => matches(info));
  }
  for (const state of message.filterState) {
    const matches = compileFilterStateMatcher(state);
    conditions.push((_head, _random, info) => matches(info));
  }
  return conditions;
}

/** A certificate that was not asked for, or a connection without TLS, is neither presented nor validated. */
function compileTlsContext({
  presented,
  validated,
}: envoy.config.route.v3.RouteMatch_TlsContextMatchOptions): Condition {
  return (_head, _random, info) => {
    const tls = info?.connection?.tls;
    if (presented !== undefined && presented !== (tls?.peerCertificatePresented ?? false)) return false;
    return validated === undefined || validated === (tls?.peerCertificateValidated ?? false);
  };
}

function isGrpcRequest(head: RequestHead): boolean {
  return isGrpcType(head.headers.get(CONTENT_TYPE));
}
