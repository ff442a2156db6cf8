/** Step 5 of the data path: one request and its answer between codec and filters, with its timers, counters and log lines. */
import type { Bytes } from '../../native-free/bytes/bytes.ts';
import { HeaderMap, type RequestHead, type ResponseHead } from '../../native-free/headers/header_map.ts';
import type { CodecError } from '../../native-free/http1/codec.ts';
import { now, wallNow } from '../common/clock.ts';
import { connectionTag, logger, streamTag } from '../common/log.ts';
import { ResponseFlag } from '../common/response_flags.ts';
import { HTTP, LISTENER_HTTP } from '../common/stats/layouts.ts';
import { StreamInfo } from '../common/stream_info.ts';
import { Timer } from '../common/timers.ts';
import type { Route } from '../router/route_table.ts';
import type { FormatContext } from '../spi/format.ts';
import type { ConnectionManager } from './connection_manager.ts';
import { FilterManager } from './filter_manager.ts';
import { makeLocalReply } from './local_reply.ts';
import { refuseRequest } from './request_checks.ts';
import { mutateRequestHeaders, takeExpectContinue } from './request_headers.ts';
import { mutateResponseHeaders } from './response_headers.ts';
import type { RequestReceiver, ResponseEncoder } from './server_codec.ts';

const log = logger('http');

const StreamIdle = 0;
const RequestTimeout = 1;
const MaxDuration = 2;

let lastStreamId = 0;

export class ActiveStream implements RequestReceiver, FormatContext {
  readonly manager: ConnectionManager;
  readonly info: StreamInfo;
  readonly streamId = ++lastStreamId;
  request: RequestHead | undefined;
  response: ResponseHead | undefined;
  responseTrailers: HeaderMap | undefined;
  localReplyBody = '';
  readonly filters: FilterManager;
  private readonly encoder: ResponseEncoder;
  private chosenRoute: Route | undefined;
  private routeChosen = false;
  private requestDone = false;
  private responseStarted = false;
  private responseDone = false;
  private over = false;
  private readonly idleTimer: Timer;
  private idleTimeout: number;
  private lastActivity = now;
  private requestTimer: Timer | undefined;
  private durationTimer: Timer | undefined;
  private informed = false;

