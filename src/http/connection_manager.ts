/** Step 5 of the data path: one client connection: its codec and streams, and its end when it idles, drains or has served enough. */
import { now } from '../common/clock.ts';
import { connectionTag, logger } from '../common/log.ts';
import { ResponseFlag } from '../common/response_flags.ts';
import { HTTP } from '../common/stats/layouts.ts';
import type { ConnectionInfo } from '../common/stream_info.ts';
import { Timer } from '../common/timers.ts';
import type { Connection } from '../net/connection.ts';
import type { DrainState } from '../spi/worker_context.ts';
import { ActiveStream } from './active_stream.ts';
import { CodecChoice, type CodecChoiceOwner } from './codec_choice.ts';
import type { HttpConnectionManagerConfig } from './config.ts';
import { Http1ServerConnection } from './http1_server_connection.ts';
import { Http2ServerConnection } from './http2_server_connection.ts';
import { PrematureResets } from './premature_resets.ts';
import type { RequestReceiver, ResponseEncoder, ServerCodecCallbacks, ServerConnection } from './server_codec.ts';

const log = logger('http');

const IdleTimeout = 0;
const MaxDuration = 1;
const HeadersTimeout = 2;
const DrainEnd = 3;

/** Milliseconds an idle connection is kept while draining: a request may be on its way to us, and closing would lose it. */
const drainGrace = 1000;

export class ConnectionManager implements ServerCodecCallbacks, CodecChoiceOwner {
  readonly config: HttpConnectionManagerConfig;
  readonly info: ConnectionInfo;
  private readonly connection: Connection;
  private readonly drainState: DrainState;
  private readonly onGone: () => void;
  private readonly openedAt = now;
  private readonly idleTimer: Timer;
  private durationTimer: Timer | undefined;
  private headersTimer: Timer | undefined;
  private drainTimer: Timer | undefined;
  /** Undefined until the first bytes have come. */
  private codec: ServerConnection | undefined;
  private resets: PrematureResets | undefined;
  /** The only one of HTTP/1, the latest of HTTP/2. */
  private stream: ActiveStream | undefined;
  private served = 0;
  /** The connection ends with the present answer, or now when there is none. */
  private closing = false;
  /**
   * The connection is to end: it was idle or open for too long, or had enough requests. HTTP/1: with the next answer;
   * HTTP/2: the client has been told, and in `drainTimeout` milliseconds its new streams will be refused.
   */
  private draining = false;
  /** As above, because its listener goes away. */
  private leaving = false;

  constructor(
    config: HttpConnectionManagerConfig,
    connection: Connection,
    info: ConnectionInfo,
    drainState: DrainState,
    onGone: () => void,
  ) {
    this.config = config;
    this.connection = connection;
    this.info = info;
    this.drainState = drainState;
    this.onGone = onGone;
    this.idleTimer = new Timer(this, IdleTimeout);
    new CodecChoice(connection, this, config.codecType);
    const { stats } = config;
    stats[HTTP.slot.downstream_cx_total]++;
    stats[HTTP.slot.downstream_cx_active]++;
    if (connection.isTls) {
      stats[HTTP.slot.downstream_cx_ssl_total]++;
      stats[HTTP.slot.downstream_cx_ssl_active]++;
    }
    connection.flushTimeout = config.delayedCloseTimeout;
    connection.counters = {
      stats,
      received: HTTP.slot.downstream_cx_rx_bytes_total,
      sent: HTTP.slot.downstream_cx_tx_bytes_total,
      waiting: HTTP.slot.downstream_cx_tx_bytes_buffered,
    };
    if (config.idleTimeout > 0) this.idleTimer.start(config.idleTimeout);
    if (config.maxConnectionDuration > 0) {
      this.durationTimer = new Timer(this, MaxDuration);
      this.durationTimer.start(config.maxConnectionDuration);
    }
  }

  // === CodecChoiceOwner ===

