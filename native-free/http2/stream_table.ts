/** The streams of a connection: how they are opened and ended, their receive windows, and what their owners ask of them. */
import type { Bytes } from '../bytes/bytes.ts';
import type { HeaderMap, ResponseHead } from '../headers/header_map.ts';
import { ErrorCode, type Http2ConnectionEvents, type Http2Error, type Http2Options } from './codec.ts';
import { ERRORS } from './connection_errors.ts';
import { FloodLimits } from './flood_limits.ts';
import { DEFAULT_WINDOW } from './frames/settings.ts';
import { isMalformed } from './messages/errors.ts';
import { Sender, type SenderOwner } from './sender.ts';
import { ClosedStreams } from './streams/closed_streams.ts';
import { Stream, type StreamCalls } from './streams/stream.ts';

/** Closed streams worth remembering: twice as many as may be open, within these bounds. */
const LEAST_REMEMBERED = 128;
const MOST_REMEMBERED = 8192;

export abstract class StreamTable implements SenderOwner, StreamCalls {
  failed = false;
  protected readonly options: Http2Options;
  protected readonly events: Http2ConnectionEvents;
  protected readonly sender: Sender;
  protected readonly limits: FloodLimits;
  protected readonly streams = new Map<number, Stream>();
  protected readonly closedStreams: ClosedStreams;
  /** Bytes that the peer may send on the connection. */
  protected receiveWindow: number;
  protected readonly fullReceiveWindow: number;
  /** Bytes consumed for which the peer has had no WINDOW_UPDATE. */
  private consumed = 0;
  private error: Http2Error | undefined = undefined;

  constructor(events: Http2ConnectionEvents, options: Http2Options) {
    this.events = events;
    this.options = options;
    this.limits = new FloodLimits(options);
    this.sender = new Sender(this, options, this.limits);
    const remembered = Math.max(LEAST_REMEMBERED, 2 * options.maxConcurrentStreams);
    this.closedStreams = new ClosedStreams(Math.min(remembered, MOST_REMEMBERED));
    this.fullReceiveWindow = Math.max(options.initialConnectionWindowSize, DEFAULT_WINDOW);
    this.receiveWindow = this.fullReceiveWindow;
  }

  /** The highest stream of the peer that we have dealt with. */
  protected abstract readonly lastPeerStreamId: number;

  protected addStream(id: number): Stream {
    const stream = new Stream(this, id, this.sender.peer.initialWindowSize, this.options.initialStreamWindowSize);
    this.streams.set(id, stream);
    this.limits.streamOpened();
    return stream;
  }

  /** The peer's END_STREAM has been told. */
  protected remoteEnded(stream: Stream): void {
    if (stream.localFlushed && !stream.closed) this.complete(stream);
  }

  private complete(stream: Stream): void {
    this.forget(stream);
    stream.receiver?.onComplete();
    this.afterStream();
  }

  /** It is over; nothing of it waits, and what it owes to the connection's window is given back. */
  protected forget(stream: Stream): void {
    stream.closed = true;
    this.streams.delete(stream.id);
    this.sender.drop(stream);
    const { withheld } = stream;
    stream.withheld = 0;
    this.consume(undefined, withheld);
  }

  protected afterStream(): void {
    if (this.streams.size === 0 && !this.failed) this.events.onIdle();
  }

  /** The peer broke a rule of this stream. */
  protected refuse(stream: Stream, error: Http2Error): void {
    this.resetStream(stream, error.code);
    stream.receiver?.onReset(error.code, false, error);
    this.afterStream();
  }

  private resetStream(stream: Stream, code: ErrorCode): void {
    if (!stream.remoteEnded) this.closedStreams.addReset(stream.id);
    this.forget(stream);
    if (!this.failed) this.sender.sendReset(stream.id, code);
  }

  /** A message that is not one: as configured, the end of its stream or of the connection. */
  protected refuseMessage(stream: Stream, error: Http2Error): void {
    if (isMalformed(error) && !this.options.streamErrorOnInvalidMessage) this.failBy(stream, error);
    else this.refuse(stream, error);
  }

