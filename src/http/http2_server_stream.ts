/** Step 4 of the data path: one request of an HTTP/2 connection and the answer to it. */
import type { Bytes } from '../../native-free/bytes/bytes.ts';
import type { HeaderMap, Protocol, RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import {
  ErrorCode,
  type Http2Error,
  type Http2Stream,
  type Http2StreamReceiver,
} from '../../native-free/http2/codec.ts';
import { ResponseFlag } from '../common/response_flags.ts';
import { HTTP2 } from '../common/stats/layouts.ts';
import { Timer } from '../common/timers.ts';
import type { Http2ServerConnection } from './http2_server_connection.ts';
import type { RequestReceiver, ResponseEncoder } from './server_codec.ts';

export class Http2ServerStream implements ResponseEncoder, Http2StreamReceiver {
  readonly protocol: Protocol = 'HTTP/2';
  readonly upgrade: string;
  previous: Http2ServerStream | undefined;
  next: Http2ServerStream | undefined;
  private readonly owner: Http2ServerConnection;
  private readonly stream: Http2Stream;
  private receiver: RequestReceiver | undefined;
  private requestDone = false;
  /** The end of the answer has been given to the codec, which may still have to send it. */
  answered = false;
  /** No longer among the streams of the connection. */
  over = false;
  private flushTimer: Timer | undefined;

  constructor(owner: Http2ServerConnection, stream: Http2Stream, upgrade: string) {
    this.owner = owner;
    this.stream = stream;
    this.upgrade = upgrade;
  }

  begin(receiver: RequestReceiver, head: RequestHead, endStream: boolean): void {
    this.receiver = receiver;
    this.requestDone = endStream;
    receiver.decodeHeaders(head, endStream);
  }

  // === Http2StreamReceiver ===

  onData(bytes: Bytes, start: number, end: number, endStream: boolean): void {
    if (endStream) this.requestDone = true;
    this.receiver?.decodeData(bytes, start, end, endStream);
  }

  onTrailers(trailers: HeaderMap): void {
    this.requestDone = true;
    this.owner.stats[HTTP2.slot.trailers]++;
    this.receiver?.decodeTrailers(trailers);
  }

  onReset(code: ErrorCode, remote: boolean, error: Http2Error | undefined): void {
    const { owner } = this;
    if (this.over) return;
    if (error !== undefined && owner.failed) {
      // The connection ends with it: the others hear of that.
      this.end(error.details, ResponseFlag.DownstreamProtocolError);
      return;
    }
    if (remote) owner.stats[HTTP2.slot.rx_reset]++;
    else if (error !== undefined) {
      owner.onCount(error.counter);
      owner.stats[HTTP2.slot.tx_reset]++;
    }
    owner.remove(this);
    if (error !== undefined) this.end(error.details, flagOf(error.code));
    else this.end(code === ErrorCode.RefusedStream ? 'http2.remote_refuse' : 'http2.remote_reset', remoteFlagOf(code));
    owner.onStreamGone();
  }

  onBlocked(): void {
    this.receiver?.onDownstreamBlocked();
  }

  onWritable(): void {
    if (!this.owner.blocked) this.receiver?.onDownstreamWritable();
  }

  onComplete(): void {
    if (this.over) return;
    this.owner.remove(this);
    this.flushTimer?.stop();
    this.owner.onStreamGone();
  }

  // === ResponseEncoder ===

  get blocked(): boolean {
    return this.stream.blocked || this.owner.blocked;
  }

  bind(receiver: RequestReceiver): void {
    this.receiver = receiver;
  }

  encodeInformational(head: ResponseHead): void {
    this.stream.sendInformational(head);
  }

  encodeHeaders(head: ResponseHead, endStream: boolean): void {
    this.stream.sendResponse(head, endStream);
    if (endStream) this.finish();
  }

  encodeData(bytes: Bytes, start: number, end: number, endStream: boolean): void {
    this.stream.sendData(bytes, start, end, endStream);
    if (endStream) this.finish();
  }

  encodeTrailers(trailers: HeaderMap): void {
    this.stream.sendTrailers(trailers);
    this.finish();
  }

  abort(connectFailed: boolean): void {
    if (this.answered || this.receiver === undefined) return;
    this.receiver = undefined;
    this.cut(connectFailed ? ErrorCode.ConnectError : ErrorCode.InternalError);
  }

  pauseRequest(): void {
    this.stream.pause();
  }

  resumeRequest(): void {
    this.stream.resume();
  }

  // === for the connection ===

  /** The connection's own word: it takes no more for now, or again. */
  onConnectionBlocked(blocked: boolean): void {
    if (blocked) this.receiver?.onDownstreamBlocked();
    else if (!this.stream.blocked) this.receiver?.onDownstreamWritable();
  }

  get timed(): boolean {
    return this.flushTimer !== undefined;
  }

  /** The end of the answer waits for a client that does not take it: for `milliseconds` at most. */
  startFlushTimer(milliseconds: number): void {
    this.flushTimer = new Timer(this, 0);
    this.flushTimer.start(milliseconds);
  }

  onTimer(): void {
    this.owner.stats[HTTP2.slot.tx_flush_timeout]++;
    this.cut(ErrorCode.InternalError);
  }

  /** The request ends here, whatever the peer knows of it. */
  end(details: string, flag: number): void {
    const { receiver } = this;
    this.receiver = undefined;
    this.flushTimer?.stop();
    receiver?.onStreamReset(details, flag);
  }

  private cut(code: ErrorCode): void {
    const { owner } = this;
    owner.stats[HTTP2.slot.tx_reset]++;
    owner.remove(this);
    this.stream.reset(code);
    owner.onStreamGone();
  }

  /** What is left of the request is not wanted: RST_STREAM with NO_ERROR behind the answer says so (RFC 9113 section 8.1). */
  private finish(): void {
    const { owner, receiver } = this;
    this.receiver = undefined;
    this.answered = true;
    owner.onAnswered();
    if (!this.requestDone) {
      owner.stats[HTTP2.slot.tx_reset]++;
      this.stream.reset(ErrorCode.NoError);
    }
    receiver?.onResponseEncoded();
  }
}

/** As Envoy: what its codec refuses by an internal error counts as the client's doing. */
export function flagOf(code: ErrorCode): number {
  return code === ErrorCode.InternalError ? ResponseFlag.DownstreamRemoteReset : ResponseFlag.DownstreamProtocolError;
}

/** A client that resets with PROTOCOL_ERROR says that there was one. */
function remoteFlagOf(code: ErrorCode): number {
  return code === ErrorCode.ProtocolError ? ResponseFlag.DownstreamProtocolError : ResponseFlag.DownstreamRemoteReset;
}
