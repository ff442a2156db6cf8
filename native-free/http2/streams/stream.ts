/** One stream: its state (RFC 9113 section 5.1), its windows, and what of it waits; what happens on it is the connection's work. */
import type { Bytes } from '../../bytes/bytes.ts';
import type { HeaderMap, ResponseHead } from '../../headers/header_map.ts';
import type { ErrorCode, Http2Stream, Http2StreamReceiver } from '../codec.ts';
import type { Ready } from './ready_list.ts';
import type { SendQueue } from './send_queue.ts';

/** What a stream hands on to its connection. */
export interface StreamCalls {
  sendInformational(stream: Stream, head: ResponseHead): void;
  sendResponse(stream: Stream, head: ResponseHead, endStream: boolean): void;
  sendData(stream: Stream, bytes: Bytes, start: number, end: number, endStream: boolean): void;
  sendTrailers(stream: Stream, trailers: HeaderMap): void;
  resetByOwner(stream: Stream, code: ErrorCode): void;
  resumed(stream: Stream): void;
}

export class Stream implements Http2Stream, Ready {
  readonly id: number;
  receiver: Http2StreamReceiver | undefined = undefined;
  /** Client: the protocol that the request wants its stream to become, or empty. */
  upgrade = '';
  /** Client: the method that was asked for, which says whether the answer has a body. */
  method = '';
  closed = false;
  blocked = false;
  /** Our head has been sent (a server's answer, a client's request). */
  headSent = false;
  /** The peer's head has come. */
  headReceived = false;
  /** Our END_STREAM is decided: nothing more is taken from the owner. */
  endQueued = false;
  /** Our END_STREAM is in the output. */
  localEnded = false;
  /** Our END_STREAM has been handed to the transport. */
  localFlushed = false;
  /** The rest of the peer's message is not wanted: RST_STREAM goes out behind our END_STREAM. */
  unwanted = false;
  /** The peer's END_STREAM has come. */
  remoteEnded = false;
  /** Bytes that we may send. Negative after the peer's SETTINGS have shrunk it (RFC 9113 section 6.9.2). */
  sendWindow: number;
  /** Bytes that the peer may send. */
  receiveWindow: number;
  /** Bytes consumed for which the peer has had no WINDOW_UPDATE. */
  consumed = 0;
  /** Bytes that came while paused: neither the stream's nor the connection's window is given back for them. */
  withheld = 0;
  pauses = 0;
  /** What the peer's content-length says, -1: nothing. */
  contentLength = -1;
  /** Bytes of the peer's body so far. */
  received = 0;
  queue: SendQueue | undefined = undefined;
  /** To be sent when the queue is empty. */
  trailers: HeaderMap | undefined = undefined;
  nextReady: Ready | undefined = undefined;
  previousReady: Ready | undefined = undefined;
  private readonly calls: StreamCalls;

  constructor(calls: StreamCalls, id: number, sendWindow: number, receiveWindow: number) {
    this.calls = calls;
    this.id = id;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
  }

  /** Bytes that wait for a window or the socket. */
  get waiting(): number {
    return this.queue === undefined ? 0 : this.queue.length;
  }

  sendInformational(head: ResponseHead): void {
    if (!this.closed && !this.headSent) this.calls.sendInformational(this, head);
  }

  sendResponse(head: ResponseHead, endStream: boolean): void {
    if (!this.closed && !this.headSent) this.calls.sendResponse(this, head, endStream);
  }

  sendData(bytes: Bytes, start: number, end: number, endStream: boolean): void {
    if (this.canSend()) this.calls.sendData(this, bytes, start, end, endStream);
  }

  sendTrailers(trailers: HeaderMap): void {
    if (this.canSend()) this.calls.sendTrailers(this, trailers);
  }

  reset(code: ErrorCode): void {
    if (!this.closed) this.calls.resetByOwner(this, code);
  }

  pause(): void {
    this.pauses++;
  }

  resume(): void {
    if (this.pauses === 0) return;
    if (--this.pauses === 0 && !this.closed) this.calls.resumed(this);
  }

  private canSend(): boolean {
    return !this.closed && this.headSent && !this.endQueued;
  }
}
