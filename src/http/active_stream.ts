/** Step 5 of the data path: one request and its answer between codec and filters, with its timers, counters and log lines. */
import type { Bytes } from '../../native-free/bytes/bytes.ts';
import { isGrpcType } from '../../native-free/grpc/content_type.ts';
import { HeaderMap, type RequestHead, type ResponseHead } from '../../native-free/headers/header_map.ts';
import { CONTENT_LENGTH, CONTENT_TYPE } from '../../native-free/headers/well_known.ts';
import type { CodecError } from '../../native-free/http1/codec.ts';
import { opensTunnel } from '../../native-free/http1/framing.ts';
import { reasonPhrase } from '../../native-free/http1/reason_phrases.ts';
import { AccessLogType } from '../api/enums.ts';
import { now, wallNow } from '../common/clock.ts';
import { dumpHead } from '../common/head_dump.ts';
import { connectionTag, logger, streamTag } from '../common/log.ts';
import { ResponseFlag } from '../common/response_flags.ts';
import { routeClock } from '../common/route_clock.ts';
import { HTTP, HTTP1 } from '../common/stats/layouts.ts';
import { StreamInfo } from '../common/stream_info.ts';
import { WireBytes, wireBytes } from '../common/wire_bytes.ts';
import { toWire } from '../common/wire_string.ts';
import type { Route } from '../router/route_table.ts';
import type { FormatContext } from '../spi/format.ts';
import type { FilterMaker } from '../spi/http_filter.ts';
import { switchesFilters } from './config.ts';
import type { ConnectionManager } from './connection_manager.ts';
import { FilterManager } from './filter_manager.ts';
import { HeaderRule } from './header_rules.ts';
import { type LocalReply, makeLocalReply } from './local_reply.ts';
import { maxStreamDuration, noLimit } from './max_stream_duration.ts';
import { refuseRequest } from './request_checks.ts';
import { mutateRequestHeaders, takeExpectContinue } from './request_headers.ts';
import { mutateResponseHeaders } from './response_headers.ts';
import type { RequestReceiver, ResponseEncoder } from './server_codec.ts';
import { countAnswer } from './stream_counts.ts';
import { StreamTimers } from './stream_timers.ts';
import { mayUpgrade } from './upgrades.ts';

const log = logger('http');

let lastStreamId = 0;

export class ActiveStream implements RequestReceiver, FormatContext {
  readonly manager: ConnectionManager;
  readonly info: StreamInfo;
  readonly streamId = ++lastStreamId;
  request: RequestHead | undefined;
  response: ResponseHead | undefined;
  responseTrailers: HeaderMap | undefined;
  /** The request was gRPC when it came, whatever filters made of it. */
  isGrpcRequest = false;
  /** Known to body formats of local replies alone. */
  readonly localReplyBody = '';
  filters: FilterManager;
  private readonly encoder: ResponseEncoder;
  private chosenRoute: Route | undefined;
  private routeChosen = false;
  /** The request has been read whole. */
  requestDone = false;
  /** The filters see the end of the body at present: an answer that one of them gives now comes before it, as in Envoy. */
  private endingRequest = false;
  private responseStarted = false;
  private responseDone = false;
  private over = false;
  private readonly timers: StreamTimers;
  private informed = false;
  /** The request has passed the manager's own checks: a route may be looked for. */
  private routable = false;
  /** The client was told to go on: what logs show as the code of a request without an answer. */
  private continued = false;
  /** Set when the reply has been made: its mappers do not see it yet, as in Envoy. */
  private flagOfReply = -1;
  /** Set while an entry is written before the end. */
  accessLogType: number | undefined;
  /** Counted as an upgrade, even when it fails later. */
  private upgraded = false;
  /** Another stream has taken the request over. */
  private succeeded = false;
  private makers: readonly FilterMaker[];