  fail(error: Http2Error): false {
    if (this.failed) return false;
    this.failing(error);
    this.tellFailure(error);
    return false;
  }

  /** This stream is why: it hears of it before all others, with the error as its own. */
  protected failBy(stream: Stream, error: Http2Error): false {
    if (this.failed) return false;
    this.failing(error);
    this.forget(stream);
    stream.receiver?.onReset(error.code, false, error);
    this.tellFailure(error);
    return false;
  }

  /** Nothing is read or sent any more but GOAWAY; a peer that does not read gets nothing else at all. */
  protected failing(error: Http2Error): void {
    this.failed = true;
    this.error = error;
    if (error === ERRORS.outboundFlood || error === ERRORS.outboundControlFlood) this.sender.clear();
    this.sender.sendGoAway(this.lastPeerStreamId, error.code);
  }

  protected tellFailure(error: Http2Error): void {
    this.events.onConnectionError(error);
  }

  /** The transport is gone. */
  close(): void {
    this.failed = true;
    const code = this.error?.code ?? ErrorCode.Cancel;
    for (const stream of this.streams.values()) {
      this.forget(stream);
      stream.receiver?.onReset(code, false, this.error);
    }
    this.sender.clear();
  }

  /** Gives window back in steps of half a window; what comes for a paused stream is owed to both windows. */
  protected consume(stream: Stream | undefined, length: number): void {
    if (this.failed || length === 0) return;
    if (stream !== undefined && !stream.closed) {
      if (stream.pauses > 0) {
        stream.withheld += length;
        return;
      }
      stream.consumed += length;
      if (!stream.remoteEnded && stream.consumed * 2 >= this.options.initialStreamWindowSize) {
        stream.receiveWindow += stream.consumed;
        this.sender.sendWindowUpdate(stream.id, stream.consumed);
        stream.consumed = 0;
      }
    }
    this.consumed += length;
    if (this.consumed * 2 >= this.fullReceiveWindow && !this.failed) {
      this.receiveWindow += this.consumed;
      const increment = this.consumed;
      this.consumed = 0;
      this.sender.sendWindowUpdate(0, increment);
    }
  }

  // === StreamCalls ===

  sendInformational(stream: Stream, head: ResponseHead): void {
    if (!this.failed) this.sender.sendResponseHead(stream, head, false);
  }

  sendResponse(stream: Stream, head: ResponseHead, endStream: boolean): void {
    if (this.failed) return;
    stream.headSent = true;
    this.sender.sendResponseHead(stream, head, endStream);
  }

  sendData(stream: Stream, bytes: Bytes, start: number, end: number, endStream: boolean): void {
    if (!this.failed) this.sender.sendData(stream, bytes, start, end, endStream);
  }

  sendTrailers(stream: Stream, trailers: HeaderMap): void {
    if (!this.failed) this.sender.sendTrailers(stream, trailers);
  }

  resetByOwner(stream: Stream, code: ErrorCode): void {
    if (code === ErrorCode.NoError && stream.endQueued) {
      if (stream.remoteEnded || stream.unwanted) return;
      stream.unwanted = true;
      if (stream.localFlushed) this.sendUnwanted(stream);
      return;
    }
    this.resetStream(stream, code);
    this.afterStream();
  }

  resumed(stream: Stream): void {
    const { withheld } = stream;
    stream.withheld = 0;
    this.consume(stream, withheld);
  }

  /** Not before our message has left: until then the peer cannot know of it, and its frames are judged as ever. */
  private sendUnwanted(stream: Stream): void {
    this.closedStreams.addReset(stream.id);
    this.sender.sendReset(stream.id, ErrorCode.NoError);
    if (!stream.closed) this.complete(stream);
  }

  // === SenderOwner ===

  onOutput(): void {
    this.events.onOutput();
  }

  onLocalFlushed(stream: Stream): void {
    if (stream.remoteEnded) this.complete(stream);
    else if (stream.unwanted) this.sendUnwanted(stream);
  }
}
