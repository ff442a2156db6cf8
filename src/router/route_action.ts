/** envoy.config.route.v3.RouteAction compiled: all of a forwarding route that does not depend on the cluster chosen. */
import type { envoy } from '../api/envoy_types.ts';
import { durationMs } from '../common/duration.ts';
import { compileProxyHeader, type ProxyHeaderWriter } from '../common/proxy_protocol_header.ts';
import type { Runtime } from '../common/runtime.ts';
import { compileHostRewrite, type HostRewrite } from './host_rewrite.ts';
import { InternalRedirectPolicy } from './internal_redirect.ts';
import { compileMirrorPolicies, type MirrorPolicy } from './mirror_policy.ts';
import { compilePathRewrite, type PathRewrite } from './path_rewrite.ts';
import { RetryPolicy } from './retry_policy.ts';
import type { PathMatch } from './route_match.ts';

const clusterNotFoundStatuses = [503, 404, 500];
const defaultTimeoutMs = 15_000;

export interface RouteAction {
  readonly clusterNotFoundStatus: number;
  readonly timeoutMs: number;
  readonly idleTimeoutMs: number | undefined;
  readonly hasMaxStreamDuration: boolean;
  readonly maxStreamDurationMs: number | undefined;
  readonly grpcTimeoutHeaderMaxMs: number | undefined;
  readonly grpcTimeoutHeaderOffsetMs: number | undefined;
  /** Older than max_stream_duration, which sets it aside. */
  readonly maxGrpcTimeoutMs: number | undefined;
  readonly grpcTimeoutOffsetMs: number;
  readonly priority: number;
  readonly retryPolicy: RetryPolicy | undefined;
  readonly hedgesOnPerTryTimeout: boolean;
  readonly hostRewrite: HostRewrite | undefined;
  readonly pathRewrite: PathRewrite | undefined;
  readonly autoHostRewrite: boolean;
  /** By the protocol in lower case, `connect` for CONNECT. */
  readonly upgrades: ReadonlyMap<string, RouteUpgrade> | undefined;
  readonly appendXForwardedHost: boolean;
  readonly internalRedirect: InternalRedirectPolicy | undefined;
  readonly mirrorPolicies: readonly MirrorPolicy[];
  /** Bytes of a request kept for retries and internal redirects; undefined: the listener's limit. */
  readonly requestBufferLimit: number | undefined;
}

/** What a route has from its surroundings where it does not say itself. */
export interface RouteActionDefaults {
  readonly runtime: Runtime;
  readonly retryPolicy: RetryPolicy | undefined;
  readonly hedgePolicy: envoy.config.route.v3.HedgePolicy | undefined;
  readonly mirrorPolicies: readonly MirrorPolicy[];
  readonly requestBufferLimit: number | undefined;
}

/** Of a route or virtual host: the newer field counts before the older one. */
export function requestBufferLimit(message: {
  readonly requestBodyBufferLimit?: bigint;
  readonly perRequestBufferLimitBytes?: number;
}): number | undefined {
  const { requestBodyBufferLimit: limit } = message;
  return limit === undefined ? message.perRequestBufferLimitBytes : Number(limit);
}

