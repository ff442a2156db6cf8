/** Step 7 of the data path: one request on its way to a cluster: its tries, its timers, its copies, and the answer back. */
import type { HeaderMap, RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import {
  GRPC_STATUS,
  X_ENVOY_ATTEMPT_COUNT,
  X_ENVOY_OVERLOADED,
  X_ENVOY_UPSTREAM_SERVICE_TIME,
} from '../../native-free/headers/well_known.ts';
import { BodyBuffer } from '../common/body_buffer.ts';
import { now } from '../common/clock.ts';
import { dumpHead } from '../common/head_dump.ts';
import { logger, streamTag } from '../common/log.ts';
import type { ResetReason } from '../common/reset_reason.ts';
import { ResponseFlag } from '../common/response_flags.ts';
import { CLUSTER, HOST, HTTP } from '../common/stats/layouts.ts';
import { WireBytes, wireBytes } from '../common/wire_bytes.ts';
import type { BodyPiece, DecoderFilterCallbacks } from '../spi/http_filter.ts';
import type { ClientStream } from '../upstream/client_stream.ts';
import type { Cluster } from '../upstream/cluster.ts';
import type { Host } from '../upstream/host.ts';
import { FlowControl } from './flow_control.ts';
import type { InternalRedirectPolicy } from './internal_redirect.ts';
import { isInMaintenance } from './maintenance_mode.ts';
import { Mirrors } from './mirrors.ts';
import { RequestCharges } from './request_charges.ts';
import { prepareHead, prepareRetryHead, setExpectedTimeout } from './request_head.ts';
import { RequestTimers, type TimersOwner } from './request_timers.ts';
import { detailsOfCut, flagOfReset, replyToReset } from './reset_reply.ts';
import { Retries, type RetriesOwner } from './retries.ts';
import { makeRetryState } from './retry_state.ts';
import type { Route } from './route_table.ts';
import type { RouterConfig } from './router_config.ts';
import { SlowTries } from './slow_tries.ts';
import { requestTimeouts } from './timeouts.ts';
import { isUpgrade, refusesWebSocket, refuseWebSocket } from './upgrade.ts';
import { UpstreamRequest, type UpstreamRequestOwner } from './upstream_request.ts';

const log = logger('router');

export class ForwardedRequest implements UpstreamRequestOwner, RetriesOwner, TimersOwner {
  private readonly config: RouterConfig;
  private readonly callbacks: DecoderFilterCallbacks;
  private readonly route: Route;
  private readonly cluster: Cluster;
  private readonly charges: RequestCharges;
  private readonly timers: RequestTimers;
  private upstream: UpstreamRequest | undefined;
  /** Undefined: there is but this try. */
  private retries: Retries | undefined;
  private mirrors: Mirrors | undefined;
  /** Made when there is one. */
  private slowTries: SlowTries | undefined;
  private attempts = 1;
  private body: BodyBuffer | undefined;
  /** The request was too long to be kept. */
  private overflowed = false;
  private trailers: HeaderMap | undefined;
  private requestDone = false;
  /** The head said that nothing follows; a body that turns out empty is still framed as one. */
  private bodiless = false;
  private responseStarted = false;
  /** An informational answer has come. */
  private informed = false;
  /** Made when one side has to wait. */
  private flow: FlowControl | undefined;

  constructor(config: RouterConfig, callbacks: DecoderFilterCallbacks, route: Route, cluster: Cluster) {
    const { request, info } = callbacks;
    this.config = config;
    this.callbacks = callbacks;
    this.route = route;
    this.cluster = cluster;
    this.charges = new RequestCharges(cluster, route, request, info, config.suppressGrpcFailureCodes);
    this.timers = new RequestTimers(this, requestTimeouts(route, request, config.respectExpectedTimeout));
  }

  /** Takes the head on its way to a host; the client may have been told of a failure on return. */
  start(endStream: boolean): void {
    const { callbacks, config, route, cluster, charges } = this;
    const { info, request: head } = callbacks;
    if (isInMaintenance(config.runtime, cluster.name)) {
      this.replyInMaintenance();
      return;
    }
    if (route.idleTimeoutMs !== undefined) callbacks.setIdleTimeout(route.idleTimeoutMs);
    const state = makeRetryState(route, head);
    if (state !== undefined) {
      const { priority } = route;
      this.retries = new Retries(this, state, { cluster, priority, info, charges, runtime: config.runtime });
    }
    info.upstreamRequestAttemptCount = 1;
    prepareHead(route, callbacks, this.timers.timeouts, config.suppressEnvoyHeaders);
    const host = cluster.chooseHost(0, route.priority);
    if (host === undefined) {
      this.replyNoHost();
      return;
    }
    if (log.debugOn) log.debug(`${this.tag}cluster '${cluster.name}' match for URL '${head.path}'`);
    this.bodiless = endStream;
    if (endStream) this.finishRequest();
    // An upgrade has no end to wait for: the time until it is answered runs from its head.
    else if (isUpgrade(head)) this.timers.startResponse();
    if (route.mirrorPolicies.length > 0) this.startMirrors(head, endStream);
    this.startTry(host);
  }

  sendData(piece: BodyPiece, endStream: boolean): void {
    if (endStream) this.finishRequest();
    const { upstream } = this;
    const stream = upstream?.stream;
    if (stream === undefined || this.mayReplay) this.keep(piece);
    if (stream !== undefined) {
      this.callbacks.info.lastUpstreamByteSent = now;
      stream.sendData(piece.bytes as Buffer, piece.start, piece.end, endStream);
      this.callbacks.info.upstreamBytes?.bodySent(piece.end - piece.start, endStream);
    }
    const lost = this.mirrors?.sendData(piece, endStream) ?? 0;
    if (lost > 0) this.cluster.stats[CLUSTER.slot.retry_or_shadow_abandoned] += lost;
  }

  sendTrailers(trailers: HeaderMap): void {
    this.trailers = trailers;
    this.finishRequest();
    this.upstream?.stream?.sendTrailers(trailers);
    this.mirrors?.sendTrailers(trailers);
  }

  onDownstreamBlocked(): void {
    const stream = this.upstream?.stream;
    if (stream !== undefined) this.flowControl.pauseResponse(stream);
  }

  onDownstreamWritable(): void {
    this.resumeResponse();
  }

  /** The stream is over, however it ended. */
  onDestroy(): void {
    this.timers.stop();
    this.retries?.stop();
    this.mirrors?.onRequestOver();
    this.slowTries?.cancel();
    const { upstream } = this;
    if (upstream === undefined) return;
    this.resumeResponse();
    upstream.cancel();
  }

  private startMirrors(head: RequestHead, endStream: boolean): void {
    const { callbacks, config, bufferLimit } = this;
    const options = { timeout: this.timers.timeouts.response, bufferLimit, endStream };
    this.mirrors = Mirrors.start(this.route.mirrorPolicies, head, callbacks, config, options);
  }

  private replyInMaintenance(): void {
    this.cluster.stats[CLUSTER.slot.upstream_rq_maintenance_mode]++;
    this.charges.code(503);
    const flag = ResponseFlag.UpstreamOverflow;
    this.callbacks.sendLocalReply(503, 'maintenance mode', 'maintenance_mode', flag, addOverloaded);
  }

  private replyNoHost(): void {
    this.reply(503, 'no healthy upstream', 'no_healthy_upstream', ResponseFlag.NoHealthyUpstream);
  }

  private startTry(host: Host): void {
    const { info } = this.callbacks;
    info.upstreamHost = host;
    info.upstreamLocalAddress = undefined;
    info.upstreamConnectionId = 0;
    info.upstreamRequestAttemptCount = this.attempts;
    this.retries?.onTried(host);
    this.route.rewriteHost(this.callbacks.request, host.hostname, !this.config.suppressEnvoyHeaders);
    if (log.debugOn) this.logTry();
    this.upstream = new UpstreamRequest(this, host);
    const { priority } = this.route;
    const cluster = this.cluster;
    const tunnel = this.route.connectTermination(this.callbacks.request.method);
    if (tunnel !== undefined) {
      const preface = tunnel.header?.(info.connection);
      this.upstream.startTunnel(cluster, cluster.breakerOf(priority), info.connection, preface);
    } else this.upstream.start(cluster, priority, this.callbacks.request, info.connection);
  }

  private logTry(): void {
    const first = `router decoding headers:\n${dumpHead(this.callbacks.request)}`;
    log.debug(`${this.tag}${this.attempts === 1 ? first : 'performing retry'}`);
  }

  private finishRequest(): void {
    this.requestDone = true;
    this.timers.startResponse();
    if (this.upstream?.stream !== undefined) this.timers.startTry();
  }

  /** Bytes of a request that may be kept. */
  private get bufferLimit(): number {
    return this.route.requestBufferLimit ?? this.callbacks.bufferLimit;
  }

  /** The request may be sent again: to another host, or where the answer redirects to. */
  private get mayReplay(): boolean {
    return this.retries !== undefined || (this.route.internalRedirect !== undefined && !this.overflowed);
  }

  /** Keeps body bytes for a try that has no connection yet, or for another one; over the limit there is no other. */
  private keep(piece: BodyPiece): void {
    this.body ??= new BodyBuffer();
    this.body.add(piece.bytes, piece.start, piece.end);
    const { size } = this.body;
    if (this.mayReplay && size > this.bufferLimit) this.stopKeeping();
    if (this.upstream !== undefined && this.upstream.stream === undefined && size > this.callbacks.bufferLimit) {
      this.flowControl.pauseRequest();
    }
  }

  /** Too long to be sent again; a request that waits for its next try fails. */
  private stopKeeping(): void {
    this.cluster.stats[CLUSTER.slot.retry_or_shadow_abandoned]++;
    this.overflowed = true;
    this.retries?.stop();
    this.retries = undefined;
    if (this.upstream === undefined) {
      const body = 'exceeded request buffer limit while retrying upstream';
      this.reply(507, body, 'request_payload_exceeded_retry_buffer_limit', -1);
    } else if (this.upstream.stream !== undefined) this.body = undefined;
  }

  private get flowControl(): FlowControl {
    this.flow ??= new FlowControl(this.callbacks, this.config.stats, this.cluster.stats);
    return this.flow;
  }

  private resumeResponse(): void {
    this.flow?.resumeResponse(this.upstream?.stream);
  }

  // === UpstreamRequestOwner ===

  onUpstreamReady(upstream: UpstreamRequest): void {
    const { info, request } = this.callbacks;
    const stream = upstream.stream!;
    this.noteStream(stream);
    info.poolReadyDuration = Math.floor(now - upstream.startedAt);
    info.firstUpstreamByteSent = now;
    info.lastUpstreamByteSent = now;
    this.charges.count('upstream_rq_total');
    if (log.debugOn)
      log.debug(`${this.tag}pool ready on connection ${stream.connectionId} to ${upstream.host.address}`);
    const body = this.body?.peek();
    const ends = this.requestDone && this.trailers === undefined;
    stream.sendHeaders(request, this.bodiless);
    if (wireBytes.counted) {
      // Of all tries together, as in Envoy.
      info.upstreamBytes ??= new WireBytes();
      info.upstreamBytes.requestSent(request, this.bodiless);
      if (body !== undefined) info.upstreamBytes.bodySent(body.length, ends);
    }
    if (body !== undefined) stream.sendData(body, 0, body.length, ends);
    else if (ends && !this.bodiless) stream.sendData(noBytes, 0, 0, true);
    if (this.trailers !== undefined) stream.sendTrailers(this.trailers);
    if (!this.mayReplay) this.body = undefined;
    if (this.requestDone) this.timers.startTry();
    if (this.callbacks.downstreamBlocked) this.onDownstreamBlocked();
    this.flow?.resumeRequest();
  }

  private noteStream(stream: ClientStream): void {
    const { info } = this.callbacks;
    // A host of LOGICAL_DNS may have moved since the connection was made.
    info.upstreamHost = stream.host;
    info.upstreamLocalAddress = stream.localAddress;
    info.upstreamConnectionId = stream.connectionId;
    info.upstreamTls = stream.tls;
    info.upstreamProtocol = stream.protocol;
  }

  /** Of a host's informational answers Envoy heeds the first of 100 and 102 to 104; the try that sent it must stand, forwarded or not. */
  onUpstreamInformational(head: ResponseHead): void {
    const { status } = head;
    if (this.informed || status === 101 || status > 104) return;
    this.informed = true;
    this.charges.code(status);
    this.retries?.stop();
    this.retries = undefined;
    this.callbacks.encodeInformational(head);
  }

  onUpstreamHeaders(upstream: UpstreamRequest, head: ResponseHead, endStream: boolean): void {
    const { callbacks, route } = this;
    const { info } = callbacks;
    info.firstUpstreamByteReceived = now;
    info.upstreamBytes?.responseReceived(head, endStream);
    this.timers.onActivity();
    if (log.debugOn) log.debug(`${this.tag}upstream headers complete: status ${head.status} end_stream=${endStream}`);
    const { status } = head;
    if (this.slowTries !== undefined) {
      if (this.dropsHedgedAnswer(this.slowTries, upstream, head)) return;
    } else if (this.retries?.onResponse(upstream.host, head) === true) return;
    const { internalRedirect } = route!;
    if (internalRedirect?.follows(status) === true && this.redirect(internalRedirect, head)) return;
    this.timers.onAnswer();
    this.retries?.stop();
    this.retries = undefined;
    this.body = undefined;
    this.responseStarted = true;
    this.charges.answer(upstream.host, head, endStream);
    // Envoy counts it from the end of the request: an earlier answer has none.
    if (!this.config.suppressEnvoyHeaders && this.requestDone) {
      head.headers.set(X_ENVOY_UPSTREAM_SERVICE_TIME, String(Math.round(now - upstream.startedAt)));
    }
    if (!this.requestDone && isUpgrade(callbacks.request)) {
      this.timers.stopResponse();
      if (refusesWebSocket(callbacks.request, status)) {
        upstream.cancel();
        this.timers.stop();
        refuseWebSocket(callbacks, head);
        return;
      }
    }
    callbacks.response = head;
    info.responseCode = status;
    info.responseCodeDetails = 'via_upstream';
    route.applyResponseHeaders(head, callbacks);
    if (route.includeResponseAttemptCount) head.headers.set(X_ENVOY_ATTEMPT_COUNT, String(this.attempts));
    if (endStream) this.finishResponse();
    callbacks.encodeHeaders(head, endStream);
  }

  onUpstreamData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.callbacks.info.upstreamBytes?.bodyReceived(end - start, endStream);
    this.timers.onActivity();
    if (endStream) {
      // Without a status in trailers no gRPC call succeeds.
      if (this.charges.isGrpc) this.chargeGrpcStatus(undefined);
      this.finishResponse();
    }
    this.callbacks.encodeData(bytes, start, end, endStream);
  }

  onUpstreamTrailers(trailers: HeaderMap): void {
    if (this.charges.isGrpc) this.chargeGrpcStatus(trailers.get(GRPC_STATUS));
    this.finishResponse();
    this.callbacks.encodeTrailers(trailers);
  }

  onUpstreamReset(upstream: UpstreamRequest, reason: ResetReason, detail: string): void {
    const { callbacks } = this;
    const { info } = callbacks;
    if (log.debugOn) log.debug(`${this.tag}upstream reset: reset reason: ${reason} ${detail}`);
    if (reason === 'remote connection failure' || reason === 'local connection failure')
      info.upstreamTransportFailureReason = detail.replaceAll(' ', '_');
    this.flow?.forgetResponse();
    if (this.responseStarted) {
      info.setFlag(flagOfReset(reason));
      // As Envoy: only where the call was not yet charged to its host.
      if (this.charges.isGrpc && info.responseCode < 500) {
        this.config.stats[HTTP.slot.rq_reset_after_downstream_response_started]++;
        this.chargeGrpcStatus(undefined);
      }
      callbacks.resetStream(detailsOfCut(reason));
      return;
    }
    upstream.host.stats[HOST.slot.rq_error]++;
    if (upstream.stream === undefined) info.poolReadyDuration = Math.floor(now - upstream.startedAt);
    const slow = this.slowTries;
    const retries = slow === undefined || upstream === this.upstream ? this.retries : undefined;
    if (retries?.onReset(reason, upstream.stream !== undefined) === true) return;
    const reply = replyToReset(reason, detail, this.attempts > 1, this.informed);
    if (slow !== undefined && this.othersGoOn(slow, upstream)) {
      this.charges.code(reply.status);
      this.dropTry(slow, upstream);
      return;
    }
    const overloaded = reason === 'overflow';
    this.reply(reply.status, reply.body, reply.details, reply.flag, overloaded ? addOverloaded : undefined);
  }

  onUpstreamBlocked(): void {
    this.cluster.stats[CLUSTER.slot.upstream_flow_control_backed_up_total]++;
    this.flowControl.pauseRequest();
  }

  onUpstreamWritable(): void {
    this.cluster.stats[CLUSTER.slot.upstream_flow_control_drained_total]++;
    this.flow?.resumeRequest();
  }

  // === RetriesOwner ===

  abandonTry(): void {
    this.timers.stopTry();
    this.resumeResponse();
    const { upstream } = this;
    this.upstream = undefined;
    if (upstream === undefined) return;
    upstream.cancel();
  }

  startRetry(): void {
    const host = this.retries!.chooseHost();
    if (host === undefined) {
      this.replyNoHost();
      return;
    }
    this.attempts++;
    const { callbacks, config, route, charges, timers } = this;
    const { request } = callbacks;
    setExpectedTimeout(request, timers.timeouts, charges.startedAt, config.suppressEnvoyHeaders);
    prepareRetryHead(route, request, this.attempts, this.retries!.afterTimeout);
    this.startTry(host);
  }

  /** Follows a redirect instead of passing it on, if the policy lets: a new stream takes this one's place. */
  private redirect(policy: InternalRedirectPolicy, head: ResponseHead): boolean {
    const { callbacks, config } = this;
    const { request, info } = callbacks;
    const { stats } = this.cluster;
    const { method } = request;
    const again = () => callbacks.chooseRouteAgain();
    const whole = this.requestDone && !this.overflowed;
    const refusal = whole ? policy.apply(request, head, info, this.route.name, again) : '';
    if (refusal === undefined) {
      stats[CLUSTER.slot.upstream_internal_redirect_succeeded_total]++;
      info.responseCode = head.status;
      callbacks.response = head;
      this.flow?.resumeRequest();
      callbacks.recreateStream(method === request.method ? this.body?.take() : undefined);
      return true;
    }
    stats[CLUSTER.slot.upstream_internal_redirect_failed_total]++;
    if (refusal !== '') config.stats[HTTP.slot[`passthrough_internal_redirect_${refusal}`]]++;
    return false;
  }

  // === timeouts and endings ===

  onResponseTimeout(): void {
    const cluster = this.cluster;
    cluster.stats[CLUSTER.slot.upstream_rq_timeout]++;
    this.charges.count('upstream_rq_timeout');
    this.slowTries?.timeOut(cluster, this.charges, this.upstream !== undefined);
    this.trackEnd();
    this.giveUpTry();
    this.endByTimeout('response_timeout');
  }

  onTryTimeout(idle: boolean): void {
    if (!idle && this.timers.timeouts.hedges) {
      this.hedge();
      return;
    }
    const cluster = this.cluster;
    const slot = idle ? CLUSTER.slot.upstream_rq_per_try_idle_timeout : CLUSTER.slot.upstream_rq_per_try_timeout;
    cluster.stats[slot]++;
    const { host } = this.upstream!;
    this.giveUpTry();
    if (!this.responseStarted && this.retries?.onTimeout(host) === true) return;
    this.endByTimeout(idle ? 'upstream_per_try_idle_timeout' : 'upstream_per_try_timeout');
  }

  /** Another try begins beside the slow one, if there may be one. */
  private hedge(): void {
    const { upstream } = this;
    if (upstream === undefined || this.responseStarted || this.retries?.onSlowTry() !== true) return;
    this.slowTries ??= new SlowTries();
    this.slowTries.add(upstream);
    this.upstream = undefined;
  }

  /** True when the answer goes no further: another try follows it, or it is bad and others may be better. Else it has won. */
  private dropsHedgedAnswer(slow: SlowTries, upstream: UpstreamRequest, head: ResponseHead): boolean {
    const { retries } = this;
    const newest = upstream === this.upstream;
    if (newest && retries?.onResponse(upstream.host, head) === true) return true;
    const bad = newest ? retries?.refused : retries?.wouldRetry(head);
    if (bad === true && this.othersGoOn(slow, upstream)) {
      upstream.host.stats[HOST.slot.rq_error]++;
      this.dropTry(slow, upstream);
      return true;
    }
    slow.cancel(upstream);
    this.slowTries = undefined;
    retries?.stop();
    this.retries = undefined;
    if (!newest) {
      this.upstream?.cancel();
      this.upstream = upstream;
      this.noteStream(upstream.stream!);
    }
    return false;
  }

  private othersGoOn(slow: SlowTries, upstream: UpstreamRequest): boolean {
    return slow.hasOther(upstream, this.upstream) || this.retries?.waiting === true;
  }

  private dropTry(slow: SlowTries, upstream: UpstreamRequest): void {
    slow.drop(upstream);
    if (this.upstream !== upstream) return;
    this.timers.stopTry();
    this.upstream = undefined;
  }

  private giveUpTry(): void {
    const { upstream } = this;
    if (upstream === undefined) return;
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
    const { upstream } = this;
    if (upstream !== undefined) upstream.host.stats[HOST.slot.rq_error]++;
    // An internal client may ask for 204 instead (x-envoy-upstream-rq-timeout-alt-response).
    const alternative = this.timers.timeouts.alternativeResponse;
    const body = alternative ? '' : 'upstream request timeout';
    this.reply(alternative ? 204 : 504, body, details, ResponseFlag.UpstreamRequestTimeout);
  }

  private reply(
    status: number,
    body: string,
    details: string,
    flag: number,
    edit?: (headers: HeaderMap) => void,
  ): void {
    // An answer that has begun is charged once.
    if (!this.informed) this.charges.code(status);
    this.timers.stop();
    this.retries?.stop();
    const { attempts } = this;
    const counted = this.route.includeResponseAttemptCount;
    const editAll = counted
      ? (headers: HeaderMap) => {
          headers.set(X_ENVOY_ATTEMPT_COUNT, String(attempts));
          edit?.(headers);
        }
      : edit;
    this.callbacks.sendLocalReply(status, body, details, flag, editAll);
  }

  private chargeGrpcStatus(status: string | undefined): void {
    if (this.upstream !== undefined) this.charges.grpcStatus(this.upstream.host, status);
  }

  private finishResponse(): void {
    this.timers.stop();
    this.charges.time();
    this.trackEnd();
    this.callbacks.info.lastUpstreamByteReceived = now;
  }

  private trackEnd(): void {
    this.cluster.tracked?.requestEnded(now - this.charges.startedAt, this.timers.timeouts.response);
  }

  get bodyBytes(): number {
    return this.callbacks.info.bytesReceived;
  }

  get tryTimeout(): number {
    return this.timers.timeouts.perTry;
  }

  get tryDuration(): number | undefined {
    return this.timers.timeouts.stream;
  }

  private get tag(): string {
    const { info } = this.callbacks;
    return streamTag(info.connection?.id ?? 0, info.streamId);
  }
}

const noBytes = Buffer.alloc(0);

function addOverloaded(headers: HeaderMap): void {
  headers.set(X_ENVOY_OVERLOADED, 'true');
}
