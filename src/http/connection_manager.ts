/** Step 5 of the data path: one client connection: makes its streams, closes it when it idles, drains or has served enough. */
import type { CodecError } from '../../native-free/http1/codec.ts';
import { now } from '../common/clock.ts';
import { connectionTag, logger } from '../common/log.ts';
import { HTTP } from '../common/stats/layouts.ts';
import type { ConnectionInfo } from '../common/stream_info.ts';
import { Timer } from '../common/timers.ts';
import type { Connection } from '../net/connection.ts';
import type { DrainState } from '../spi/worker_context.ts';
import { ActiveStream } from './active_stream.ts';
import type { HttpConnectionManagerConfig } from './config.ts';
import { Http1ServerConnection } from './http1_server_connection.ts';
import type { RequestReceiver, ResponseEncoder, ServerCodecCallbacks } from './server_codec.ts';

const log = logger('http');

const IdleTimeout = 0;
const MaxDuration = 1;
const HeadersTimeout = 2;

/** Milliseconds an idle connection is kept while draining: a request may be on its way to us, and closing would lose it. */
const drainGrace = 1000;

export class ConnectionManager implements ServerCodecCallbacks {
  readonly config: HttpConnectionManagerConfig;
  readonly info: ConnectionInfo;
  private readonly connection: Connection;
  private readonly codec: Http1ServerConnection;
  private readonly drainState: DrainState;
  private readonly onGone: () => void;
  private readonly openedAt = now;
  private readonly idleTimer: Timer;
  private durationTimer: Timer | undefined;
  private headersTimer: Timer | undefined;
  private stream: ActiveStream | undefined;
  private served = 0;
  private closing = false;
  private draining = false;

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
    this.codec = new Http1ServerConnection(connection, this, config);
    const { stats } = config;
    stats[HTTP.slot.downstream_cx_total]++;
    stats[HTTP.slot.downstream_cx_active]++;
    stats[HTTP.slot.downstream_cx_http1_total]++;
    stats[HTTP.slot.downstream_cx_http1_active]++;
    connection.counters = {
      stats,
      received: HTTP.slot.downstream_cx_rx_bytes_total,
      sent: HTTP.slot.downstream_cx_tx_bytes_total,
    };
    if (config.idleTimeout > 0) this.idleTimer.start(config.idleTimeout);
    if (config.maxConnectionDuration > 0) {
      this.durationTimer = new Timer(this, MaxDuration);
      this.durationTimer.start(config.maxConnectionDuration);
    }
  }

  // === ServerCodecCallbacks ===

  newStream(encoder: ResponseEncoder, keepAlive: boolean): RequestReceiver {
    this.idleTimer.stop();
    this.headersTimer?.stop();
    if (!keepAlive) this.closing = true;
    this.served++;
    const { maxRequestsPerConnection, stats } = this.config;
    if (maxRequestsPerConnection > 0 && this.served >= maxRequestsPerConnection) {
      stats[HTTP.slot.downstream_cx_max_requests_reached]++;
      this.closing = true;
    }
    this.stream = new ActiveStream(this, encoder);
    return this.stream;
  }

  onCodecError(encoder: ResponseEncoder, error: CodecError): void {
    const stream = new ActiveStream(this, encoder);
    this.stream = stream;
    this.codec.bind(stream);
    stream.onCodecError(error);
  }

  onHeadStarted(): void {
    const { requestHeadersTimeout } = this.config;
    if (requestHeadersTimeout === 0) return;
    this.headersTimer ??= new Timer(this, HeadersTimeout);
    if (!this.headersTimer.running) this.headersTimer.start(requestHeadersTimeout);
  }

  onIdle(): void {
    if (this.mustClose()) {
      this.connection.closeAfterFlush(0);
      return;
    }
    if (this.config.idleTimeout > 0) this.idleTimer.start(this.config.idleTimeout);
  }

  onConnectionClosed(local: boolean, reason: string): void {
    this.idleTimer.stop();
    this.durationTimer?.stop();
    this.headersTimer?.stop();
    const { stats } = this.config;
    stats[HTTP.slot.downstream_cx_active]--;
    stats[HTTP.slot.downstream_cx_http1_active]--;
    stats[HTTP.slot.downstream_cx_destroy]++;
    stats[local ? HTTP.slot.downstream_cx_destroy_local : HTTP.slot.downstream_cx_destroy_remote]++;
    this.config.connectionLength.record(now - this.openedAt);
    if (log.debugOn) log.debug(`${connectionTag(this.info.id)}closed ${local ? 'by us' : `by the client ${reason}`}`);
    this.onGone();
  }

  // === for the stream ===

  /** Whether the answer about to go out is the last one. */
  mustClose(): boolean {
    if (this.closing) return true;
    if (!this.draining && !this.drainState.draining) return false;
    this.config.stats[HTTP.slot.downstream_cx_drain_close]++;
    this.closing = true;
    return true;
  }

  closeAfterResponse(): void {
    this.closing = true;
  }

  onStreamOver(stream: ActiveStream): void {
    if (this.stream === stream) this.stream = undefined;
  }

  /** Lets the connection end: with the next answer, or when no request has come for a while. */
  drain(): void {
    this.draining = true;
    if (this.stream === undefined) this.idleTimer.start(drainGrace);
  }

  closeNow(): void {
    this.connection.closeNow();
  }

  onTimer(kind: number): void {
    const { stats } = this.config;
    if (kind === IdleTimeout) {
      stats[this.draining ? HTTP.slot.downstream_cx_drain_close : HTTP.slot.downstream_cx_idle_timeout]++;
      this.connection.closeAfterFlush(0);
    } else if (kind === MaxDuration) {
      stats[HTTP.slot.downstream_cx_max_duration_reached]++;
      this.drain();
    } else this.onHeadersTimeout();
  }

  private onHeadersTimeout(): void {
    if (this.stream !== undefined) return;
    this.config.stats[HTTP.slot.downstream_rq_header_timeout]++;
    this.codec.refuseHead();
  }

  /** A stream for a head that did not come in time. */
  answerHeadersTimeout(encoder: ResponseEncoder): void {
    const stream = new ActiveStream(this, encoder);
    this.stream = stream;
    this.codec.bind(stream);
    this.closing = true;
    stream.info.protocol = 'HTTP/1.1';
    stream.sendLocalReply(408, 'request header timeout', 'request_header_timeout', -1, undefined);
  }
}