export function compileRouteAction(
  message: envoy.config.route.v3.RouteAction,
  match: PathMatch,
  defaults: RouteActionDefaults,
): RouteAction {
  const { hostRewriteSpecifier: host, maxStreamDuration } = message;
  return {
    clusterNotFoundStatus: clusterNotFoundStatuses[message.clusterNotFoundResponseCode],
    // With max_stream_duration Envoy takes no notice of the route's timeout.
    timeoutMs: maxStreamDuration === undefined ? Math.trunc(durationMs(message.timeout) ?? defaultTimeoutMs) : 0,
    idleTimeoutMs: durationMs(message.idleTimeout),
    hasMaxStreamDuration: maxStreamDuration !== undefined,
    maxStreamDurationMs: durationMs(maxStreamDuration?.maxStreamDuration),
    grpcTimeoutHeaderMaxMs: durationMs(maxStreamDuration?.grpcTimeoutHeaderMax),
    grpcTimeoutHeaderOffsetMs: durationMs(maxStreamDuration?.grpcTimeoutHeaderOffset),
    maxGrpcTimeoutMs: maxStreamDuration === undefined ? durationMs(message.maxGrpcTimeout) : undefined,
    grpcTimeoutOffsetMs: durationMs(message.grpcTimeoutOffset) ?? 0,
    priority: message.priority,
    retryPolicy: message.retryPolicy === undefined ? defaults.retryPolicy : new RetryPolicy(message.retryPolicy),
    hedgesOnPerTryTimeout: (message.hedgePolicy ?? defaults.hedgePolicy)?.hedgeOnPerTryTimeout ?? false,
    hostRewrite: compileHostRewrite(message),
    pathRewrite: compilePathRewrite(
      match,
      message.prefixRewrite,
      message.regexRewrite,
      message.pathRewritePolicy,
      message.pathRewrite,
    ),
    autoHostRewrite: host.case === 'autoHostRewrite' && isTrue(host.value),
    upgrades: compileUpgrades(message.upgradeConfigs),
    appendXForwardedHost: message.appendXForwardedHost,
    internalRedirect: message.internalRedirectPolicy && new InternalRedirectPolicy(message.internalRedirectPolicy),
    mirrorPolicies: compileMirrorPolicies(message.requestMirrorPolicies, defaults.runtime, defaults.mirrorPolicies),
    requestBufferLimit: defaults.requestBufferLimit,
  };
}

export interface RouteUpgrade {
  readonly enabled: boolean;
  /** The payload goes to the host as it is, without a word of HTTP. */
  readonly connect: ConnectTermination | undefined;
}

/** envoy.config.route.v3.RouteAction.UpgradeConfig.ConnectConfig. */
export interface ConnectTermination {
  /** Of POST too, not of CONNECT alone. */
  readonly allowsPost: boolean;
  /** What the host is told first of the client. */
  readonly header: ProxyHeaderWriter | undefined;
}

type ConnectConfig = envoy.config.route.v3.RouteAction_UpgradeConfig_ConnectConfig;

function compileUpgrades(
  list: readonly envoy.config.route.v3.RouteAction_UpgradeConfig[],
): ReadonlyMap<string, RouteUpgrade> | undefined {
  if (list.length === 0) return undefined;
  return new Map(
    list.map(({ upgradeType, enabled, connectConfig }) => [
      upgradeType.toLowerCase(),
      { enabled: enabled ?? true, connect: connectConfig && compileConnect(connectConfig) },
    ]),
  );
}

function compileConnect({ allowPost, proxyProtocolConfig }: ConnectConfig): ConnectTermination {
  return { allowsPost: allowPost, header: proxyProtocolConfig && compileProxyHeader(proxyProtocolConfig) };
}

/** What routes have that forward nothing. */
export const noAction: RouteAction = {
  clusterNotFoundStatus: 503,
  timeoutMs: 0,
  idleTimeoutMs: undefined,
  hasMaxStreamDuration: false,
  maxStreamDurationMs: undefined,
  grpcTimeoutHeaderMaxMs: undefined,
  grpcTimeoutHeaderOffsetMs: undefined,
  maxGrpcTimeoutMs: undefined,
  grpcTimeoutOffsetMs: 0,
  priority: 0,
  retryPolicy: undefined,
  hedgesOnPerTryTimeout: false,
  hostRewrite: undefined,
  pathRewrite: undefined,
  autoHostRewrite: false,
  upgrades: undefined,
  appendXForwardedHost: false,
  internalRedirect: undefined,
  mirrorPolicies: [],
  requestBufferLimit: undefined,
};

/** A wrapper within a oneof stays a message. */
function isTrue(value: { readonly value: boolean } | boolean): boolean {
  return typeof value === 'boolean' ? value : value.value;
}
