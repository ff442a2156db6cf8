/** Step 4 of the data path: HTTP/2 towards clients: its streams, its output once a loop turn, and how it ends. */
import type { HeaderMap, RequestHead } from '../../native-free/headers/header_map.ts';
import { UPGRADE } from '../../native-free/headers/well_known.ts';
import {
  ErrorCode,
  type Http2Error,
  type Http2Options,
  type Http2ServerEvents,
  type Http2Stream,
} from '../../native-free/http2/codec.ts';
import { ServerCodec } from '../../native-free/http2/server_codec.ts';
import { Http2Keepalive, type KeepaliveOptions } from '../common/http2_keepalive.ts';
import { connectionTag, logger } from '../common/log.ts';
import { ResponseFlag } from '../common/response_flags.ts';
import { HTTP2 } from '../common/stats/layouts.ts';
import type { Connection, ConnectionCallbacks } from '../net/connection.ts';
import { runLater } from '../net/event.ts';
import { flagOf, Http2ServerStream } from './http2_server_stream.ts';
import type { ResponseEncoder, ServerCodecCallbacks, ServerConnection } from './server_codec.ts';

const log = logger('http2');

export interface Http2ServerOptions {
  readonly http2: Http2Options;
  /** Undefined: no pings. */
  readonly keepalive: KeepaliveOptions | undefined;
  /** Of all server codecs. */
  readonly http2Stats: Float64Array;
  /** Milliseconds a client is given to close its side after an error. */
  readonly delayedCloseTimeout: number;
  /** Milliseconds the end of an answer may wait for its client; 0: as long as it takes. */
  readonly streamFlushTimeout: number;
}

export class Http2ServerConnection implements ConnectionCallbacks, Http2ServerEvents, ServerConnection {
  readonly multiplexed = true;
  readonly protocol = 'HTTP/2';
  readonly stats: Float64Array;
  private readonly connection: Connection;
  private readonly callbacks: ServerCodecCallbacks;
  private readonly options: Http2ServerOptions;
  private readonly codec: ServerCodec;
  private readonly keepalive: Http2Keepalive | undefined;
  private first: Http2ServerStream | undefined;
  /** Streams whose answer is complete but has not left, and how many of them have a timer for it. */
  private leaving = 0;
  private timed = 0;
  /** A flush is due at the end of the turn. */
  private scheduled = false;
  /** The manager waits for the rest of a head. */
  private headIncomplete = false;
  /** All streams were ended: what the codec still finds in its bytes is nobody's. */
  private over = false;
  private refused: Http2Error | undefined;
  private wasActive = false;
  private localReason = 'downstream_local_disconnect';

  constructor(connection: Connection, callbacks: ServerCodecCallbacks, options: Http2ServerOptions) {
    this.connection = connection;
    this.callbacks = callbacks;
    this.options = options;
    this.stats = options.http2Stats;
    this.codec = new ServerCodec(this, options.http2);
    this.keepalive = options.keepalive === undefined ? undefined : new Http2Keepalive(this, options.keepalive);
    connection.callbacks = this;
  }

  get blocked(): boolean {
    return this.connection.blocked;
  }

  /** The client is told why, and nothing else. */
  get failed(): boolean {
    return this.codec.failed;
  }

  get idle(): boolean {
    return this.first === undefined;
  }

  // === ConnectionCallbacks ===

  onData(bytes: Buffer, start: number, end: number): void {
    this.keepalive?.onActivity();
    this.codec.receive(bytes, start, end);
    if (this.codec.readingHead !== this.headIncomplete) this.noteHead();
  }

  /** A FIN is a disconnect, as in Envoy. */
  onEnd(): void {
    this.connection.closeNow();
  }

  onBlocked(): void {
    for (let stream = this.first; stream !== undefined; stream = stream.next) stream.onConnectionBlocked(true);
  }

  onWritable(): void {
    this.flush();
    for (let stream = this.first; stream !== undefined && !this.blocked; stream = stream.next) {
      stream.onConnectionBlocked(false);
    }
  }

  onClosed(local: boolean, reason: string): void {
    this.keepalive?.stop();
    this.endStreams(
      local ? this.localReason : 'downstream_remote_disconnect',
      ResponseFlag.DownstreamConnectionTermination,
    );
    this.codec.close();
    this.callbacks.onConnectionClosed(local, reason, this.wasActive);
  }

  // === Http2ServerEvents ===

  onRequest(codecStream: Http2Stream, head: RequestHead, endStream: boolean): void {
    if (this.over) return;
    const stream = new Http2ServerStream(this, codecStream, this.upgradeOf(head));
    codecStream.receiver = stream;
    stream.next = this.first;
    if (this.first !== undefined) this.first.previous = stream;
    this.first = stream;
    this.stats[HTTP2.slot.streams_active]++;
    stream.begin(this.callbacks.newStream(stream), head, endStream);
  }

  /** The request is counted and logged, though nothing is known of it. */
  onRequestRefused(error: Http2Error): void {
    if (this.over) return;
    this.refused = error;
    this.onCount(error.counter);
    if (!this.failed) this.stats[HTTP2.slot.tx_reset]++;
    const details = error.counter === '' ? codecError(error) : error.details;
    this.callbacks.newStream(noEncoder).onStreamReset(details, flagOf(error.code));
    if (this.idle) this.callbacks.onIdle();
  }