  constructor(manager: ConnectionManager, encoder: ResponseEncoder) {
    const { config } = manager;
    this.manager = manager;
    this.encoder = encoder;
    this.info = new StreamInfo(manager.info, wallNow(), now);
    this.info.streamId = this.streamId;
    this.makers = config.filters;
    this.filters = new FilterManager(this, config.filters);
    this.timers = new StreamTimers(this, config);
    const { stats } = config;
    stats[HTTP.slot.downstream_rq_total]++;
    stats[manager.multiplexed ? HTTP.slot.downstream_rq_http2_total : HTTP.slot.downstream_rq_http1_total]++;
    stats[HTTP.slot.downstream_rq_active]++;
  }

  get bufferLimit(): number {
    return this.manager.config.bufferLimit;
  }

  get downstreamBlocked(): boolean {
    return this.encoder.blocked;
  }

  get route(): Route | undefined {
    if (!this.routeChosen) {
      this.routeChosen = true;
      this.chosenRoute = this.findRoute();
      if (this.chosenRoute !== undefined) this.takeRoute(this.chosenRoute);
    }
    return this.chosenRoute;
  }

  private findRoute(): Route | undefined {
    const { config } = this.manager;
    const request = this.request!;
    const table = config.scopedRoutes === undefined ? config.routes.table : config.scopedRoutes.tableFor(request);
    const random = Math.floor(Math.random() * 0x1_0000_0000);
    this.info.routeResolutions++;
    if (!routeClock.asked) return table?.route(request, random, this.info);
    const began = performance.now();
    const route = table?.route(request, random, this.info);
    this.info.routeResolutionMicros = Math.floor((performance.now() - began) * 1000);
    return route;
  }

  // === RequestReceiver ===

  decodeHeaders(head: RequestHead, endStream: boolean): void {
    const { manager, info } = this;
    this.request = head;
    // Several types are one value to Envoy, which is that of no gRPC.
    this.isGrpcRequest = isGrpcType(head.headers.get(CONTENT_TYPE)) && isGrpcType(head.headers.getAll(CONTENT_TYPE));
    this.timers.lastActivity = now;
    this.requestDone = endStream;
    info.protocol = head.protocol;
    if (wireBytes.counted) {
      info.downstreamBytes = new WireBytes();
      info.downstreamBytes.requestReceived(head, endStream);
    }
    if (endStream) this.finishRequest();
    if (log.debugOn) {
      log.debug(
        `${streamTag(manager.info.id, this.streamId)}request headers complete (end_stream=${endStream}):\n${dumpHead(head)}`,
      );
    }
    try {
      if (!manager.config.proxy100Continue && takeExpectContinue(head.headers)) this.sendContinue();
      info.remoteAddress = manager.info.remoteAddress;
      if (refuseRequest(this, head, manager.config)) return;
      manager.config.earlyHeaderMutation?.apply(head, this);
      const { upgrade } = this.encoder;
      const client = mutateRequestHeaders(head, manager.config, manager.info, upgrade !== '' && upgrade !== 'CONNECT');
      if (typeof client === 'number') {
        manager.config.stats[HTTP.slot.downstream_rq_rejected_via_ip_detection]++;
        this.sendLocalReply(client, '', 'rejecting_because_detection_failed', -1, undefined);
        return;
      }
      info.remoteAddress = client;
      this.routable = true;
      if (manager.config.flushAccessLogOnNewRequest) this.logNow(AccessLogType.DownstreamStart);
      if (upgrade !== '' && !this.acceptUpgrade(upgrade)) return;
      if (switchesFilters(manager.config)) this.switchFilters(this.makers);
      this.filters.decodeHeaders(head, endStream);
    } catch (error) {
      this.onFault(error);
    }
  }

  decodeData(bytes: Bytes, start: number, end: number, endStream: boolean): void {
    this.timers.lastActivity = now;
    this.info.bytesReceived += end - start;
    this.info.downstreamBytes?.bodyReceived(end - start, endStream);
    if (endStream) this.finishRequest();
    if (this.responseDone) return;
    this.endingRequest = endStream;
    try {
      this.filters.decodeData(bytes, start, end, endStream);
    } catch (error) {
      this.onFault(error);
    }
    this.endingRequest = false;
  }

