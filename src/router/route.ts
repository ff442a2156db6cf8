/** Step 7 of the data path: a compiled route, immutable and shared by all requests that match it. */
import type { RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import type { HeaderName } from '../../native-free/headers/header_name.ts';
import type { envoy } from '../api/envoy_types.ts';
import type { ReplyFormat } from '../common/formatter/reply_format.ts';
import type { StreamInfo } from '../common/stream_info.ts';
import type { FormatContext } from '../spi/format.ts';
import type { HeaderLevels } from './header_levels.ts';
import { updateAuthority } from './host_rewrite.ts';
import type { InternalRedirectPolicy } from './internal_redirect.ts';
import type { MirrorPolicy } from './mirror_policy.ts';
import { rewritePath } from './path_rewrite.ts';
import type { PerFilterConfigs } from './per_filter_config.ts';
import { ownLocation, type Redirect } from './redirect.ts';
import type { RetryPolicy } from './retry_policy.ts';
import type { ConnectTermination, RouteAction } from './route_action.ts';
import type { RequestStats } from './virtual_cluster.ts';
import type { VirtualHostSettings } from './virtual_host.ts';

export type RouteKind = 'forward' | 'redirect' | 'direct_response';

export interface RouteParts {
  readonly kind: RouteKind;
  readonly name: string;
  readonly virtualHost: VirtualHostSettings;
  readonly metadata: envoy.config.core.v3.Metadata | undefined;
  readonly levels: HeaderLevels;
  readonly filterConfigs: PerFilterConfigs;
  readonly action: RouteAction;
  /** Kind `redirect` only. */
  readonly redirect?: Redirect;
  /** Kind `direct_response` only. */
  readonly directStatus?: number;
  readonly body?: string;
  readonly format?: ReplyFormat;
  /** Kind `forward`: one of the two. */
  readonly cluster?: string;
  readonly clusterHeader?: HeaderName;
  /** host_rewrite_literal of a weighted cluster; empty: none. */
  readonly weightedHost?: string;
  /** Of a stat_prefix. */
  readonly stats?: RequestStats;
}

/** For weighted clusters there is a `Route` for each of them; `RouteTable.route()` has chosen already. */
export class Route {
  readonly kind: RouteKind;
  readonly name: string;
  readonly virtualHost: VirtualHostSettings;
  readonly metadata: envoy.config.core.v3.Metadata | undefined;
  /** Of a redirect or direct response; 0 when the route forwards. */
  readonly status: number;
  /** Of a direct response. */
  readonly body: string;
  /** What makes the body of a direct response from `body`. */
  readonly format: ReplyFormat | undefined;
  private readonly stats: readonly RequestStats[];
  private readonly levels: HeaderLevels;
  private readonly filterConfigs: PerFilterConfigs;
  private readonly action: RouteAction;
  private readonly redirect: Redirect | undefined;
  private readonly cluster: string | undefined;
  private readonly clusterHeader: HeaderName | undefined;
  private readonly weightedHost: string;

  constructor(parts: RouteParts) {
    this.kind = parts.kind;
    this.name = parts.name;
    this.virtualHost = parts.virtualHost;
    this.metadata = parts.metadata;
    this.status = parts.redirect?.status ?? parts.directStatus ?? 0;
    this.body = parts.body ?? '';
    this.format = parts.format;
    this.stats = parts.stats === undefined ? [] : [parts.stats];
    this.levels = parts.levels;
    this.filterConfigs = parts.filterConfigs;
    this.action = parts.action;
    this.redirect = parts.redirect;
    this.cluster = parts.cluster;
    this.clusterHeader = parts.clusterHeader;
    this.weightedHost = parts.weightedHost ?? '';
  }

  /** The cluster to send to; undefined when the header that names it is missing. */
  selectCluster(head: RequestHead): string | undefined {
    return this.clusterHeader === undefined ? this.cluster : head.headers.get(this.clusterHeader);
  }

  /** Where its requests are counted besides their cluster; notes the virtual cluster on the stream. */
  requestStats(head: RequestHead, info: StreamInfo): readonly RequestStats[] {
    const { virtualClusters } = this.virtualHost;
    return virtualClusters === undefined ? this.stats : [virtualClusters.find(head, info), ...this.stats];
  }

  /** Adds and removes headers as configured; comes before `rewrite`, so that formats see the request as it was. */
  applyRequestHeaders(head: RequestHead, context: FormatContext): void {
    this.levels.applyToRequest(head, context);
  }

  applyResponseHeaders(head: ResponseHead, context: FormatContext): void {
    this.levels.applyToResponse(head, context);
  }

  /** Host, then path. `keepOriginal` false (suppress_envoy_headers): without x-envoy-original-host and -path. */
  rewrite(head: RequestHead, context: FormatContext, keepOriginal = true): void {
    const { action } = this;
    // Envoy replaces the host here without a trace of the old one.
    if (this.weightedHost !== '') head.authority = this.weightedHost;
    if (action.hostRewrite !== undefined) {
      const host = action.hostRewrite.host(head, context);
      if (host !== '') updateAuthority(head, host, action.appendXForwardedHost, keepOriginal);
    }
    if (action.pathRewrite !== undefined) rewritePath(head, action.pathRewrite, keepOriginal, context);
  }

  /** Applies auto_host_rewrite for the upstream host chosen, if the route wants it. */
  rewriteHost(head: RequestHead, hostname: string, keepOriginal = true): void {
    const { action } = this;
    if (action.autoHostRewrite && hostname !== '') {
      updateAuthority(head, hostname, action.appendXForwardedHost, keepOriginal);
    }
  }

  /**
   * `location` of a redirect, or of a direct response with status 201 or 3xx; empty for others. Changes the head's path when
   * the redirect rewrites it, as access logs then show it.
   */
  redirectLocation(head: RequestHead, context: FormatContext, keepOriginal = true): string {
    if (this.redirect !== undefined) return this.redirect.location(head, keepOriginal, context);
    const { status } = this;
    return status === 201 || (status >= 300 && status < 400) ? ownLocation(head) : '';
  }

  /**
   * The message in typed_per_filter_config for the filter's name in its chain, most specific first: weighted cluster, route,
   * virtual host, table. The same object for every request of the route.
   */
  perFilterConfig(filterName: string): unknown {
    return this.filterConfigs.get(filterName);
  }

  /** The messages of all levels that have one, the most specific last. */
  perFilterConfigs(filterName: string): readonly unknown[] {
    return this.filterConfigs.all(filterName);
  }

  /** Whether the route switches the filter off (true) or on (false); undefined when it says nothing. */
  filterDisabled(filterName: string): boolean | undefined {
    return this.filterConfigs.isDisabled(filterName);
  }

  /** 503, 404 or 500. */
  get clusterNotFoundStatus(): number {
    return this.action.clusterNotFoundStatus;
  }

  /** Milliseconds for the whole response; 0: no limit. */
  get timeoutMs(): number {
    return this.action.timeoutMs;
  }

  /** Overrides the manager's stream idle timeout; 0: no limit. */
  get idleTimeoutMs(): number | undefined {
    return this.action.idleTimeoutMs;
  }

  /** The route says how long streams may last, and its timeout does not count. */
  get hasMaxStreamDuration(): boolean {
    return this.action.hasMaxStreamDuration;
  }

  /** Overrides the manager's; 0: no limit. */
  get maxStreamDurationMs(): number | undefined {
    return this.action.maxStreamDurationMs;
  }

  /** Cap on a request's `grpc-timeout`, which is then its stream's duration; 0: no cap. */
  get grpcTimeoutHeaderMaxMs(): number | undefined {
    return this.action.grpcTimeoutHeaderMaxMs;
  }

  /** Taken off a request's `grpc-timeout`. */
  get grpcTimeoutHeaderOffsetMs(): number | undefined {
    return this.action.grpcTimeoutHeaderOffsetMs;
  }

  /** Cap on the grpc-timeout of a gRPC request, which is then its response timeout; 0: no cap; undefined: it is not read. */
  get maxGrpcTimeoutMs(): number | undefined {
    return this.action.maxGrpcTimeoutMs;
  }

  /** Taken off that grpc-timeout where something is left then. */
  get grpcTimeoutOffsetMs(): number {
    return this.action.grpcTimeoutOffsetMs;
  }

  /** Whether the route allows the upgrade; `protocol` in lower case. Undefined: the connection manager's word counts. */
  upgradeEnabled(protocol: string): boolean | undefined {
    return this.action.upgrades?.get(protocol)?.enabled;
  }

  /** How a request's payload goes to the host without HTTP around it; undefined: it does not. */
  connectTermination(method: string): ConnectTermination | undefined {
    const connect = this.action.upgrades?.get('connect')?.connect;
    return method === 'CONNECT' || (connect?.allowsPost === true && method === 'POST') ? connect : undefined;
  }

  /** Circuit breaker set: 0 default, 1 high. */
  get priority(): number {
    return this.action.priority;
  }

  get retryPolicy(): RetryPolicy | undefined {
    return this.action.retryPolicy;
  }

  get hedgesOnPerTryTimeout(): boolean {
    return this.action.hedgesOnPerTryTimeout;
  }

  get internalRedirect(): InternalRedirectPolicy | undefined {
    return this.action.internalRedirect;
  }

  get mirrorPolicies(): readonly MirrorPolicy[] {
    return this.action.mirrorPolicies;
  }

  /** Bytes of a request kept to send it again; undefined: the listener's limit. */
  get requestBufferLimit(): number | undefined {
    return this.action.requestBufferLimit;
  }

  get autoHostRewrite(): boolean {
    return this.action.autoHostRewrite;
  }

  get includeRequestAttemptCount(): boolean {
    return this.virtualHost.includeRequestAttemptCount;
  }

  get includeIsTimeoutRetry(): boolean {
    return this.virtualHost.includeIsTimeoutRetry;
  }

  get includeResponseAttemptCount(): boolean {
    return this.virtualHost.includeResponseAttemptCount;
  }
}