  constructor(manager: ConnectionManager, encoder: ResponseEncoder) {
    const { config } = manager;
    this.manager = manager;
    this.encoder = encoder;
    this.info = new StreamInfo(manager.info, wallNow(), now);
    this.info.streamId = this.streamId;
    this.filters = new FilterManager(this, config.filters);
    this.idleTimeout = config.streamIdleTimeout;
    this.idleTimer = new Timer(this, StreamIdle);
    if (this.idleTimeout > 0) this.idleTimer.start(this.idleTimeout);
    if (config.requestTimeout > 0) {
      this.requestTimer = new Timer(this, RequestTimeout);
      this.requestTimer.start(config.requestTimeout);
    }
    if (config.maxStreamDuration > 0) {
      this.durationTimer = new Timer(this, MaxDuration);
      this.durationTimer.start(config.maxStreamDuration);
    }
    const { stats } = config;
    stats[HTTP.slot.downstream_rq_total]++;
    stats[HTTP.slot.downstream_rq_http1_total]++;
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
      this.chosenRoute = this.manager.config.routes?.route(this.request!, Math.floor(Math.random() * 0x1_0000_0000));
      if (this.chosenRoute !== undefined) this.info.routeName = this.chosenRoute.name;
    }
    return this.chosenRoute;
  }

  // === RequestReceiver ===

  decodeHeaders(head: RequestHead, endStream: boolean): void {
    const { manager, info } = this;
    this.request = head;
    this.requestDone = endStream;
    info.protocol = head.protocol;
    if (endStream) this.finishRequest();
    if (log.debugOn) {
      log.debug(
        `${streamTag(manager.info.id, this.streamId)}request headers complete (end_stream=${endStream}):\n${dump(head)}`,
      );
    }
    try {
      if (takeExpectContinue(head.headers)) this.encoder.encodeInformational(continueHead);
      info.remoteAddress = manager.info.remoteAddress;
      if (refuseRequest(this, head, manager.config)) return;
      info.remoteAddress = mutateRequestHeaders(head, manager.config, manager.info, false);
      this.filters.decodeHeaders(head, endStream);
    } catch (error) {
      this.onFault(error);
    }
  }

  decodeData(bytes: Bytes, start: number, end: number, endStream: boolean): void {
    this.lastActivity = now;
    this.info.bytesReceived += end - start;
    if (endStream) this.finishRequest();
    if (this.responseDone) return;
    try {
      this.filters.decodeData(bytes, start, end, endStream);
    } catch (error) {
      this.onFault(error);
    }
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

  onStreamReset(details: string): void {
    if (this.over) return;
    const { info } = this;
    if (!this.responseDone) {
      info.setFlag(ResponseFlag.DownstreamConnectionTermination);
      if (info.responseCodeDetails === '' || !this.responseStarted) info.responseCodeDetails = details;
      if (!this.responseStarted) info.responseCode = 0;
      this.manager.config.stats[HTTP.slot.downstream_rq_rx_reset]++;
    }
    this.end();
  }

  onCodecError(error: CodecError): void {
    const { info } = this;
    const { stats } = this.manager.config;
    if (log.debugOn) log.debug(`${connectionTag(this.manager.info.id)}codec error: ${error.reason}`);
    stats[HTTP.slot.downstream_cx_protocol_error]++;
    if (error.status === 431) stats[HTTP.slot.downstream_rq_too_large]++;
    info.setFlag(ResponseFlag.DownstreamProtocolError);
    info.protocol ??= 'HTTP/1.1';
    info.remoteAddress ??= this.manager.info.remoteAddress;
    this.manager.closeAfterResponse();
    if (this.responseStarted) {
      info.responseCodeDetails = error.details;
      this.encoder.abort();
      this.end();
      return;
    }
    this.sendLocalReply(error.status, codecErrorBodies[error.status] ?? '', error.details, -1, undefined);
  }

  onDownstreamBlocked(): void {
    this.filters.onDownstreamBlocked();
  }

  onDownstreamWritable(): void {
    this.lastActivity = now;
    this.filters.onDownstreamWritable();
  }

  onResponseEncoded(): void {
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
    this.idleTimeout = milliseconds;
    this.idleTimer.stop();
    if (milliseconds > 0) this.idleTimer.start(milliseconds);
  }

  sendLocalReply(
    status: number,
    body: string,
    details: string,
    flag: number,
    edit: ((headers: HeaderMap) => void) | undefined,
  ): void {
    const { info } = this;
    if (this.over) return;
    if (flag >= 0) info.setFlag(flag);
    info.responseCodeDetails = details.replaceAll(' ', '_');
    if (this.responseStarted) {
      this.abortResponse();
      return;
    }
    if (log.debugOn)
      log.debug(`${streamTag(this.manager.info.id, this.streamId)}Sending local reply with details ${details}`);
    this.filters.stopDecoding();
    const reply = makeLocalReply(this.request, status, body, (head) => {
      this.response = head;
      info.responseCode = status;
      // Envoy gives its own answers the route's response headers too.
      this.chosenRoute?.applyResponseHeaders(head, this);
      edit?.(head.headers);
    });
    this.localReplyBody = body;
    this.response = reply.head;
    const ends = reply.body === '';
    this.filters.encodeHeaders(reply.head, ends, this.filters.last);
    if (ends || this.over) return;
    const bytes = Buffer.from(reply.body);
    this.filters.encodeData(bytes, 0, bytes.length, true, this.filters.last);
  }

  resetStream(details: string): void {
    if (this.over) return;
    this.info.responseCodeDetails = details;
    this.abortResponse();
  }

  encodeInformational(head: ResponseHead): void {
    if (head.status === 100 && this.informed) return;
    this.informed = true;
    this.encoder.encodeInformational(head);
  }

  // === below the filters ===

  encodeHeadersToCodec(head: ResponseHead, endStream: boolean): void {
    const { manager, info } = this;
    const { config } = manager;
    this.responseStarted = true;
    this.lastActivity = now;
    info.responseCode = head.status;
    if (info.responseCodeDetails === '') info.responseCodeDetails = 'via_upstream';
    mutateResponseHeaders(head, this.request, config, manager.mustClose());
    info.firstDownstreamByteSent = now;
    if (log.debugOn) {
      log.debug(
        `${streamTag(manager.info.id, this.streamId)}encoding headers via codec (end_stream=${endStream}):\n${dump(head)}`,
      );
    }
    if (endStream) this.finishResponse();
    this.encoder.encodeHeaders(head, endStream);
  }

  encodeDataToCodec(bytes: Bytes, start: number, end: number, endStream: boolean): void {
    this.lastActivity = now;
    this.info.bytesSent += end - start;
    if (endStream) this.finishResponse();
    this.encoder.encodeData(bytes, start, end, endStream);
  }

  encodeTrailersToCodec(trailers: HeaderMap): void {
    this.responseTrailers = trailers;
    this.finishResponse();
    this.encoder.encodeTrailers(trailers);
  }

  onTimer(kind: number): void {
    if (kind === StreamIdle) this.onIdle();
    else if (kind === RequestTimeout) this.onRequestTimeout();
    else this.onMaxDuration();
  }

  private onIdle(): void {
    const left = this.lastActivity + this.idleTimeout - now;
    if (left > 0) {
      this.idleTimer.start(left);
      return;
    }
    this.manager.config.stats[HTTP.slot.downstream_rq_idle_timeout]++;
    if (!this.requestDone) this.manager.closeAfterResponse();
    this.sendLocalReply(
      this.requestDone ? 504 : 408,
      'stream timeout',
      'stream_idle_timeout',
      ResponseFlag.StreamIdleTimeout,
      undefined,
    );
  }

  private onRequestTimeout(): void {
    this.manager.config.stats[HTTP.slot.downstream_rq_timeout]++;
    this.manager.closeAfterResponse();
    this.sendLocalReply(408, 'request timeout', 'request_overall_timeout', -1, undefined);
  }

  private onMaxDuration(): void {
    this.manager.config.stats[HTTP.slot.downstream_rq_max_duration_reached]++;
    this.sendLocalReply(504, 'downstream duration timeout', 'max_duration_timeout', -1, undefined);
  }

  private finishRequest(): void {
    this.requestDone = true;
    this.info.lastDownstreamByteReceived = now;
    this.requestTimer?.stop();
  }

  private finishResponse(): void {
    this.responseDone = true;
    this.info.lastDownstreamByteSent = now;
  }

  private abortResponse(): void {
    this.manager.config.stats[HTTP.slot.downstream_rq_tx_reset]++;
    this.encoder.abort();
    this.end();
  }

  /** An exception in the code of a filter, or ours: this request ends, the process goes on. */
  private onFault(error: unknown): void {
    log.error(`${streamTag(this.manager.info.id, this.streamId)}fault in the code of a request: ${describe(error)}`);
    this.sendLocalReply(500, '', 'internal_error', -1, undefined);
  }

  private end(): void {
    if (this.over) return;
    this.over = true;
    this.idleTimer.stop();
    this.requestTimer?.stop();
    this.durationTimer?.stop();
    this.filters.stopDecoding();
    this.filters.destroy();
    this.info.endMonotonic = now;
    this.count();
    for (const accessLogger of this.manager.config.accessLoggers) accessLogger.log(this);
    this.manager.onStreamOver(this);
  }

  private count(): void {
    const { config } = this.manager;
    const { stats, listenerStats } = config;
    stats[HTTP.slot.downstream_rq_active]--;
    config.requestTime.record(this.info.endMonotonic - this.info.startMonotonic);
    const code = this.info.responseCode;
    if (code === 0) return;
    const family = families[Math.floor(code / 100)];
    stats[HTTP.slot.downstream_rq_completed]++;
    listenerStats[LISTENER_HTTP.slot.downstream_rq_completed]++;
    if (family === undefined) return;
    stats[HTTP.slot[family]]++;
    listenerStats[LISTENER_HTTP.slot[family]]++;
  }
}

const families = [
  undefined,
  'downstream_rq_1xx',
  'downstream_rq_2xx',
  'downstream_rq_3xx',
  'downstream_rq_4xx',
  'downstream_rq_5xx',
] as const;

const continueHead: ResponseHead = { status: 100, protocol: 'HTTP/1.1', headers: new HeaderMap() };

/** Bodies of refusals by the codec: the reason phrase. */
const codecErrorBodies: Record<number, string> = {
  400: 'Bad Request',
  426: 'Upgrade Required',
  431: 'Request Header Fields Too Large',
  501: 'Not Implemented',
};

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** A head as Envoy's debug log shows it. */
function dump(head: RequestHead | ResponseHead): string {
  const lines: string[] = [];
  if ('method' in head) {
    lines.push(`':authority', '${head.authority}'`, `':path', '${head.path}'`, `':method', '${head.method}'`);
  } else lines.push(`':status', '${head.status}'`);
  const { names, values } = head.headers;
  for (let i = 0; i < names.length; i++) lines.push(`'${names[i].text}', '${values[i]}'`);
  return `${lines.join('\n')}\n`;
}