  decodeTrailers(trailers: HeaderMap): void {
    this.finishRequest();
    if (this.responseDone) return;
    try {
      this.filters.decodeTrailers(trailers);
    } catch (error) {
      this.onFault(error);
    }
  }

  onStreamReset(details: string, flag: number): void {
    if (this.over) return;
    const { info } = this;
    info.protocol ??= this.encoder.protocol;
    if (!this.responseDone) {
      if (flag >= 0) info.setFlag(flag);
      info.responseCodeDetails = details;
      if (!this.responseStarted) info.responseCode = this.continued ? 100 : 0;
      this.manager.config.stats[HTTP.slot.downstream_rq_rx_reset]++;
    }
    this.end();
  }

  onCodecError(error: CodecError): void {
    const { info } = this;
    const { stats } = this.manager.config;
    if (log.debugOn) log.debug(`${connectionTag(this.manager.info.id)}codec error: ${error.reason}`);
    stats[HTTP.slot.downstream_cx_protocol_error]++;
    if (error.details === 'http1.unexpected_underscore') {
      this.manager.config.http1Stats[HTTP1.slot.requests_rejected_with_underscores_in_headers]++;
    }
    this.manager.info.stream?.setFlag(ResponseFlag.DownstreamProtocolError);
    info.protocol ??= 'HTTP/1.1';
    info.remoteAddress ??= this.manager.info.remoteAddress;
    this.manager.closeAfterResponse();
    if (this.responseStarted) {
      info.setFlag(ResponseFlag.DownstreamProtocolError);
      info.responseCodeDetails = error.details;
      this.encoder.abort(false);
      this.end();
      return;
    }
    this.flagOfReply = ResponseFlag.DownstreamProtocolError;
    this.sendLocalReply(error.status, reasonPhrase(error.status), error.details, -1, undefined);
  }

  onDownstreamBlocked(): void {
    this.filters.onDownstreamBlocked();
  }

  onDownstreamWritable(): void {
    this.timers.lastActivity = now;
    this.filters.onDownstreamWritable();
  }

  onResponseEncoded(): void {
    // Envoy resets what is left of such a request, and counts that as if the client had.
    if (!this.requestDone) this.manager.config.stats[HTTP.slot.downstream_rq_rx_reset]++;
    this.end();
  }

  // === for filters ===

  pauseRequest(): void {
    this.encoder.pauseRequest();
  }

  resumeRequest(): void {
    this.encoder.resumeRequest();
  }

  setIdleTimeout(milliseconds: number): void {
    this.timers.setIdleTimeout(milliseconds);
  }

  sendLocalReply(
    status: number,
    body: string,
    details: string,
    flag: number,
    edit: ((headers: HeaderMap) => void) | undefined,
    grpcStatus?: number,
  ): void {
    const { info } = this;
    if (this.over) return;
    if (flag >= 0) info.setFlag(flag);
    info.responseCodeDetails = details.replaceAll(' ', '_');
    const { stats } = this.manager.config;
    if (details === 'request_payload_too_large') stats[HTTP.slot.downstream_rq_too_large]++;
    else if (details === 'response_payload_too_large') stats[HTTP.slot.rs_too_large]++;
    if (this.responseStarted) {
      this.abortResponse();
      return;
    }
    if (log.debugOn)
      log.debug(`${streamTag(this.manager.info.id, this.streamId)}Sending local reply with details ${details}`);
    // As in Envoy a bad request ends its connection, where it has that to itself.
    if (status === 400 && !this.manager.config.streamErrorOnInvalidMessage) this.manager.closeAfterResponse();
    this.filters.stopDecoding();
    const { localReply } = this.manager.config;
    const prepare = (head: ResponseHead) => {
      this.response = head;
      // Envoy gives its own answers the response headers of a route that leads to a cluster.
      const route = this.routable ? this.route : undefined;
      if (route?.kind === 'forward') route.applyResponseHeaders(head, this);
      edit?.(head.headers);
      // As in Envoy the headers added so far do not know it.
      info.responseCode = status;
    };
    const rewrite = localReply && ((head: ResponseHead, made: string) => localReply.rewrite(head, made, this));
    const request = { isHead: this.request?.method === 'HEAD', isGrpc: this.isGrpcRequest, grpcStatus };
    this.encodeLocalReply(makeLocalReply(request, status, toWire(body), prepare, rewrite));
  }

