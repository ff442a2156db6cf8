/** Step 10 of the data path: one HTTP/1.1 connection to a host, carrying one exchange at a time. */

import type { Bytes } from '../../native-free/bytes/bytes.ts';
import type { HeaderMap, RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import { UPGRADE } from '../../native-free/headers/well_known.ts';
import type { CodecError, Framing, ResponseDecoderEvents } from '../../native-free/http1/codec.ts';
import { connectionOptions } from '../../native-free/http1/connection_options.ts';
import { chunkHeader, encodeRequestHead, encodeTrailers, lastChunk } from '../../native-free/http1/encoder.ts';
import { opensTunnel, requestFramingToSend } from '../../native-free/http1/framing.ts';
import { Http1ResponseDecoder } from '../../native-free/http1/response_decoder.ts';
import { BodyBuffer } from '../common/body_buffer.ts';
import { connectionTag, logger } from '../common/log.ts';
import type { ResetReason } from '../common/reset_reason.ts';
import { CLUSTER } from '../common/stats/layouts.ts';
import type { Address, TlsInfo } from '../common/stream_info.ts';
import { Timer } from '../common/timers.ts';
import type { Connection, ConnectionCallbacks } from '../net/connection.ts';
import type { ClientStream, ResponseReceiver } from './client_stream.ts';
import type { ConnectionPool, PooledConnection } from './connection_pool.ts';
import type { Host } from './host.ts';

const log = logger('client');

/** Bytes held for an upgrade that is not accepted yet, before the client is paused. */
const mostEarly = 64 * 1024;

/** Reads this long mean that a body streams: the next ones go to a private buffer. */
const bulkRead = 16 * 1024;

export class Http1ClientConnection
  implements PooledConnection, ClientStream, ConnectionCallbacks, ResponseDecoderEvents
{
  readonly host: Host;
  readonly protocol = 'HTTP/1.1';
  readonly expects = 0;
  listed = false;
  private readonly pool: ConnectionPool;
  private readonly connection: Connection;
  private readonly decoder: Http1ResponseDecoder;
  private readonly idleTimer: Timer;
  private readonly openedAt: number;
  private local: Address | undefined;
  private receiver: ResponseReceiver | undefined;
  /** An exchange is under way, even when its receiver has gone. */
  private busy = false;
  private requestDone = false;
  private responseDone = false;
  private requestChunked = false;
  private method = '';
  /** What the client sent before the host accepted its upgrade; undefined when there is no such wait. */
  private early: BodyBuffer | undefined;
  private earlyBlocked = false;
  /** The host accepted the upgrade: what comes and goes is not HTTP. */
  private tunnel = false;
  private responseFraming: Framing = 'none';
  private bodyLeft = 0;
  private keepAlive = true;
  private requests = 0;
  private readonly mostRequests: number;

  /** `connection` is open; `openedAt`: when it began to connect. */
  constructor(pool: ConnectionPool, host: Host, connection: Connection, openedAt: number) {
    const { cluster } = pool;
    this.pool = pool;
    this.host = host;
    this.connection = connection;
    this.openedAt = openedAt;
    this.mostRequests = cluster.maxRequestsPerConnection || Number.POSITIVE_INFINITY;
    this.decoder = new Http1ResponseDecoder(this, cluster.responseOptions);
    this.idleTimer = new Timer(this, 0);
    connection.callbacks = this;
    // Opened ahead of need, or nobody waits for it any more.
    if (cluster.idleTimeout > 0) this.idleTimer.start(cluster.idleTimeout);
  }

  get connectionId(): number {
    return this.connection.id;
  }

  get localAddress(): Address {
    // A system call: once a connection, not once a request.
    this.local ??= this.connection.localAddress;
    return this.local;
  }

  get tls(): TlsInfo | undefined {
    return this.connection.tls;
  }

  /** One when it is idle and open. */
  get room(): number {
    return this.busy || this.connection.isClosing ? 0 : 1;
  }

  /** Begins an exchange. */
  attach(receiver: ResponseReceiver): ClientStream {
    this.idleTimer.stop();
    this.receiver = receiver;
    this.busy = true;
    this.requestDone = false;
    this.responseDone = false;
    if (++this.requests === this.mostRequests) this.pool.cluster.stats[CLUSTER.slot.upstream_cx_max_requests]++;
    return this;
  }

  sendHeaders(head: RequestHead, endStream: boolean): void {
    const { method, headers } = head;
    const upgrade = !endStream && (method === 'CONNECT' || headers.has(UPGRADE));
    this.decoder.expect(method, upgrade);
    if (upgrade) this.early = new BodyBuffer();
    const framing = requestFramingToSend(method, headers, endStream, upgrade);
    this.method = method;
    this.requestChunked = framing === 'chunked';
    const { options } = this.pool.cluster;
    const spelling = headers.spelling ?? options.headerSpelling;
    const path = options.fullyQualifiedUrl ? `${head.scheme}://${head.authority}${head.path}` : head.path;
    this.connection.writeText(encodeRequestHead(method, path, head.authority, headers, framing, spelling));
    if (endStream) this.finishRequest();
  }

  sendData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    const { connection } = this;
    if (this.early !== undefined) this.holdEarly(this.early, bytes, start, end);
    else if (this.requestChunked) {
      if (end > start) {
        connection.writeText(chunkHeader(end - start));
        connection.writeBytes(bytes, start, end);
        connection.writeText(endStream ? `\r\n${lastChunk}` : '\r\n');
      } else if (endStream) connection.writeText(lastChunk);
    } else connection.writeBytes(bytes, start, end);
    if (endStream) this.finishRequest();
  }

  sendTrailers(trailers: HeaderMap): void {
    const { options } = this.pool.cluster;
    if (this.requestChunked) {
      this.connection.writeText(options.response.enableTrailers ? encodeTrailers(trailers) : lastChunk);
    }
    this.finishRequest();
  }

  cancel(): void {
    this.receiver = undefined;
    if (!this.busy) return;
    if (this.requestDone && this.responseDone) return;
    this.connection.closeNow();
  }

  pauseResponse(): void {
    this.connection.pauseReading();
  }

  resumeResponse(): void {
    this.connection.resumeReading();
  }

  /** Closes an idle connection, or a busy one when its exchange is over. */
  drain(): void {
    this.keepAlive = false;
    if (!this.busy) this.connection.closeNow();
  }

  // === ConnectionCallbacks ===

  onData(bytes: Buffer, start: number, end: number): void {
    if (!this.busy) {
      // Nothing was asked: whatever this is, the connection is out of step (RFC 9112 section 9.2).
      this.pool.cluster.stats[CLUSTER.slot.upstream_cx_protocol_error]++;
      this.connection.closeNow();
      return;
    }
    const taken = this.decoder.decode(bytes, start, end);
    if (this.connection.isClosing) return;
    const unfinished = !this.responseDone;
    if (!unfinished && (taken < end - start || this.decoder.surplus)) {
      // Bytes behind an answer: the next one could not be trusted.
      this.keepAlive = false;
      this.pool.cluster.stats[CLUSTER.slot.upstream_cx_protocol_error]++;
    }
    this.connection.bulk = unfinished && end - start >= bulkRead;
    this.finishExchange();
  }

  onEnd(): void {
    if (this.tunnel) {
      this.fail('connection termination', '');
      return;
    }
    if (this.busy && !this.responseDone) this.decoder.finish();
    if (this.connection.isClosing) return;
    if (this.busy && this.responseDone) this.keepAlive = false;
    this.connection.closeNow();
  }

  onBlocked(): void {
    this.receiver?.onStreamBlocked();
  }

  onWritable(): void {
    this.receiver?.onStreamWritable();
  }

  onClosed(local: boolean, reason: string): void {
    this.idleTimer.stop();
    const { receiver, busy, requests, openedAt, pool } = this;
    this.receiver = undefined;
    if (log.debugOn)
      log.debug(`${connectionTag(this.connection.id)}closed ${local ? 'by us' : `by the host ${reason}`}`);
    if (busy) pool.onStreamOver(this);
    pool.onConnectionClosed(this, { busy, local, streams: requests, openedAt });
    if (receiver === undefined || (this.requestDone && this.responseDone)) return;
    if (local || !busy || !this.cutsMessage()) {
      receiver.onStreamReset('connection termination', '');
      return;
    }
    pool.cluster.stats[CLUSTER.slot.upstream_cx_protocol_error]++;
    receiver.onStreamReset('protocol error', 'http1.codec_error');
  }

  /** As in Envoy a reset within a message is to its parser what a FIN there is; a body without an end of its own is just cut. */
  private cutsMessage(): boolean {
    return !this.tunnel && !this.responseDone && !this.decoder.idle && this.responseFraming !== 'close';
  }

  // === ResponseDecoderEvents ===

  onInformational(head: ResponseHead): void {
    this.receiver?.onInformational(head);
  }

  onResponseHead(head: ResponseHead, framing: Framing, contentLength: number, keepAlive: boolean): void {
    this.keepAlive &&= keepAlive;
    if (!keepAlive && saysClose(head, framing)) this.pool.cluster.stats[CLUSTER.slot.upstream_cx_close_notify]++;
    this.responseFraming = framing;
    this.bodyLeft = framing === 'length' ? contentLength : -1;
    const ends = framing === 'none' || this.bodyLeft === 0;
    if (ends) this.responseDone = true;
    if (this.early !== undefined && opensTunnel(this.method, head.status)) this.openTunnel(this.early);
    this.receiver?.onResponseHeaders(head, ends);
  }

  onBody(bytes: Bytes, start: number, end: number): void {
    if (this.responseFraming === 'length') {
      this.bodyLeft -= end - start;
      if (this.bodyLeft === 0) this.responseDone = true;
    }
    this.receiver?.onResponseData(bytes as Buffer, start, end, this.responseDone);
  }

  onTrailers(trailers: HeaderMap): void {
    this.responseDone = true;
    this.receiver?.onResponseTrailers(trailers);
  }

  onMessageComplete(): void {
    if (this.responseDone) return;
    this.responseDone = true;
    this.receiver?.onResponseData(noBytes, 0, 0, true);
  }

  onCodecError(error: CodecError): void {
    if (log.debugOn)
      log.debug(`${connectionTag(this.connection.id)}bad response from ${this.host.address}: ${error.reason}`);
    this.pool.cluster.stats[CLUSTER.slot.upstream_cx_protocol_error]++;
    this.fail('protocol error', error.details);
  }

  onTimer(): void {
    this.pool.cluster.stats[CLUSTER.slot.upstream_cx_idle_timeout]++;
    this.connection.closeNow();
  }

  /** A host that refuses the upgrade must not take the client's bytes for another request: they wait for its word. */
  private holdEarly(early: BodyBuffer, bytes: Buffer, start: number, end: number): void {
    early.add(bytes, start, end);
    if (early.size <= mostEarly || this.earlyBlocked) return;
    this.earlyBlocked = true;
    this.receiver?.onStreamBlocked();
  }

  private openTunnel(early: BodyBuffer): void {
    this.tunnel = true;
    this.early = undefined;
    const held = early.take();
    if (held !== undefined) this.connection.writeBytes(held, 0, held.length);
    if (!this.earlyBlocked) return;
    this.earlyBlocked = false;
    if (!this.connection.blocked) this.receiver?.onStreamWritable();
  }

  private fail(reason: ResetReason, detail: string): void {
    const { receiver } = this;
    this.receiver = undefined;
    this.connection.closeNow();
    receiver?.onStreamReset(reason, detail);
  }

  private finishRequest(): void {
    this.requestDone = true;
    // The bytes of a tunnel have no other end.
    if (this.tunnel) this.connection.shutdownWrite();
    if (this.responseDone) this.finishExchange();
  }

  /** After an event: the exchange may be over, and the connection free, or of no more use. */
  private finishExchange(): void {
    if (!this.busy || !this.responseDone) return;
    if (!this.requestDone) {
      // Answered before the request was whole: its rest is not wanted (RFC 9112 section 9.5).
      this.receiver = undefined;
      this.connection.closeNow();
      return;
    }
    this.busy = false;
    this.receiver = undefined;
    const { pool } = this;
    pool.onStreamOver(this);
    if (!this.keepAlive || this.requests >= this.mostRequests) {
      this.connection.closeNow();
      return;
    }
    pool.onRoom(this);
    const { idleTimeout } = pool.cluster;
    if (idleTimeout > 0 && !this.busy && !this.connection.isClosing) this.idleTimer.start(idleTimeout);
  }
}

/** Not by a body alone that ends with the connection. */
function saysClose({ protocol, headers }: ResponseHead, framing: Framing): boolean {
  return framing !== 'close' || protocol === 'HTTP/1.0' || connectionOptions(headers).close;
}

const noBytes = Buffer.alloc(0);
