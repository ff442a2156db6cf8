/** Step 4 of the data path: HTTP/1.1 towards clients: requests one at a time, answers in order, pipelined bytes kept back. */
import type { Bytes } from '../../native-free/bytes/bytes.ts';
import type { HeaderMap, Protocol, RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import type { HeaderSpelling } from '../../native-free/headers/header_spelling.ts';
import { CONNECTION } from '../../native-free/headers/well_known.ts';
import type {
  CodecError,
  Framing,
  RequestDecoderEvents,
  RequestDecoderOptions,
} from '../../native-free/http1/codec.ts';
import { chunkHeader, encodeResponseHead, encodeTrailers, lastChunk } from '../../native-free/http1/encoder.ts';
import { responseFramingToSend } from '../../native-free/http1/framing.ts';
import { Http1RequestDecoder } from '../../native-free/http1/request_decoder.ts';
import { ResponseFlag } from '../common/response_flags.ts';
import type { Connection, ConnectionCallbacks } from '../net/connection.ts';
import { runLater } from '../net/event.ts';
import type { RequestReceiver, ResponseEncoder, ServerCodecCallbacks, ServerConnection } from './server_codec.ts';

export interface Http1ServerOptions {
  readonly decoder: RequestDecoderOptions;
  /** Milliseconds a refused or unfinished client is given to close its side. */
  readonly delayedCloseTimeout: number;
  /** A URL of scheme https is taken on TLS connections alone. */
  readonly validatesScheme: boolean;
  /** Spelling of header names in answers whose host did not give one; undefined: lower case. */
  readonly headerSpelling: HeaderSpelling | undefined;
}

/** Reads this long mean that a body streams: the next ones go to a private buffer. */
const bulkRead = 16 * 1024;

export class Http1ServerConnection
  implements ConnectionCallbacks, RequestDecoderEvents, ResponseEncoder, ServerConnection
{
  readonly multiplexed = false;
  protocol: Protocol = 'HTTP/1.1';
  upgrade = '';
  private readonly connection: Connection;
  private readonly options: Http1ServerOptions;
  private readonly decoder: Http1RequestDecoder;
  private readonly callbacks: ServerCodecCallbacks;
  private stream: RequestReceiver | undefined;
  /** Bytes behind a request whose answer is not out yet. */
  private kept: Buffer | undefined;
  /** Reading is paused because of `kept`. */
  private holding = false;
  /** Pauses of the request under way. */
  private requestPauses = 0;
  private method = '';
  private sendsBody = false;
  private requestFraming: Framing = 'none';
  private bodyLeft = 0;
  private requestDone = true;
  private responseStarted = false;
  private responseDone = true;
  private chunked = false;
  private close = false;
  /** The client said itself that it sends no more requests. */
  private clientCloses = false;

  constructor(connection: Connection, callbacks: ServerCodecCallbacks, options: Http1ServerOptions) {
    this.connection = connection;
    this.callbacks = callbacks;
    this.options = options;
    this.decoder = new Http1RequestDecoder(this, options.decoder);
    this.decoder.refusesHttpsUrl = options.validatesScheme && !connection.isTls;
    connection.callbacks = this;
  }

  get blocked(): boolean {
    return this.connection.blocked;
  }

  get idle(): boolean {
    return this.stream === undefined;
  }

  // === ConnectionCallbacks ===

  onData(bytes: Buffer, start: number, end: number): void {
    if (this.kept !== undefined) {
      this.kept = Buffer.concat([this.kept, bytes.subarray(start, end)]);
      if (!this.holding) this.connection.pauseReading();
      this.holding = true;
      return;
    }
    const taken = this.decode(bytes, start, end);
    if (this.connection.isClosing) return;
    if (start + taken < end) this.kept = Buffer.from(bytes.subarray(start + taken, end));
    this.connection.bulk = !this.requestDone && end - start >= bulkRead;
  }

  /** A FIN is a disconnect, as in Envoy: what is under way is given up, with or without an answer pending. */
  onEnd(): void {
    this.connection.closeNow();
  }

  onBlocked(): void {
    this.stream?.onDownstreamBlocked();
  }

  onWritable(): void {
    this.stream?.onDownstreamWritable();
  }

  onClosed(local: boolean, reason: string): void {
    const { stream } = this;
    this.stream = undefined;
    this.kept = undefined;
    if (stream !== undefined)
      stream.onStreamReset(
        local ? 'downstream_local_disconnect' : 'downstream_remote_disconnect',
        ResponseFlag.DownstreamConnectionTermination,
      );
    this.callbacks.onConnectionClosed(local, reason, stream !== undefined);
  }

  // === RequestDecoderEvents ===

  onRequestHead(head: RequestHead, framing: Framing, contentLength: number, keepAlive: boolean): void {
    this.stream ??= this.beginRequest();
    this.protocol = head.protocol;
    this.method = head.method;
    this.requestFraming = framing;
    this.bodyLeft = framing === 'length' ? contentLength : -1;
    this.requestDone = framing === 'none' || this.bodyLeft === 0;
    this.close = !keepAlive;
    this.clientCloses = !keepAlive;
    this.upgrade = this.decoder.upgrade;
    if (this.upgrade !== '') {
      // Nothing behind this head is to be read as a request, whatever becomes of the upgrade.
      this.decoder.startUpgrade();
      this.requestFraming = 'close';
      this.requestDone = false;
    }
    this.callbacks.onHeadComplete(keepAlive);
    this.stream.decodeHeaders(head, this.requestDone);
  }

  onBody(bytes: Bytes, start: number, end: number): void {
    if (this.requestFraming === 'length') {
      this.bodyLeft -= end - start;
      if (this.bodyLeft === 0) this.requestDone = true;
    }
    this.stream?.decodeData(bytes, start, end, this.requestDone);
  }

  onTrailers(trailers: HeaderMap): void {
    this.requestDone = true;
    this.stream?.decodeTrailers(trailers);
  }

  onMessageComplete(): void {
    if (!this.requestDone) {
      this.requestDone = true;
      this.stream?.decodeData(noBytes, 0, 0, true);
    }
    // Behind a request whose answer closes the connection nothing is a request any more, whatever the same read has brought.
    if (!this.responseDone || this.connection.isClosing) this.decoder.paused = true;
  }

  onCodecError(error: CodecError): void {
    // What comes behind the last answer of a connection is of no interest, and no request.
    if (this.stream === undefined && this.connection.isClosing) return;
    if (this.decoder.http10) this.protocol = 'HTTP/1.0';
    this.stream ??= this.beginRequest();
    this.close = true;
    this.stream.onCodecError(error);
  }

  private beginRequest(): RequestReceiver {
    this.method = '';
    this.close = false;
    this.clientCloses = false;
    this.requestDone = false;
    this.responseStarted = false;
    this.responseDone = false;
    return this.callbacks.newStream(this);
  }

  /** The stream of a request begins with its first byte, so that its timers run and its end is logged. */
  private decode(bytes: Bytes, start: number, end: number): number {
    const taken = this.decoder.decode(bytes, start, end);
    if (this.stream === undefined && this.decoder.inHead && !this.connection.isClosing) {
      this.stream = this.beginRequest();
      this.callbacks.onHeadIncomplete();
    }
    return taken;
  }

  // === ResponseEncoder ===

  encodeInformational(head: ResponseHead): void {
    if (this.protocol === 'HTTP/1.0') return;
    this.connection.writeText(encodeResponseHead(head.status, head.headers, 'none', 'HTTP/1.1'));
  }

  encodeHeaders(head: ResponseHead, endStream: boolean): void {
    const { status, headers } = head;
    this.responseStarted = true;
    const protocol = this.protocol === 'HTTP/1.0' ? 'HTTP/1.0' : 'HTTP/1.1';
    const framing = responseFramingToSend(this.method, status, headers, endStream, protocol === 'HTTP/1.0');
    const { headerSpelling } = this.options;
    this.sendsBody = framing !== 'none' && framing !== 'empty' && this.method !== 'HEAD';
    this.chunked = framing === 'chunked' && this.sendsBody;
    if (framing === 'close' || headers.get(CONNECTION) === 'close') this.close = true;
    this.connection.writeText(
      headerSpelling === undefined
        ? encodeResponseHead(status, headers, framing, protocol)
        : encodeResponseHead(status, headers, framing, protocol, headerSpelling),
    );
    if (endStream) this.finishResponse();
  }

  encodeData(bytes: Bytes, start: number, end: number, endStream: boolean): void {
    const { connection } = this;
    if (this.chunked) {
      if (end > start) {
        connection.writeText(chunkHeader(end - start));
        connection.writeBytes(bytes as Buffer, start, end);
        connection.writeText(endStream ? `\r\n${lastChunk}` : '\r\n');
      } else if (endStream) connection.writeText(lastChunk);
    } else if (this.sendsBody) connection.writeBytes(bytes as Buffer, start, end);
    if (endStream) this.finishResponse();
  }

  encodeTrailers(trailers: HeaderMap): void {
    if (this.chunked)
      this.connection.writeText(this.options.decoder.enableTrailers ? encodeTrailers(trailers) : lastChunk);
    this.finishResponse();
  }

  /** A cut answer must not look complete: no last chunk, and the connection goes (RFC 9112 section 8). */
  abort(): void {
    if (this.responseDone) return;
    this.responseDone = true;
    this.stream = undefined;
    if (this.responseStarted) this.connection.closeAfterFlush(this.options.delayedCloseTimeout);
    else this.connection.closeNow();
  }

  bind(receiver: RequestReceiver): void {
    this.stream = receiver;
  }

  pauseRequest(): void {
    this.requestPauses++;
    this.connection.pauseReading();
  }

  resumeRequest(): void {
    if (this.requestPauses === 0) return;
    this.requestPauses--;
    this.connection.resumeReading();
  }

  // === ServerConnection ===

  shutdownNotice(): void {}

  goAway(): void {}

  flush(): void {}

  onHeadTimeout(): boolean {
    return false;
  }

  abortAll(): void {
    this.connection.closeNow();
  }

  runLater(): void {
    if (this.connection.isClosing || !this.responseDone) return;
    const { kept } = this;
    this.kept = undefined;
    this.decoder.paused = false;
    if (kept === undefined) return;
    const taken = this.decode(kept, 0, kept.length);
    if (this.connection.isClosing) return;
    if (taken < kept.length) this.kept = Buffer.from(kept.subarray(taken));
    else if (this.holding) {
      this.holding = false;
      this.connection.resumeReading();
    }
  }

  private finishResponse(): void {
    this.responseDone = true;
    const { stream } = this;
    this.stream = undefined;
    stream?.onResponseEncoded();
    if (this.connection.isClosing) return;
    if (!this.requestDone) {
      // The rest of the request is not wanted; the client may still be sending it.
      this.connection.closeAfterFlush(this.options.delayedCloseTimeout);
      return;
    }
    if (this.close) {
      // Only a peer that has sent all it may send cannot be reset by closing at once.
      const ended = this.clientCloses && this.kept === undefined;
      this.connection.closeAfterFlush(ended ? 0 : this.options.delayedCloseTimeout);
      return;
    }
    // A whole request may have been answered while nobody took its body: the next one is to be read all the same.
    while (this.requestPauses > 0) this.resumeRequest();
    this.callbacks.onIdle();
    if (this.decoder.paused) runLater(this);
  }
}

const noBytes = Buffer.alloc(0);