  private encodeLocalReply({ head, body }: LocalReply): void {
    const { filters } = this;
    if (this.flagOfReply >= 0) this.info.setFlag(this.flagOfReply);
    this.response = head;
    const ends = body === '';
    const direct = filters.startLocalReply();
    if (direct) this.encodeHeadersToCodec(head, ends);
    else filters.encodeHeaders(head, ends, filters.last);
    if (ends || this.over || this.response !== head) return;
    const bytes = Buffer.from(body, 'latin1');
    if (direct) this.encodeDataToCodec(bytes, 0, bytes.length, true);
    else filters.encodeData(bytes, 0, bytes.length, true, filters.last);
  }

  clearRouteCache(): void {
    this.routeChosen = false;
  }

  requestRouteConfigUpdate(done: () => void): boolean {
    const { routes } = this.manager.config;
    if (routes.requestHost === undefined) return false;
    return routes.requestHost(this.request!.authority, () => {
      if (this.over) return;
      try {
        done();
      } catch (error) {
        this.onFault(error);
      }
    });
  }

  chooseRouteAgain(): Route | undefined {
    this.routeChosen = true;
    this.chosenRoute = this.findRoute();
    this.info.routeName = this.chosenRoute?.name ?? '';
    this.info.upstreamCluster = this.chosenRoute?.selectCluster(this.request!) ?? '';
    return this.chosenRoute;
  }

  /** Envoy logs and counts this stream as one of its own, without an answer. */
  recreateStream(body: Buffer | undefined): void {
    this.succeeded = true;
    this.info.responseCodeDetails = 'internal_redirect';
    this.end();
    this.manager.succeedingStream(this.encoder).continueFrom(this, body);
  }

  /** The request has passed all checks and edits before; it is complete. */
  private continueFrom(former: ActiveStream, body: Buffer | undefined): void {
    const { info } = this;
    const head = former.request!;
    this.isGrpcRequest = former.isGrpcRequest;
    info.filterState = former.info.filterState;
    info.protocol = former.info.protocol;
    info.remoteAddress = former.info.remoteAddress;
    info.bytesReceived = former.info.bytesReceived;
    info.downstreamBytes = former.info.downstreamBytes;
    this.request = head;
    this.finishRequest();
    try {
      if (switchesFilters(this.manager.config)) this.switchFilters(this.makers);
      this.filters.decodeHeaders(head, body === undefined);
    } catch (error) {
      this.onFault(error);
    }
    if (body !== undefined) this.decodeData(body, 0, body.length, true);
  }

  /** Leaves out the filters that are off for this route. */
  private switchFilters(makers: readonly FilterMaker[]): void {
    const { route } = this;
    const wanted = makers.filter(({ name, disabled }) => !(route?.filterDisabled(name) ?? disabled));
    if (wanted.length === makers.length) return;
    this.filters.destroy();
    this.filters = new FilterManager(this, wanted);
  }

  resetStream(details: string): void {
    if (this.over) return;
    this.info.responseCodeDetails = details;
    this.abortResponse();
  }

  encodeInformational(head: ResponseHead): boolean {
    if (!this.manager.config.proxy100Continue || this.informed || this.responseStarted) return false;
    this.informed = true;
    head.headers.removeFlagged(HeaderRule.HopByHop);
    this.encoder.encodeInformational(head);
    return true;
  }

  // === below the filters ===

