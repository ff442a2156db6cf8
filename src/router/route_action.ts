/** envoy.config.route.v3.RouteAction compiled: all of a forwarding route that does not depend on the cluster chosen. */
import type { envoy } from '../api/envoy_types.ts';
import { durationMs } from '../common/duration.ts';
import { compileHostRewrite, type HostRewrite } from './host_rewrite.ts';
import { compilePathRewrite, type PathRewrite } from './path_rewrite.ts';
import { RetryPolicy } from './retry_policy.ts';
import type { PathMatch } from './route_match.ts';

const clusterNotFoundStatuses = [503, 404, 500];
const defaultTimeoutMs = 15_000;

export interface RouteAction {
  readonly clusterNotFoundStatus: number;
  readonly timeoutMs: number;
  readonly idleTimeoutMs: number | undefined;
  readonly maxStreamDurationMs: number | undefined;
  readonly grpcTimeoutHeaderMaxMs: number | undefined;
  readonly grpcTimeoutHeaderOffsetMs: number | undefined;
  readonly priority: number;
  readonly retryPolicy: RetryPolicy | undefined;
  readonly hostRewrite: HostRewrite | undefined;
  readonly pathRewrite: PathRewrite | undefined;
  readonly autoHostRewrite: boolean;
  readonly appendXForwardedHost: boolean;
}

/** `fallbackRetryPolicy`: the virtual host's. */
export function compileRouteAction(
  message: envoy.config.route.v3.RouteAction,
  match: PathMatch,
  fallbackRetryPolicy: RetryPolicy | undefined,
): RouteAction {
  const { hostRewriteSpecifier: host, maxStreamDuration } = message;
  return {
    clusterNotFoundStatus: clusterNotFoundStatuses[message.clusterNotFoundResponseCode],
    timeoutMs: Math.trunc(durationMs(message.timeout) ?? defaultTimeoutMs),
    idleTimeoutMs: durationMs(message.idleTimeout),
    maxStreamDurationMs: durationMs(maxStreamDuration?.maxStreamDuration),
    grpcTimeoutHeaderMaxMs: durationMs(maxStreamDuration?.grpcTimeoutHeaderMax),
    grpcTimeoutHeaderOffsetMs: durationMs(maxStreamDuration?.grpcTimeoutHeaderOffset),
    priority: message.priority,
    retryPolicy: message.retryPolicy === undefined ? fallbackRetryPolicy : new RetryPolicy(message.retryPolicy),
    hostRewrite: compileHostRewrite(message),
    pathRewrite: compilePathRewrite(match, message.prefixRewrite, message.regexRewrite, message.pathRewritePolicy),
    autoHostRewrite: host.case === 'autoHostRewrite' && isTrue(host.value),
    appendXForwardedHost: message.appendXForwardedHost,
  };
}

/** What routes have that forward nothing. */
export const noAction: RouteAction = {
  clusterNotFoundStatus: 503,
  timeoutMs: 0,
  idleTimeoutMs: undefined,
  maxStreamDurationMs: undefined,
  grpcTimeoutHeaderMaxMs: undefined,
  grpcTimeoutHeaderOffsetMs: undefined,
  priority: 0,
  retryPolicy: undefined,
  hostRewrite: undefined,
  pathRewrite: undefined,
  autoHostRewrite: false,
  appendXForwardedHost: false,
};

/** A wrapper within a oneof stays a message. */
function isTrue(value: { readonly value: boolean } | boolean): boolean {
  return typeof value === 'boolean' ? value : value.value;
}
