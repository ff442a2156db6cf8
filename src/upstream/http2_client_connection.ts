/** Step 10 of the data path: one HTTP/2 connection to a host, its streams, and the timers that end it. */
import type { RequestHead } from '../../native-free/headers/header_map.ts';
import { ClientCodec } from '../../native-free/http2/client_codec.ts';
import type {
  Http2ClientCodec,
  Http2ConnectionEvents,
  Http2Error,
  Http2Stream,
  Http2StreamReceiver,
} from '../../native-free/http2/codec.ts';
import { Http2Keepalive, type KeepaliveOwner } from '../common/http2_keepalive.ts';
import { connectionTag, logger } from '../common/log.ts';
import type { ResetReason } from '../common/reset_reason.ts';
import { CLUSTER, HTTP2 } from '../common/stats/layouts.ts';
import type { Address, TlsInfo } from '../common/stream_info.ts';
import { Timer, type TimerOwner } from '../common/timers.ts';
import type { Connection, ConnectionCallbacks } from '../net/connection.ts';
import { type LaterTask, runLater } from '../net/event.ts';
import type { ClientStream, ResponseReceiver } from './client_stream.ts';
import type { ConnectionPool, PooledConnection } from './connection_pool.ts';
import type { Host } from './host.ts';
import { Http2ClientStream } from './http2_client_stream.ts';

const log = logger('client');

/** Reads this long mean that a body streams: the next ones go to a private buffer. */
const bulkRead = 16 * 1024;

