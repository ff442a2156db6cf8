/** Step 7 of the data path, the terminal HTTP filter: route → cluster → host, tries and timeouts, the answer back. */
import type { HeaderMap, RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import {
  LOCATION,
  X_ENVOY_ATTEMPT_COUNT,
  X_ENVOY_EXPECTED_RQ_TIMEOUT_MS,
  X_ENVOY_INTERNAL,
  X_ENVOY_OVERLOADED,
  X_ENVOY_UPSTREAM_SERVICE_TIME,
} from '../../native-free/headers/well_known.ts';
import { BodyBuffer } from '../common/body_buffer.ts';
import { now } from '../common/clock.ts';
import { logger, streamTag } from '../common/log.ts';
import type { ResetReason } from '../common/reset_reason.ts';
import { ResponseFlag } from '../common/response_flags.ts';
import { CLUSTER, HOST, HTTP } from '../common/stats/layouts.ts';
import { Timer } from '../common/timers.ts';
import {
  type BodyPiece,
  DataStatus,
  type DecoderFilterCallbacks,
  HeadersStatus,
  type StreamFilter,
  TrailersStatus,
} from '../spi/http_filter.ts';
import type { Cluster } from '../upstream/cluster.ts';
import type { Host } from '../upstream/host.ts';
import { detailsOfCut, flagOfReset, replyToReset } from './reset_reply.ts';
import type { RetryDecision, RetryState } from './retry_state.ts';
import { makeRetryState } from './retry_state.ts';
import type { Route } from './route_table.ts';
import type { RouterConfig } from './router_config.ts';
import { requestTimeouts } from './timeouts.ts';
import { UpstreamRequest, type UpstreamRequestOwner } from './upstream_request.ts';

const log = logger('router');

const ResponseTimeout = 0;
const PerTryTimeout = 1;
const BackOff = 2;
const PerTryIdle = 3;

export class RouterFilter implements StreamFilter, UpstreamRequestOwner {
  private readonly config: RouterConfig;
  private callbacks!: DecoderFilterCallbacks;
  private route: Route | undefined;
  private cluster: Cluster | undefined;
  private upstream: UpstreamRequest | undefined;
  private retry: RetryState | undefined;
  private holdsRetry = false;
  private attempts = 1;
  private body: BodyBuffer | undefined;
  private trailers: HeaderMap | undefined;
  private requestDone = false;
  private responseStarted = false;
  private paused = false;
  private responsePaused = false;
  private startedAt = 0;
  /** The client is one of ours: x-envoy-internal is still there. */
  private internal = false;
  private timeout = 0;
  private perTryTimeout = 0;
  private perTryIdleTimeout = 0;
  private responseTimer: Timer | undefined;
  private tryTimer: Timer | undefined;
  private idleTimer: Timer | undefined;
  private backOffTimer: Timer | undefined;

  constructor(config: RouterConfig) {
    this.config = config;
  }

  setDecoderCallbacks(callbacks: DecoderFilterCallbacks): void {
    this.callbacks = callbacks;
  }

  // === the request ===

  decodeHeaders(head: RequestHead, endStream: boolean): HeadersStatus {
    const { callbacks, config } = this;
    const { route } = callbacks;
    config.stats[HTTP.slot.rq_total]++;
    this.requestDone = endStream;
    if (route === undefined) {
      config.stats[HTTP.slot.no_route]++;
      callbacks.sendLocalReply(404, '', 'route_not_found', ResponseFlag.NoRouteFound);
    } else if (route.kind !== 'forward') this.answer(route, head);
    else this.forward(route, head, endStream);
    return HeadersStatus.StopIteration;
  }

  decodeData(piece: BodyPiece, endStream: boolean): DataStatus {
    if (endStream) this.finishRequest();
    const { upstream } = this;
    const stream = upstream?.stream;
    const keeps = this.retry !== undefined || stream === undefined;
    if (keeps) this.keep(piece);
    if (stream !== undefined) {
      this.callbacks.info.lastUpstreamByteSent = now;
      stream.sendData(piece.bytes as Buffer, piece.start, piece.end, endStream);
    }
    return DataStatus.StopIterationNoBuffer;
  }

  decodeTrailers(trailers: HeaderMap): TrailersStatus {
    this.trailers = trailers;
    this.finishRequest();
    this.upstream?.stream?.sendTrailers(trailers);
    return TrailersStatus.StopIteration;
  }

  onDownstreamBlocked(): void {
    if (this.responsePaused || this.upstream?.stream === undefined) return;
    this.responsePaused = true;
    this.upstream.stream.pauseResponse();
  }

  onDownstreamWritable(): void {
    if (!this.responsePaused) return;
    this.responsePaused = false;
    this.upstream?.stream?.resumeResponse();
  }

  onDestroy(): void {
    this.stopTimers();
    this.releaseRetry();
    const { upstream } = this;
    if (upstream === undefined) return;
    this.resumeResponse();
    if (!upstream.over && upstream.stream !== undefined) this.cluster!.stats[CLUSTER.slot.upstream_rq_tx_reset]++;
    upstream.cancel();
  }

  onTimer(kind: number): void {
    if (kind === ResponseTimeout) this.onResponseTimeout();
    else if (kind === BackOff) this.tryAgain();
    else this.onTryTimeout(kind === PerTryIdle);
  }

  private answer(route: Route, head: RequestHead): void {
    const { callbacks } = this;
    this.config.stats[HTTP.slot.rq_direct_response]++;
    const location = route.redirectLocation(head, !this.config.suppressEnvoyHeaders);
    const edit = location === '' ? undefined : (headers: HeaderMap) => headers.set(LOCATION, location);
    callbacks.sendLocalReply(route.status, route.body, 'direct_response', -1, edit);
  }

  private forward(route: Route, head: RequestHead, endStream: boolean): void {
    const { callbacks, config } = this;
    const { info } = callbacks;
    this.route = route;
    this.startedAt = now;
    this.internal = head.headers.get(X_ENVOY_INTERNAL) === 'true';
    const name = route.selectCluster(head);
    const cluster = name === undefined ? undefined : config.clusters.get(name);
    if (cluster === undefined) {
      config.stats[HTTP.slot.no_cluster]++;
      callbacks.sendLocalReply(route.clusterNotFoundStatus, '', 'cluster_not_found', ResponseFlag.NoClusterFound);
      return;
    }
    this.cluster = cluster;
    info.upstreamCluster = cluster.name;
    if (route.idleTimeoutMs !== undefined) callbacks.setIdleTimeout(route.idleTimeoutMs);
    const timeouts = requestTimeouts(route, head);
    this.timeout = timeouts.response;
    this.perTryTimeout = timeouts.perTry;
    this.perTryIdleTimeout = timeouts.perTryIdle;
    this.retry = makeRetryState(route, head);
    this.prepareHeaders(route, head);
    const host = this.chooseHost();
    if (host === undefined) return;
    if (log.debugOn) log.debug(`${this.tag}cluster '${cluster.name}' match for URL '${head.path}'`);
    if (endStream) this.finishRequest();
    this.startTry(host);
  }

  /** Order on the wire: expected timeout, attempt count, the route's own, original host and path (those by the rewrite). */
  private prepareHeaders(route: Route, head: RequestHead): void {
    if (!this.config.suppressEnvoyHeaders) this.setExpectedTimeout(head);
    if (route.includeRequestAttemptCount) head.headers.set(X_ENVOY_ATTEMPT_COUNT, '1');
    route.applyRequestHeaders(head, this.callbacks);
    route.rewrite(head, !this.config.suppressEnvoyHeaders);
  }

  private setExpectedTimeout(head: RequestHead): void {
    const { timeout, perTryTimeout } = this;
    const left = timeout === 0 ? 0 : Math.max(1, timeout - Math.floor(now - this.startedAt));
    const expected = perTryTimeout > 0 && (left === 0 || perTryTimeout < left) ? perTryTimeout : left;
    if (expected > 0) head.headers.set(X_ENVOY_EXPECTED_RQ_TIMEOUT_MS, String(expected));
  }

  /** The next host; when there is none the client has been told. */
  private chooseHost(): Host | undefined {
    const cluster = this.cluster!;
    const host = cluster.chooseHost();
    if (host !== undefined) return host;
    cluster.stats[CLUSTER.slot.upstream_cx_none_healthy]++;
    this.reply(503, 'no healthy upstream', 'no_healthy_upstream', ResponseFlag.NoHealthyUpstream);
    return undefined;
  }

  private startTry(host: Host): void {
    const { info } = this.callbacks;
    info.upstreamHost = host;
    info.upstreamRequestAttemptCount = this.attempts;
    this.route!.rewriteHost(this.callbacks.request, host.hostname, !this.config.suppressEnvoyHeaders);
    this.upstream = new UpstreamRequest(this, host);
    this.upstream.start(this.cluster!);
  }

  private finishRequest(): void {
    this.requestDone = true;
    if (this.timeout > 0 && this.responseTimer === undefined) {
      this.responseTimer = new Timer(this, ResponseTimeout);
      this.responseTimer.start(this.timeout);
    }
    if (this.upstream?.stream !== undefined) this.startTryTimers();
  }

  private startTryTimers(): void {
    if (this.perTryTimeout > 0) {
      this.tryTimer ??= new Timer(this, PerTryTimeout);
      this.tryTimer.start(this.perTryTimeout);
    }
    if (this.perTryIdleTimeout > 0) {
      this.idleTimer ??= new Timer(this, PerTryIdle);
      this.idleTimer.start(this.perTryIdleTimeout);
    }
  }

  /** Keeps body bytes for a try that has no connection yet, or for another one; over the limit there is no other. */
  private keep(piece: BodyPiece): void {
    this.body ??= new BodyBuffer();
    this.body.add(piece.bytes, piece.start, piece.end);
    if (this.body.size <= this.callbacks.bufferLimit) return;
    if (this.retry !== undefined) {
      this.cluster!.stats[CLUSTER.slot.retry_or_shadow_abandoned]++;
      this.retry = undefined;
      if (this.upstream?.stream !== undefined) this.body = undefined;
    }
    if (this.upstream?.stream === undefined) this.pauseRequest();
  }

  private pauseRequest(): void {
    if (this.paused) return;
    this.paused = true;
    this.callbacks.pauseRequest();
  }

  private resumeRequest(): void {
    if (!this.paused) return;
    this.paused = false;
    this.callbacks.resumeRequest();
  }

  private resumeResponse(): void {
    if (!this.responsePaused) return;
    this.responsePaused = false;
    this.upstream?.stream?.resumeResponse();
  }

  // === UpstreamRequestOwner ===

  onUpstreamReady(upstream: UpstreamRequest): void {
    const { info, request } = this.callbacks;
    const stream = upstream.stream!;
    info.upstreamLocalAddress = stream.localAddress;
    info.upstreamConnectionId = stream.connectionId;
    info.firstUpstreamByteSent = now;
    info.lastUpstreamByteSent = now;
    if (log.debugOn)
      log.debug(`${this.tag}pool ready on connection ${stream.connectionId} to ${upstream.host.address}`);
    const body = this.body?.peek();
    const ends = this.requestDone && this.trailers === undefined;
    stream.sendHeaders(request, ends && body === undefined);
    if (body !== undefined) stream.sendData(body, 0, body.length, ends);
    if (this.trailers !== undefined) stream.sendTrailers(this.trailers);
    if (this.retry === undefined) this.body = undefined;
    if (this.requestDone) this.startTryTimers();
    if (this.callbacks.downstreamBlocked) this.onDownstreamBlocked();
    this.resumeRequest();
  }

  onUpstreamInformational(): void {
    // Envoy forwards no informational answer of a host unless it is told to (proxy_100_continue).
  }

  onUpstreamHeaders(upstream: UpstreamRequest, head: ResponseHead, endStream: boolean): void {
    const { callbacks, route } = this;
    const cluster = this.cluster!;
    const { info } = callbacks;
    info.firstUpstreamByteReceived = now;
    this.idleTimer?.stop();
    if (log.debugOn) log.debug(`${this.tag}upstream headers complete: status ${head.status} end_stream=${endStream}`);
    const { status } = head;
    if (this.retry !== undefined) {
      const decision = this.retry.onResponseHeaders(status, head.headers);
      if (this.follow(decision, () => cluster.retryCodes.inc(status))) return;
    }
    this.tryTimer?.stop();
    this.releaseRetry();
    this.retry = undefined;
    this.body = undefined;
    this.responseStarted = true;
    this.chargeResponse(upstream.host, status);
    if (!this.config.suppressEnvoyHeaders) {
      head.headers.set(X_ENVOY_UPSTREAM_SERVICE_TIME, String(Math.round(now - upstream.startedAt)));
    }
    if (route!.includeResponseAttemptCount) head.headers.set(X_ENVOY_ATTEMPT_COUNT, String(this.attempts));
    callbacks.response = head;
    info.responseCode = status;
    route!.applyResponseHeaders(head, callbacks);
    if (endStream) this.finishResponse();
    callbacks.encodeHeaders(head, endStream);
  }

  onUpstreamData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    if (endStream) this.finishResponse();
    this.callbacks.encodeData(bytes, start, end, endStream);
  }

  onUpstreamTrailers(trailers: HeaderMap): void {
    this.finishResponse();
    this.callbacks.encodeTrailers(trailers);
  }

  onUpstreamReset(upstream: UpstreamRequest, reason: ResetReason, detail: string): void {
    const { callbacks } = this;
    const { info } = callbacks;
    const cluster = this.cluster!;
    if (log.debugOn) log.debug(`${this.tag}upstream reset: reset reason: ${reason} ${detail}`);
    if (upstream.stream !== undefined) cluster.stats[CLUSTER.slot.upstream_rq_rx_reset]++;
    if (reason === 'remote connection failure') info.upstreamTransportFailureReason = detail.replaceAll(' ', '_');
    this.responsePaused = false;
    if (this.responseStarted) {
      info.setFlag(flagOfReset(reason));
      this.config.stats[HTTP.slot.rq_reset_after_downstream_response_started]++;
      callbacks.resetStream(detailsOfCut(reason));
      return;
    }
    upstream.host.stats[HOST.slot.rq_error]++;
    if (this.retry !== undefined) {
      const decision = this.retry.onReset(reason, false, upstream.stream !== undefined);
      if (this.follow(decision, () => cluster.retryCodes.inc(503))) return;
    }
    const reply = replyToReset(reason, detail, this.attempts > 1);
    const overloaded = reason === 'overflow';
    this.reply(reply.status, reply.body, reply.details, reply.flag, overloaded ? addOverloaded : undefined);
  }

  onUpstreamBlocked(): void {
    this.pauseRequest();
  }

  onUpstreamWritable(): void {
    this.resumeRequest();
  }

  // === retries ===

  /** Does what the retry policy decided; true when there will be another try. */
  private follow(decision: RetryDecision, countDiscarded: () => void): boolean {
    const cluster = this.cluster!;
    const { info } = this.callbacks;
    if (decision === 'limit_exceeded') {
      cluster.stats[CLUSTER.slot.upstream_rq_retry_limit_exceeded]++;
      info.setFlag(ResponseFlag.UpstreamRetryLimitExceeded);
    }
    if (decision === 'no_after_retry') cluster.stats[CLUSTER.slot.upstream_rq_retry_success]++;
    if (decision !== 'retry') return false;
    this.releaseRetry();
    if (!cluster.breaker.tryRetry()) {
      cluster.stats[CLUSTER.slot.upstream_rq_retry_overflow]++;
      info.setFlag(ResponseFlag.UpstreamOverflow);
      return false;
    }
    this.holdsRetry = true;
    countDiscarded();
    cluster.stats[CLUSTER.slot.upstream_rq_retry]++;
    const limited = this.retry!.backoffIsRatelimited;
    cluster.stats[
      CLUSTER.slot[limited ? 'upstream_rq_retry_backoff_ratelimited' : 'upstream_rq_retry_backoff_exponential']
    ]++;
    this.tryTimer?.stop();
    this.idleTimer?.stop();
    this.resumeResponse();
    this.upstream?.cancel();
    this.upstream = undefined;
    this.backOffTimer ??= new Timer(this, BackOff);
    this.backOffTimer.start(this.retry!.nextBackoffMs(Math.random()));
    return true;
  }

  private tryAgain(): void {
    const host = this.chooseHost();
    if (host === undefined) return;
    this.attempts++;
    const { request } = this.callbacks;
    if (!this.config.suppressEnvoyHeaders) this.setExpectedTimeout(request);
    if (this.route!.includeRequestAttemptCount) request.headers.set(X_ENVOY_ATTEMPT_COUNT, String(this.attempts));
    this.startTry(host);
  }

  private releaseRetry(): void {
    if (!this.holdsRetry) return;
    this.holdsRetry = false;
    this.cluster!.breaker.releaseRetry();
  }

  // === timeouts and endings ===

  private onResponseTimeout(): void {
    const cluster = this.cluster!;
    cluster.stats[CLUSTER.slot.upstream_rq_timeout]++;
    this.giveUpTry();
    this.endByTimeout('response_timeout');
  }

  private onTryTimeout(idle: boolean): void {
    const cluster = this.cluster!;
    const slot = idle ? CLUSTER.slot.upstream_rq_per_try_idle_timeout : CLUSTER.slot.upstream_rq_per_try_timeout;
    cluster.stats[slot]++;
    this.giveUpTry();
    if (this.retry !== undefined) {
      const decision = this.retry.onReset('local reset', this.responseStarted);
      if (this.follow(decision, () => cluster.retryCodes.inc(504))) return;
    }
    this.endByTimeout(idle ? 'upstream_per_try_idle_timeout' : 'upstream_per_try_timeout');
  }

  private giveUpTry(): void {
    const { upstream } = this;
    if (upstream === undefined) return;
    if (upstream.stream !== undefined) this.cluster!.stats[CLUSTER.slot.upstream_rq_tx_reset]++;
    upstream.host.stats[HOST.slot.rq_timeout]++;
    this.resumeResponse();
    upstream.cancel();
  }

  private endByTimeout(details: string): void {
    const { info } = this.callbacks;
    if (this.responseStarted) {
      info.setFlag(ResponseFlag.UpstreamRequestTimeout);
      this.callbacks.resetStream(details);
      return;
    }
    this.reply(504, 'upstream request timeout', details, ResponseFlag.UpstreamRequestTimeout);
  }

  private reply(
    status: number,
    body: string,
    details: string,
    flag: number,
    edit?: (headers: HeaderMap) => void,
  ): void {
    this.cluster!.chargeCode(status, this.internal);
    this.stopTimers();
    this.callbacks.sendLocalReply(status, body, details, flag, edit);
  }

  private chargeResponse(host: Host, status: number): void {
    const cluster = this.cluster!;
    cluster.chargeCode(status, this.internal);
    host.stats[status < 500 ? HOST.slot.rq_success : HOST.slot.rq_error]++;
  }

  private finishResponse(): void {
    this.stopTimers();
    const cluster = this.cluster!;
    this.callbacks.info.lastUpstreamByteReceived = now;
    cluster.chargeTime(now - this.startedAt, this.internal);
  }

  private get tag(): string {
    const { info } = this.callbacks;
    return streamTag(info.connection?.id ?? 0, info.streamId);
  }

  private stopTimers(): void {
    this.responseTimer?.stop();
    this.tryTimer?.stop();
    this.idleTimer?.stop();
    this.backOffTimer?.stop();
  }
}

function addOverloaded(headers: HeaderMap): void {
  headers.set(X_ENVOY_OVERLOADED, 'true');
}
