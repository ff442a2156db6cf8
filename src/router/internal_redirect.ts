/** Redirects that the proxy follows itself: envoy.config.route.v3.InternalRedirectPolicy compiled, and the request it leads to. */
import type { HeaderMap, RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import { type HeaderName, headerName } from '../../native-free/headers/header_name.ts';
import { CONTENT_LENGTH, LOCATION, X_ENVOY_ORIGINAL_URL } from '../../native-free/headers/well_known.ts';
import type { envoy } from '../api/envoy_types.ts';
import { typeNameOf, unpackAny } from '../api/registry.ts';
import type { StreamInfo } from '../common/stream_info.ts';
import type { Route } from './route.ts';

/** Why a redirect is passed on; the end of a counter's name `passthrough_internal_redirect_…`, or uncounted when empty. */
export type RedirectRefusal = '' | 'bad_location' | 'unsafe_scheme' | 'too_many_redirects' | 'no_route' | 'predicate';

const httpSchemes = ['http', 'https'];

type Predicate = (info: StreamInfo, from: string, to: string, fromHttps: boolean, toHttps: boolean) => boolean;

/** Redirects this request has taken; kept with the stream's objects, which the next stream takes over. */
const countKey = 'num_internal_redirects';
const previousKey = 'envoy.internal_redirect.previous_routes_predicate_state.';

/** Envoy follows these statuses, however many more a policy names. */
const followed: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export class InternalRedirectPolicy {
  private readonly most: number;
  private readonly statuses: ReadonlySet<number>;
  private readonly predicates: readonly Predicate[];
  private readonly allowsCrossScheme: boolean;
  private readonly copied: readonly HeaderName[];

  constructor(message: envoy.config.route.v3.InternalRedirectPolicy) {
    this.most = message.maxInternalRedirects ?? 1;
    const { redirectResponseCodes: statuses } = message;
    this.statuses = new Set(statuses.length === 0 ? [302] : statuses.filter((status) => followed.has(status)));
    this.predicates = message.predicates.map(compilePredicate);
    this.allowsCrossScheme = message.allowCrossSchemeRedirect;
    this.copied = message.responseHeadersToCopy.map(headerName);
  }

  follows(status: number): boolean {
    return this.statuses.has(status);
  }

  /**
   * Makes the request into the one the answer redirects to; undefined when it did, else why not, the request being as it was.
   * `routeOf` finds the route of the changed request anew.
   */
  apply(
    head: RequestHead,
    response: ResponseHead,
    info: StreamInfo,
    routeName: string,
    routeOf: () => Route | undefined,
  ): RedirectRefusal | undefined {
    const location = response.headers.get(LOCATION);
    if (location === undefined) return '';
    const target = parseTarget(location);
    if (target === undefined) return 'bad_location';
    const fromHttps = head.scheme === 'https';
    // Nobody here speaks it; of a client over http Envoy only sees that it is another scheme.
    if (!httpSchemes.includes(target.scheme)) {
      return fromHttps || this.allowsCrossScheme ? 'bad_location' : 'unsafe_scheme';
    }
    const toHttps = target.scheme === 'https';
    if (!this.allowsCrossScheme && fromHttps !== toHttps) return 'unsafe_scheme';
    const taken = (info.filterState?.get(countKey) as number | undefined) ?? 0;
    if (taken >= this.most) return 'too_many_redirects';
    const before = { ...head, headers: head.headers.clone() };
    this.copyHeaders(head.headers, response.headers);
    Object.assign(head, target);
    const refusal = this.refuse(info, routeName, routeOf(), fromHttps, toHttps);
    if (refusal !== undefined) {
      Object.assign(head, before);
      return refusal;
    }
    // RFC 9110 section 15.4.4: 303 asks for the answer elsewhere, whatever the method was.
    if (response.status === 303 && head.method !== 'GET' && head.method !== 'HEAD') {
      head.method = 'GET';
      head.headers.remove(CONTENT_LENGTH);
    }
    info.filterState ??= new Map();
    info.filterState.set(countKey, taken + 1);
    head.headers.set(X_ENVOY_ORIGINAL_URL, `${before.scheme}://${before.authority}${before.path}`);
    return undefined;
  }

  private refuse(
    info: StreamInfo,
    from: string,
    route: Route | undefined,
    fromHttps: boolean,
    toHttps: boolean,
  ): RedirectRefusal | undefined {
    if (route === undefined) return 'no_route';
    const accepted = this.predicates.every((accepts) => accepts(info, from, route.name, fromHttps, toHttps));
    return accepted ? undefined : 'predicate';
  }

  private copyHeaders(request: HeaderMap, response: HeaderMap): void {
    for (const name of this.copied) {
      request.remove(name);
      for (let i = response.names.indexOf(name); i >= 0; i = response.names.indexOf(name, i + 1)) {
        request.add(name, response.values[i]);
      }
    }
  }
}

interface Target {
  readonly scheme: string;
  readonly authority: string;
  readonly path: string;
}

/** Absolute http and https URLs only; the fragment is dropped. */
function parseTarget(location: string): Target | undefined {
  const parts = /^([a-z][a-z0-9+.-]*):\/\/([^/?#\s]+)([^#]*)/i.exec(location);
  if (parts === null) return undefined;
  const [, scheme, authority, rest] = parts;
  return { scheme: scheme.toLowerCase(), authority, path: rest.startsWith('/') ? rest : `/${rest}` };
}

function compilePredicate({ typedConfig }: envoy.config.core.v3.TypedExtensionConfig): Predicate {
  switch (typeNameOf(typedConfig?.typeUrl ?? '')) {
    case 'envoy.extensions.internal_redirect.safe_cross_scheme.v3.SafeCrossSchemeConfig':
      return (_info, _from, _to, fromHttps, toHttps) => fromHttps || !toHttps;
    case 'envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig': {
      const message = unpackAny(typedConfig!) as unknown as { readonly allowedRouteNames: readonly string[] };
      const allowed = new Set(message.allowedRouteNames);
      return (_info, _from, to) => allowed.has(to);
    }
    case 'envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig':
      return acceptsOnce;
    default:
      throw new Error(`internal redirect predicate ${typedConfig?.typeUrl ?? ''} is not supported`);
  }
}

/** From one route a request is led to each other route only once. */
function acceptsOnce(info: StreamInfo, from: string, to: string): boolean {
  info.filterState ??= new Map();
  const key = previousKey + from;
  let seen = info.filterState.get(key) as Set<string> | undefined;
  if (seen === undefined) {
    seen = new Set();
    info.filterState.set(key, seen);
  }
  if (seen.has(to)) return false;
  seen.add(to);
  return true;
}