  encodeHeadersToCodec(head: ResponseHead, endStream: boolean): void {
    const { manager, info } = this;
    const { config } = manager;
    this.responseStarted = true;
    this.timers.lastActivity = now;
    info.responseCode = head.status;
    if (info.responseCodeDetails === '' && !this.filters.answered) info.responseCodeDetails = 'via_upstream';
    this.timers.stopRequestTimeout();
    mutateResponseHeaders(head, this.request, config, this.upgraded, this.connectionOption(head));
    info.firstDownstreamByteSent = now;
    if (wireBytes.counted) info.downstreamBytes ??= new WireBytes();
    info.downstreamBytes?.responseSent(head, endStream, this.request?.method === 'HEAD');
    if (log.debugOn) {
      log.debug(
        `${streamTag(manager.info.id, this.streamId)}encoding headers via codec (end_stream=${endStream}):\n${dumpHead(head)}`,
      );
    }
    if (endStream) this.finishResponse();
    this.encoder.encodeHeaders(head, endStream);
    if (config.flushLogOnTunnelSuccessfullyEstablished && this.upgraded) {
      if (opensTunnel(this.request!.method, head.status))
        this.logNow(AccessLogType.DownstreamTunnelSuccessfullyEstablished);
    }
  }

  encodeDataToCodec(bytes: Bytes, start: number, end: number, endStream: boolean): void {
    this.timers.lastActivity = now;
    this.info.bytesSent += end - start;
    this.info.downstreamBytes?.bodySent(end - start, endStream);
    if (endStream) this.finishResponse();
    this.encoder.encodeData(bytes, start, end, endStream);
  }

  encodeTrailersToCodec(trailers: HeaderMap): void {
    this.responseTrailers = trailers;
    this.finishResponse();
    this.encoder.encodeTrailers(trailers);
  }

  /** The head did not come in time. */
  onHeadersTimeout(): void {
    this.manager.config.stats[HTTP.slot.downstream_rq_header_timeout]++;
    this.manager.closeAfterResponse();
    this.info.protocol ??= 'HTTP/1.1';
    this.sendLocalReply(408, 'request header timeout', 'request_header_timeout', -1, undefined);
  }

  private takeRoute(route: Route): void {
    this.info.routeName = route.name;
    this.info.routeMetadata = route.metadata;
    this.info.virtualHostMetadata = route.virtualHost.metadata;
    if (this.over) return;
    const duration = maxStreamDuration(route, this.request!, this.manager.config.maxStreamDuration);
    if (duration === undefined) return;
    this.timers.setMaxDuration(duration === noLimit ? undefined : duration);
  }

  /** Tells whether the request may go on; when not, the client has its answer. */
  private acceptUpgrade(protocol: string): boolean {
    const { config } = this.manager;
    const own = config.upgrades.get(protocol.toLowerCase());
    const { route } = this;
    if (!mayUpgrade(protocol, own, route)) {
      // It leads nowhere: the router says so.
      if (route === undefined) return true;
      config.stats[HTTP.slot.downstream_rq_ws_on_non_ws_route]++;
      this.manager.closeSoon();
      this.sendLocalReply(403, '', 'upgrade_failed', -1, undefined);
      return false;
    }
    this.upgraded = true;
    config.stats[HTTP.slot.downstream_cx_upgrades_total]++;
    config.stats[HTTP.slot.downstream_cx_upgrades_active]++;
    if (own?.filters !== undefined) {
      this.filters.destroy();
      this.makers = own.filters;
      this.filters = new FilterManager(this, own.filters);
    }
    return true;
  }

  /** What the Connection field of the answer says; the client of a tunnel is told nothing. */
  private connectionOption(head: ResponseHead): '' | 'close' | 'keep-alive' {
    const { manager } = this;
    if (!this.requestDone || this.endingRequest) {
      // What is left of the request will not be read (RFC 9112 section 9.6).
      manager.config.stats[HTTP.slot.downstream_rq_response_before_rq_complete]++;
      manager.closeAfterResponse();
    }
    const http10 = this.info.protocol === 'HTTP/1.0';
    // HTTP/1.0 knows no chunks: such an answer ends with the connection.
    if (http10 && !head.headers.has(CONTENT_LENGTH)) manager.closeAfterResponse();
    if (manager.mustClose()) return this.upgraded && opensTunnel(this.request!.method, head.status) ? '' : 'close';
    return http10 ? 'keep-alive' : '';
  }