export class Http2ClientConnection
  implements PooledConnection, ConnectionCallbacks, Http2ConnectionEvents, KeepaliveOwner, TimerOwner, LaterTask
{
  readonly host: Host;
  readonly expects: number;
  listed = false;
  /** Why its streams end, once it is lost. */
  lost: ResetReason | undefined;
  private readonly pool: ConnectionPool;
  private readonly connection: Connection;
  private readonly codec: Http2ClientCodec;
  private readonly stats: Float64Array;
  private readonly openedAt: number;
  private readonly mostRequests: number;
  private readonly idleTimer: Timer;
  private readonly keepalive: Http2Keepalive | undefined;
  private local: Address | undefined;
  private active = 0;
  private streams = 0;
  private draining = false;
  /** What its host takes is known: from this connection, or from one before. */
  private settled: boolean;
  /** The host's SETTINGS have come. */
  private heard = false;
  private news = false;
  private closeSoon = false;
  private warned = false;
  private flushing = false;
  private receiving = false;
  /** Streams ended while bytes were read: waiting requests are served behind them. */
  private roomGrew = false;
  /** What the gauge of waiting bytes holds of this connection. */
  private waiting = 0;
  private readonly write = (bytes: Uint8Array, start: number, end: number): boolean => {
    this.connection.writeBytes(bytes as Buffer, start, end);
    return !this.connection.blocked;
  };

  /** `connection` is open; `openedAt`: when it began to connect. */
  constructor(pool: ConnectionPool, host: Host, connection: Connection, openedAt: number) {
    const { cluster } = pool;
    this.pool = pool;
    this.host = host;
    this.connection = connection;
    this.openedAt = openedAt;
    this.stats = cluster.http2Stats!;
    this.mostRequests = cluster.maxRequestsPerConnection || Number.POSITIVE_INFINITY;
    this.settled = pool.streamLimit !== undefined;
    this.expects = this.settled ? 0 : Math.min(pool.mostStreams, this.mostRequests) - 1;
    this.idleTimer = new Timer(this, 0);
    connection.callbacks = this;
    this.codec = new ClientCodec(this, cluster.options.http2!);
    if (cluster.idleTimeout > 0) this.idleTimer.start(cluster.idleTimeout);
    const { http2Keepalive } = cluster.options;
    if (http2Keepalive !== undefined) this.keepalive = new Http2Keepalive(this, http2Keepalive);
  }

  get id(): number {
    return this.connection.id;
  }

  /** What its host said cannot be read any more. */
  get failed(): boolean {
    return this.codec.failed;
  }

  get localAddress(): Address {
    // A system call: once a connection, not once a request.
    this.local ??= this.connection.localAddress;
    return this.local;
  }

  get tls(): TlsInfo | undefined {
    return this.connection.tls;
  }

  get room(): number {
    const { active, codec } = this;
    if (this.draining || codec.goingAway || this.connection.isClosing) return 0;
    return Math.min(this.limit - active, this.mostRequests - this.streams);
  }

  /** Streams above what the host takes would be refused: before its first word one goes ahead, then as many as it took last time. */
  private get limit(): number {
    const { pool, codec } = this;
    if (this.heard) return Math.min(pool.mostStreams, codec.peerMaxConcurrentStreams);
    return this.settled ? Math.min(pool.mostStreams, pool.streamLimit!, codec.peerMaxConcurrentStreams) : 1;
  }

  attach(receiver: ResponseReceiver): ClientStream {
    if (this.active++ === 0) this.wake();
    if (++this.streams >= this.mostRequests) {
      this.pool.cluster.stats[CLUSTER.slot.upstream_cx_max_requests]++;
      this.draining = true;
    }
    this.stats[HTTP2.slot.streams_active]++;
    return new Http2ClientStream(this, receiver);
  }

  drain(): void {
    this.draining = true;
    if (this.active === 0) this.close();
  }

  // === told by streams ===

  open(receiver: Http2StreamReceiver, head: RequestHead, endStream: boolean): Http2Stream | undefined {
    return this.connection.isClosing ? undefined : this.codec.open(receiver, head, endStream);
  }

  onStreamOver(): void {
    this.active--;
    this.stats[HTTP2.slot.streams_active]--;
    this.pool.onStreamOver(this);
    if (this.lost !== undefined) return;
    if (this.active === 0) this.rest();
    if (this.receiving) this.roomGrew = true;
    else this.pool.onRoom(this);
  }

  count(name: keyof typeof HTTP2.slot): void {
    this.stats[HTTP2.slot[name]]++;
  }

  /** As Envoy's pool sorts the ends of streams. */
  countReset(reason: ResetReason, frame: 'rx_reset' | 'tx_reset' | undefined): void {
    const { stats } = this.pool.cluster;
    const { slot } = CLUSTER;
    if (reason === 'connection termination') stats[slot.upstream_rq_pending_failure_eject]++;
    else if (reason === 'local reset' || reason === 'protocol error') stats[slot.upstream_rq_tx_reset]++;
    else if (reason === 'remote reset') stats[slot.upstream_rq_rx_reset]++;
    if (frame !== undefined) this.count(frame);
  }

  // === ConnectionCallbacks ===

  onData(bytes: Buffer, start: number, end: number): void {
    this.keepalive?.onActivity();
    this.receiving = true;
    this.codec.receive(bytes, start, end);
    this.receiving = false;
    if (this.lost !== undefined) {
      this.abandon();
      return;
    }
    this.connection.bulk = end - start >= bulkRead;
    this.tellPool();
    if (this.closeSoon) this.close();
  }

  private tellPool(): void {
    const { news, roomGrew } = this;
    this.news = false;
    this.roomGrew = false;
    if (news) this.pool.onSettled(this, this.codec.peerMaxConcurrentStreams);
    else if (roomGrew) this.pool.onRoom(this);
  }

  onEnd(): void {
    this.connection.closeNow();
  }

  /** Output stays in the codec until the host takes more. */
  onBlocked(): void {}

  onWritable(): void {
    this.runLater();
  }

  onClosed(local: boolean, reason: string): void {
    const { pool, streams, openedAt } = this;
    const busy = this.active > 0;
    this.idleTimer.stop();
    this.keepalive?.stop();
    if (log.debugOn) log.debug(`${connectionTag(this.id)}closed ${local ? 'by us' : `by the host ${reason}`}`);
    this.lost ??= 'connection termination';
    this.codec.close();
    this.noteWaiting(0);
    pool.onConnectionClosed(this, { busy, local, streams, openedAt });
  }

  // === Http2ConnectionEvents ===

  onOutput(): void {
    if (this.flushing) return;
    this.flushing = true;
    runLater(this);
  }

  /** The streams of a loop turn leave together. */
  runLater(): void {
    this.flushing = false;
    if (!this.connection.blocked && !this.connection.isClosing) this.codec.flush(this.write);
    this.noteWaiting(this.codec.waitingBytes);
  }

  private noteWaiting(bytes: number): void {
    this.stats[HTTP2.slot.pending_send_bytes] += bytes - this.waiting;
    this.waiting = bytes;
  }

  onSettings(): void {
    this.settled = true;
    this.heard = true;
    this.news = true;
    if (!this.receiving) this.tellPool();
  }

  onGoAway(): void {
    // As Envoy hears of the first one only.
    if (!this.warned) this.pool.cluster.stats[CLUSTER.slot.upstream_cx_close_notify]++;
    this.warned = true;
    this.drain();
  }

  onPingAck(): void {
    this.keepalive?.onAnswer();
  }

  onIdle(): void {}

  onCount(counter: string): void {
    this.count(counter as keyof typeof HTTP2.slot);
  }

  onConnectionError(error: Http2Error): void {
    if (log.debugOn) log.debug(`${connectionTag(this.id)}bad HTTP/2 from ${this.host.address}: ${error.reason}`);
    this.pool.cluster.stats[CLUSTER.slot.upstream_cx_protocol_error]++;
    if (error.counter !== '') this.onCount(error.counter);
    this.lost = 'protocol error';
    if (!this.receiving) this.abandon();
  }

  ping(): void {
    this.codec.ping();
  }

  onKeepaliveTimeout(): void {
    this.count('keepalive_timeout');
    this.connection.closeNow();
  }

  onTimer(): void {
    this.pool.cluster.stats[CLUSTER.slot.upstream_cx_idle_timeout]++;
    this.close();
  }

  /** The last stream is over. */
  private rest(): void {
    this.keepalive?.onRest();
    const { idleTimeout } = this.pool.cluster;
    if (this.draining || this.codec.goingAway) this.close();
    else if (idleTimeout > 0) this.idleTimer.start(idleTimeout);
  }

  private wake(): void {
    this.idleTimer.stop();
    this.keepalive?.onWake();
  }

  private close(): void {
    if (this.connection.isClosing) return;
    if (this.receiving) {
      this.closeSoon = true;
      return;
    }
    this.codec.flush(this.write);
    this.connection.closeAfterFlush(0);
  }

  /** The codec has given up: what it has to say leaves, and the streams hear of it. */
  private abandon(): void {
    this.close();
    this.codec.close();
  }
}