  createCodec(protocol: 'HTTP1' | 'HTTP2'): void {
    const { config, connection } = this;
    const { stats } = config;
    if (protocol === 'HTTP1') {
      this.codec = new Http1ServerConnection(connection, this, config);
      stats[HTTP.slot.downstream_cx_http1_total]++;
      stats[HTTP.slot.downstream_cx_http1_active]++;
      return;
    }
    this.codec = new Http2ServerConnection(connection, this, config);
    this.resets = new PrematureResets(config.runtime);
    stats[HTTP.slot.downstream_cx_http2_total]++;
    stats[HTTP.slot.downstream_cx_http2_active]++;
    if (this.leaving) this.startDrainSequence();
  }

  // === ServerCodecCallbacks ===

  newStream(encoder: ResponseEncoder): RequestReceiver {
    this.idleTimer.stop();
    this.served++;
    const { maxRequestsPerConnection, stats } = this.config;
    if (maxRequestsPerConnection > 0 && this.served >= maxRequestsPerConnection) {
      stats[HTTP.slot.downstream_cx_max_requests_reached]++;
      if (this.multiplexed) this.startDrainSequence();
      else this.closing = true;
    }
    this.stream = new ActiveStream(this, encoder);
    return this.stream;
  }

  /** A stream for a request that another one has read, e.g. after an internal redirect. */
  succeedingStream(encoder: ResponseEncoder): ActiveStream {
    this.stream = new ActiveStream(this, encoder);
    encoder.bind(this.stream);
    return this.stream;
  }

  onHeadIncomplete(): void {
    const { requestHeadersTimeout } = this.config;
    if (requestHeadersTimeout === 0) return;
    this.headersTimer ??= new Timer(this, HeadersTimeout);
    this.headersTimer.start(requestHeadersTimeout);
  }

  onHeadComplete(keepAlive: boolean): void {
    this.headersTimer?.stop();
    if (!keepAlive) this.closing = true;
  }

  onIdle(): void {
    const { idleTimeout, delayedCloseTimeout } = this.config;
    if (this.closing) this.close(delayedCloseTimeout);
    else if (this.leaving || this.drainState.draining) this.leave();
    else if (!this.draining && idleTimeout > 0) this.idleTimer.start(idleTimeout);
  }

  onProtocolError(flood: boolean): void {
    if (!flood) this.config.stats[HTTP.slot.downstream_cx_protocol_error]++;
    this.info.stream?.setFlag(ResponseFlag.DownstreamProtocolError);
  }

  onConnectionClosed(local: boolean, reason: string, active: boolean): void {
    this.idleTimer.stop();
    this.durationTimer?.stop();
    this.headersTimer?.stop();
    this.drainTimer?.stop();
    const { stats } = this.config;
    if (active) {
      const { slot } = HTTP;
      stats[slot.downstream_cx_destroy_active_rq]++;
      stats[local ? slot.downstream_cx_destroy_local_active_rq : slot.downstream_cx_destroy_remote_active_rq]++;
    }
    stats[HTTP.slot.downstream_cx_active]--;
    if (this.connection.isTls) stats[HTTP.slot.downstream_cx_ssl_active]--;
    if (this.codec !== undefined) {
      stats[this.multiplexed ? HTTP.slot.downstream_cx_http2_active : HTTP.slot.downstream_cx_http1_active]--;
    }
    stats[HTTP.slot.downstream_cx_destroy]++;
    stats[local ? HTTP.slot.downstream_cx_destroy_local : HTTP.slot.downstream_cx_destroy_remote]++;
    if (this.connection.closeTimedOut) stats[HTTP.slot.downstream_cx_delayed_close_timeout]++;
    if (this.closing) this.connection.closeReason ||= 'deferred_close_on_drained_connection';
    this.config.connectionLength.record(now - this.openedAt);
    if (this.info.stream !== undefined && this.served > 0) this.info.stream.protocol = this.codec?.protocol;
    if (log.debugOn) log.debug(`${connectionTag(this.info.id)}closed ${local ? 'by us' : `by the client ${reason}`}`);
    this.onGone();
  }

