/** envoy.config.route.v3.RedirectAction compiled: status and `location` of a redirect, from the request it answers. */
import type { RequestHead } from '../../native-free/headers/header_map.ts';
import { X_FORWARDED_PROTO } from '../../native-free/headers/well_known.ts';
import type { envoy } from '../api/envoy_types.ts';
import type { Formatter } from '../common/formatter/parse_format.ts';
import { toWire } from '../common/wire_string.ts';
import type { FormatContext } from '../spi/format.ts';
import { compilePathFormat, compilePathRewrite, type PathRewrite, rewritePath } from './path_rewrite.ts';
import type { PathMatch } from './route_match.ts';

const statuses = [301, 302, 303, 307, 308];

export interface Redirect {
  readonly status: number;
  location(head: RequestHead, keepOriginal: boolean, context: FormatContext): string;
}

export class RouteRedirect implements Redirect {
  readonly status: number;
  /** Empty: the request's own. */
  private readonly scheme: string;
  private readonly host: string;
  /** With its colon, or empty. */
  private readonly port: string;
  private readonly path: string;
  /** `path_rewrite`: in the place of `path`, made for each request; empty: nothing. */
  private readonly pathFormat: Formatter | undefined;
  private readonly rewrite: PathRewrite | undefined;
  private readonly stripQuery: boolean;

  constructor(action: envoy.config.route.v3.RedirectAction, match: PathMatch) {
    const { schemeRewriteSpecifier: scheme, pathRewriteSpecifier: path } = action;
    this.status = statuses[action.responseCode];
    if (scheme.case === 'schemeRedirect') this.scheme = toWire(scheme.value);
    else this.scheme = scheme.case === 'httpsRedirect' && scheme.value ? 'https' : '';
    this.host = toWire(action.hostRedirect);
    this.port = action.portRedirect === 0 ? '' : `:${action.portRedirect}`;
    this.path = path.case === 'pathRedirect' ? toWire(path.value) : '';
    this.pathFormat = path.case === 'pathRewrite' && path.value !== '' ? compilePathFormat(path.value) : undefined;
    this.rewrite = compilePathRewrite(
      match,
      path.case === 'prefixRewrite' ? path.value : '',
      path.case === 'regexRewrite' ? path.value : undefined,
    );
    this.stripQuery = action.stripQuery;
  }

  /** A prefix or regex rewrite changes the request's own path, so access logs show it as Envoy's do. */
  location(head: RequestHead, keepOriginal: boolean, context: FormatContext): string {
    if (this.rewrite !== undefined) rewritePath(head, this.rewrite, keepOriginal, context);
    const scheme = this.scheme === '' ? head.scheme : this.scheme;
    const host = this.host === '' ? requestHost(head, scheme, this.port) : this.host;
    return `${scheme}://${host}${this.port}${this.newPath(head.path, this.pathFormat?.format(context) ?? this.path)}`;
  }

  private newPath(requestPath: string, configured: string): string {
    const query = requestPath.indexOf('?');
    let path = requestPath;
    if (configured !== '') {
      path = query < 0 || configured.includes('?') ? configured : configured + requestPath.slice(query);
    }
    if (path[0] !== '/') path = `/${path}`;
    // The query of the configuration is never stripped.
    const end = this.stripQuery && !configured.includes('?') ? path.indexOf('?') : -1;
    return end < 0 ? path : path.slice(0, end);
  }
}

/** What require_tls of a virtual host answers. */
export const tlsRedirect: Redirect = {
  status: 301,
  location: (head) => `https://${head.authority}${head.path}`,
};

/** The request's own URL: Envoy sends it as `location` with every direct response of status 201 or 3xx. */
export function ownLocation(head: RequestHead): string {
  return `${head.scheme}://${requestHost(head, head.scheme, '')}${head.path[0] === '/' ? '' : '/'}${head.path}`;
}

/** The host without its port when the redirect has one of its own, or when it is the default of the scheme that is left. */
function requestHost(head: RequestHead, newScheme: string, newPort: string): string {
  const { authority } = head;
  const colon = authority[0] === '[' ? authority.lastIndexOf(']:') + 1 : authority.lastIndexOf(':');
  if (colon <= 0) return authority;
  const protocol = head.headers.get(X_FORWARDED_PROTO) ?? head.scheme;
  const port = authority.slice(colon);
  const leavesDefault =
    newScheme !== protocol && ((protocol === 'https' && port === ':443') || (protocol === 'http' && port === ':80'));
  return newPort !== '' || leavesDefault ? authority.slice(0, colon) : authority;
}