  logPeriodically(): void {
    this.logNow(AccessLogType.DownstreamPeriodic);
  }

  /** Writes an entry of this type before the stream's end; its route is known by then, as it is in Envoy. */
  private logNow(type: number): void {
    const { accessLoggers } = this.manager.config;
    if (accessLoggers.length === 0) return;
    if (this.request !== undefined && this.info.upstreamCluster === '') {
      this.info.upstreamCluster = this.route?.selectCluster(this.request) ?? '';
    }
    this.accessLogType = type;
    for (const accessLogger of accessLoggers) accessLogger.log(this);
    this.accessLogType = undefined;
  }

  private sendContinue(): void {
    this.continued = true;
    countAnswer(this.manager.config, 100);
    this.encoder.encodeInformational(continueHead);
  }

  private finishRequest(): void {
    this.requestDone = true;
    this.info.lastDownstreamByteReceived = now;
    this.timers.stopRequestTimeout();
  }

  private finishResponse(): void {
    this.responseDone = true;
    this.info.lastDownstreamByteSent = now;
  }

  private abortResponse(): void {
    const { manager, info, encoder } = this;
    const { stats } = manager.config;
    stats[HTTP.slot.downstream_rq_tx_reset]++;
    stats[HTTP.slot.downstream_rq_rx_reset]++;
    const { UpstreamConnectionFailure, UpstreamConnectionTermination } = ResponseFlag;
    const hostGone = info.hasFlag(UpstreamConnectionFailure) || info.hasFlag(UpstreamConnectionTermination);
    // RFC 9113 section 8.5.
    encoder.abort(hostGone && encoder.upgrade !== '');
    this.end();
  }

  /** An exception in the code of a filter, or ours: this request ends, the process goes on. */
  private onFault(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    log.error(`${streamTag(this.manager.info.id, this.streamId)}fault in the code of a request: ${text}`);
    this.sendLocalReply(500, '', 'internal_error', -1, undefined);
  }

  private end(): void {
    const { info } = this;
    if (this.over) return;
    this.over = true;
    this.timers.stop();
    this.filters.stopDecoding();
    this.filters.destroy();
    info.endMonotonic = now;
    info.protocol ??= this.encoder.protocol;
    this.count();
    if (this.routable && info.upstreamCluster === '') this.noteCluster();
    for (const accessLogger of this.manager.config.accessLoggers) accessLogger.log(this);
    this.manager.onStreamOver(this, now - info.startMonotonic, info.responseCode !== 0);
  }

  /** Envoy knows the route's cluster before any filter looks at the request; who answers instead of the router need not ask. */
  private noteCluster(): void {
    const { info, request } = this;
    if (this.manager.config.accessLoggers.length === 0 || info.hasFlag(ResponseFlag.NoClusterFound)) return;
    info.upstreamCluster = this.route?.selectCluster(request!) ?? '';
  }

  private count(): void {
    const { config } = this.manager;
    const { stats } = config;
    stats[HTTP.slot.downstream_rq_active]--;
    if (this.upgraded) stats[HTTP.slot.downstream_cx_upgrades_active]--;
    config.requestTime.record(this.info.endMonotonic - this.info.startMonotonic);
    // Health checks are no traffic; Envoy counts them here whether it traces or not.
    if (this.info.healthCheck) stats[HTTP.slot['tracing.health_check']]++;
    else if (!this.succeeded && this.responseStarted) countAnswer(config, this.info.responseCode);
  }
}

const continueHead: ResponseHead = { status: 100, protocol: 'HTTP/1.1', headers: new HeaderMap() };
