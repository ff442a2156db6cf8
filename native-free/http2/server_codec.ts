/** The server's side of an HTTP/2 connection: requests come in, answers go out. */
import type { Bytes } from '../bytes/bytes.ts';
import type { Http2Error, Http2Options, Http2ServerCodec, Http2ServerEvents } from './codec.ts';
import { Http2Connection } from './connection.ts';
import { ERRORS } from './connection_errors.ts';
import { SettingId } from './frames/settings.ts';
import { isHttp2Error, isMalformed } from './messages/errors.ts';
import { RequestReader } from './messages/request_reader.ts';
import { CLIENT_PREFACE } from './preface.ts';
import type { Stream } from './streams/stream.ts';

export class ServerCodec extends Http2Connection implements Http2ServerCodec {
  protected readonly isClient = false;
  protected lastPeerStreamId = 0;
  private readonly serverEvents: Http2ServerEvents;
  private readonly reader: RequestReader;
  /** Bytes of the client's preface that have come. */
  private prefaceRead = 0;
  /** The last streams that the client passed over: they can never be opened (RFC 9113 section 5.1.1). */
  private skippedFrom = 0;
  private skippedTo = 0;
  /** The block of a request's head is being decoded. */
  private beginning = false;
  /** The last GOAWAY has been sent. */
  private refusing = false;

  /** `events.onOutput` is called in here already: our SETTINGS wait. */
  constructor(events: Http2ServerEvents, options: Http2Options) {
    super(events, options);
    this.serverEvents = events;
    this.reader = new RequestReader(options);
    this.sendFirstFrames([
      [SettingId.HeaderTableSize, options.hpackTableSize],
      [SettingId.EnableConnectProtocol, options.allowConnect ? 1 : 0],
      [SettingId.MaxConcurrentStreams, options.maxConcurrentStreams],
      [SettingId.InitialWindowSize, options.initialStreamWindowSize],
    ]);
  }

  get readingHead(): boolean {
    return this.blocks.streamId !== 0 || this.frames.holdsHead;
  }

  override receive(bytes: Bytes, start: number, end: number): void {
    let pos = start;
    if (this.prefaceRead < CLIENT_PREFACE.length && !this.failed) {
      while (pos < end && this.prefaceRead < CLIENT_PREFACE.length) {
        if (bytes[pos++] !== CLIENT_PREFACE[this.prefaceRead++]) {
          this.fail(ERRORS.preface);
          return;
        }
      }
    }
    super.receive(bytes, pos, end);
  }

  protected isIdle(streamId: number): boolean {
    return streamId > this.lastPeerStreamId || (streamId & 1) === 0;
  }

  protected onGoAwaySent(last: boolean): void {
    if (last) this.refusing = true;
  }

  protected onPeerGoAway(): void {}

  /** Only a request has a head. */
  protected onHead(): boolean {
    return false;
  }

  protected onBlockWithoutStream(id: number, endStream: boolean, block: Bytes, start: number, end: number): void {
    if ((id & 1) === 0) this.fail(ERRORS.streamId);
    else if (id <= this.lastPeerStreamId) this.onOldStream(id, endStream, block, start, end);
    else if (this.refusing || this.streams.size >= this.options.maxConcurrentStreams) {
      if (!this.refusing) {
        this.serverEvents.onCount('stream_refused_errors');
        this.serverEvents.onCount('tx_reset');
      }
      this.opened(id);
      if (!this.decodeForNobody(block, start, end)) return;
      this.resetUnopened(id, endStream, ERRORS.refused);
    } else this.onRequest(id, endStream, block, start, end);
  }

  private onOldStream(id: number, endStream: boolean, block: Bytes, start: number, end: number): void {
    if (!this.closedStreams.wasReset(id)) {
      this.fail(id >= this.skippedFrom && id <= this.skippedTo ? ERRORS.streamId : ERRORS.streamClosed);
      return;
    }
    if (endStream) this.closedStreams.peerEnded(id);
    this.decodeForNobody(block, start, end);
  }

  private onRequest(id: number, endStream: boolean, block: Bytes, start: number, end: number): void {
    const { reader } = this;
    this.opened(id);
    reader.begin();
    this.beginning = true;
    if (!this.decode(block, start, end, reader)) return;
    this.beginning = false;
    this.countDropped(reader.dropped);
    const head = reader.finish(endStream);
    if (isHttp2Error(head)) {
      this.refuseRequest(id, endStream, head);
      return;
    }
    const stream: Stream = this.addStream(id);
    stream.headReceived = true;
    stream.remoteEnded = endStream;
    stream.contentLength = reader.contentLength;
    this.serverEvents.onRequest(stream, head, endStream);
  }

  /** As in Envoy a request whose head had begun counts and is logged, though the connection ends within it. */
  protected override tellFailure(error: Http2Error): void {
    if (this.beginning || this.blocks.streamId > this.lastPeerStreamId) this.serverEvents.onRequestRefused(error);
    super.tellFailure(error);
  }

  private opened(id: number): void {
    if (id > this.lastPeerStreamId + 2) {
      this.skippedFrom = this.lastPeerStreamId + 1;
      this.skippedTo = id - 1;
    }
    this.lastPeerStreamId = id;
  }

  private refuseRequest(id: number, endStream: boolean, error: Http2Error): void {
    if (isMalformed(error) && !this.options.streamErrorOnInvalidMessage) {
      this.failForRequest(error);
      return;
    }
    this.serverEvents.onRequestRefused(error);
    this.resetUnopened(id, endStream, error);
  }

  private failForRequest(error: Http2Error): void {
    this.failing(error);
    this.serverEvents.onRequestRefused(error);
    this.tellFailure(error);
  }

  private resetUnopened(id: number, endStream: boolean, error: Http2Error): void {
    if (!endStream) this.closedStreams.addReset(id);
    if (!this.failed) this.sender.sendReset(id, error.code);
  }
}