  onOutput(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    runLater(this);
  }

  onSettings(): void {}

  /** The client opens no more streams; it will close when it has what it waits for. */
  onGoAway(): void {}

  onPingAck(): void {
    this.keepalive?.onAnswer();
  }

  /** The streams of this side tell more: theirs may last longer than the codec's. */
  onIdle(): void {}

  onCount(counter: string): void {
    const slot = (HTTP2.slot as Readonly<Record<string, number | undefined>>)[counter];
    if (slot !== undefined) this.stats[slot]++;
  }

  onConnectionError(error: Http2Error): void {
    if (this.over) return;
    const { connection } = this;
    if (log.debugOn) log.debug(`${connectionTag(connection.id)}codec error: ${error.reason}`);
    if (error !== this.refused) this.onCount(error.counter);
    this.callbacks.onProtocolError(error.counter.endsWith('_flood'));
    this.endStreams(codecError(error), ResponseFlag.DownstreamProtocolError);
    this.flush();
    connection.closeAfterFlush(this.options.delayedCloseTimeout);
  }

  // === ServerConnection ===

  shutdownNotice(): void {
    this.codec.goAway(ErrorCode.NoError, false);
  }

  goAway(): void {
    this.stats[HTTP2.slot.goaway_sent]++;
    this.codec.goAway(ErrorCode.NoError, true);
  }

  flush(): void {
    const { codec, connection } = this;
    if (connection.isClosing) return;
    if (codec.hasOutput && !connection.blocked) {
      writingTo = connection;
      codec.flush(write);
    }
    if (this.leaving > this.timed && this.options.streamFlushTimeout > 0) this.startFlushTimers();
  }

  /** Behind a header block without an end nothing can be read: the connection goes with it. */
  onHeadTimeout(): boolean {
    if (!this.headIncomplete) return true;
    this.callbacks
      .newStream(noEncoder)
      .onStreamReset('request_header_timeout', ResponseFlag.DownstreamConnectionTermination);
    this.localReason = 'request_header_timeout';
    this.codec.goAway(ErrorCode.NoError, true);
    this.flush();
    this.connection.closeAfterFlush(this.options.delayedCloseTimeout);
    return true;
  }

  abortAll(details: string): void {
    this.endStreams(details, -1);
    this.codec.close();
    this.connection.closeNow();
  }

  // === KeepaliveOwner ===

  ping(): void {
    this.codec.ping();
  }

  onKeepaliveTimeout(): void {
    this.stats[HTTP2.slot.keepalive_timeout]++;
    this.localReason = 'downstream_local_disconnect(http2_ping_timeout)';
    this.connection.closeAfterFlush(0);
  }

  // === for streams ===

  onAnswered(): void {
    this.leaving++;
  }

  remove(stream: Http2ServerStream): void {
    const { previous, next } = stream;
    stream.over = true;
    if (previous === undefined) this.first = next;
    else previous.next = next;
    if (next !== undefined) next.previous = previous;
    if (stream.answered) this.leaving--;
    if (stream.timed) this.timed--;
    this.stats[HTTP2.slot.streams_active]--;
  }

  onStreamGone(): void {
    if (this.first === undefined && !this.over) this.callbacks.onIdle();
  }

  runLater(): void {
    this.scheduled = false;
    this.flush();
  }

  private upgradeOf(head: RequestHead): string {
    if (head.method === 'CONNECT') return 'CONNECT';
    return this.options.http2.allowConnect ? (head.headers.get(UPGRADE) ?? '') : '';
  }

  private noteHead(): void {
    this.headIncomplete = this.codec.readingHead;
    if (this.headIncomplete) this.callbacks.onHeadIncomplete();
    else this.callbacks.onHeadComplete(true);
  }

  private endStreams(details: string, flag: number): void {
    this.over = true;
    for (let stream = this.first; stream !== undefined; stream = this.first) {
      this.wasActive = true;
      this.remove(stream);
      stream.end(details, flag);
    }
  }

  private startFlushTimers(): void {
    for (let stream = this.first; stream !== undefined; stream = stream.next) {
      if (!stream.answered || stream.timed) continue;
      stream.startFlushTimer(this.options.streamFlushTimeout);
      this.timed++;
    }
  }
}

function codecError({ reason }: Http2Error): string {
  return `codec_error:${reason.replaceAll(' ', '_')}`;
}

/** One function for all connections: the codec calls it before `flush` returns. */
let writingTo: Connection | undefined;
function write(bytes: Uint8Array, start: number, end: number): boolean {
  const connection = writingTo!;
  connection.writeBytes(bytes as Buffer, start, end);
  return !connection.blocked;
}

/** Of a request that nobody answers. */
const noEncoder: ResponseEncoder = {
  protocol: 'HTTP/2',
  upgrade: '',
  blocked: false,
  bind() {},
  encodeInformational() {},
  encodeHeaders() {},
  encodeData() {},
  encodeTrailers(_trailers: HeaderMap) {},
  abort() {},
  pauseRequest() {},
  resumeRequest() {},
};