  // === for the stream ===

  get multiplexed(): boolean {
    return this.codec?.multiplexed === true;
  }

  /** Whether the answer about to go out is the last one; HTTP/2 says the same by GOAWAY. */
  mustClose(): boolean {
    if (this.closing) return !this.multiplexed;
    const leaving = this.leaving || this.drainState.draining;
    if (!leaving && !this.draining) return false;
    if (this.multiplexed) {
      if (this.draining) return false;
      this.config.stats[HTTP.slot.downstream_cx_drain_close]++;
      this.startDrainSequence();
      return false;
    }
    if (leaving) this.config.stats[HTTP.slot.downstream_cx_drain_close]++;
    this.closing = true;
    return true;
  }

  /** The rest of the request will not be read, or not be understood: with HTTP/2 that is the stream's affair alone. */
  closeAfterResponse(): void {
    if (!this.multiplexed) this.closing = true;
  }

  /** The connection is of no more use to its client. */
  closeSoon(): void {
    if (this.multiplexed) this.startDrainSequence();
    else this.closing = true;
  }

  onStreamOver(stream: ActiveStream, lived: number, answered: boolean): void {
    if (this.stream === stream) this.stream = undefined;
    const { resets, connection, config } = this;
    if (resets === undefined || !resets.onStreamOver(lived, answered) || connection.isClosing) return;
    config.stats[HTTP.slot.downstream_rq_too_many_premature_resets]++;
    config.stats[HTTP.slot.downstream_cx_protocol_error]++;
    this.codec?.abortAll('too_many_premature_resets');
  }

  /** Lets the connection end: with the next answer, or when no request has come for a while. */
  drain(): void {
    this.leave();
  }

  closeNow(): void {
    this.connection.closeNow();
  }

  onTimer(kind: number): void {
    if (kind === IdleTimeout) this.onIdleTimeout();
    else if (kind === MaxDuration) this.onMaxDuration();
    else if (kind === HeadersTimeout) this.onHeadersTimeout();
    else this.onDrainEnd();
  }

  private onHeadersTimeout(): void {
    if (this.codec?.onHeadTimeout() === false) this.stream?.onHeadersTimeout();
    else this.config.stats[HTTP.slot.downstream_rq_header_timeout]++;
  }

  private onIdleTimeout(): void {
    const { stats } = this.config;
    stats[this.leaving ? HTTP.slot.downstream_cx_drain_close : HTTP.slot.downstream_cx_idle_timeout]++;
    if (!this.leaving) this.startDrainSequence();
    else {
      this.codec?.goAway();
      this.close(0);
    }
  }

  private onMaxDuration(): void {
    this.config.stats[HTTP.slot.downstream_cx_max_duration_reached]++;
    // With http1_safe_max_connection_duration only an answer ends the connection.
    if (this.config.safeMaxConnectionDuration && !this.multiplexed) this.draining = true;
    else this.startDrainSequence();
  }

  /** A request may be on its way to us: it is still answered, within drain_timeout. */
  private startDrainSequence(): void {
    if (this.draining) return;
    if (this.served === 0 && !this.multiplexed) {
      this.close(0);
      return;
    }
    this.draining = true;
    this.codec?.shutdownNotice();
    this.drainTimer = new Timer(this, DrainEnd);
    this.drainTimer.start(this.config.drainTimeout);
  }

  private onDrainEnd(): void {
    this.closing = true;
    this.codec?.goAway();
    if (this.codec?.idle !== false) this.close(this.config.delayedCloseTimeout);
  }

  private leave(): void {
    this.leaving = true;
    if (this.multiplexed) this.startDrainSequence();
    if (this.codec?.idle !== false) this.idleTimer.start(drainGrace);
  }

  /** Closes when all output has left; `delay` in milliseconds, as `Connection.closeAfterFlush` takes it. */
  private close(delay: number): void {
    this.codec?.flush();
    this.connection.closeAfterFlush(delay);
  }
}
