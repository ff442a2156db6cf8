/** Step 2 of reading: what frames mean for the connection and its streams (RFC 9113 sections 5 and 6); the base of both roles. */
import type { Bytes } from '../bytes/bytes.ts';
import { ErrorCode, type Http2Codec, type Http2ConnectionEvents, type Http2Error, type Http2Options } from './codec.ts';
import { ERRORS, protocolError } from './connection_errors.ts';
import { FrameReader, type FrameSink, Payload } from './frame_reader.ts';
import { judgeFirst, judgeFrame } from './frame_rules.ts';
import { Flag, FrameType, MAX_STREAM_ID } from './frames/frame.ts';
import { readGoAwayCode, readGoAwayLastStream } from './frames/goaway.ts';
import { readPriorityDependency } from './frames/priority.ts';
import { readRstStreamCode } from './frames/rst_stream.ts';
import { DEFAULT_WINDOW } from './frames/settings.ts';
import { readWindowIncrement } from './frames/window_update.ts';
import { HeaderBlocks } from './header_blocks.ts';
import { HpackDecoder } from './hpack/decoder.ts';
import type { HeaderSink } from './hpack/header_field.ts';
import { isHttp2Error, ERRORS as MESSAGE_ERRORS } from './messages/errors.ts';
import { breaksContentLength } from './messages/rules.ts';
import { TrailersReader } from './messages/trailers_reader.ts';
import type { Write } from './output/output_queue.ts';
import { StreamTable } from './stream_table.ts';
import type { Stream } from './streams/stream.ts';

/** A block whose message is nobody's is decoded all the same: the table must stay in step. */
const nobody: HeaderSink = { field() {} };

export abstract class Http2Connection extends StreamTable implements Http2Codec, FrameSink {
  protected readonly blocks: HeaderBlocks;
  protected readonly frames: FrameReader;
  private readonly decoder: HpackDecoder;
  private readonly trailersReader: TrailersReader;
  private settingsSeen = false;
  private pingUnderWay = false;
  /** Whose DATA frame is being read, and whether it is the last; undefined: its bytes are nobody's. */
  private dataStream: Stream | undefined = undefined;
  private dataEnds = false;

  constructor(events: Http2ConnectionEvents, options: Http2Options) {
    super(events, options);
    this.decoder = new HpackDecoder(options.hpackTableSize, options.maxHeaderFieldBytes);
    this.trailersReader = new TrailersReader(options);
    this.blocks = new HeaderBlocks(options.maxHeaderBytes);
    this.frames = new FrameReader(this);
  }

  /** The first frames of either side. */
  protected sendFirstFrames(settings: readonly (readonly [number, number])[]): void {
    this.sender.sendSettings([...this.options.customSettings, ...settings]);
    const more = this.fullReceiveWindow - DEFAULT_WINDOW;
    if (more > 0) this.sender.sendWindowUpdate(0, more);
  }

  // === Http2Codec ===

  receive(bytes: Bytes, start: number, end: number): void {
    if (!this.failed) this.frames.receive(bytes, start, end);
  }

  flush(write: Write): void {
    this.sender.flush(write);
  }

  get hasOutput(): boolean {
    return this.sender.hasOutput;
  }

  get activeStreams(): number {
    return this.streams.size;
  }

  /** Bytes of data that wait for the peer. */
  get waitingBytes(): number {
    return this.sender.waiting;
  }

  /** One at a time: nothing happens while an answer is awaited. */
  ping(): void {
    if (this.failed || this.pingUnderWay) return;
    this.pingUnderWay = true;
    this.sender.sendPing();
  }

  goAway(code: ErrorCode, last: boolean): void {
    if (this.failed) return;
    this.sender.sendGoAway(last ? this.lastPeerStreamId : MAX_STREAM_ID, code);
    this.onGoAwaySent(last);
  }

  // === for each role ===

  protected abstract onGoAwaySent(last: boolean): void;
  /** No stream of this number has been opened yet, by whoever may. */
  protected abstract isIdle(streamId: number): boolean;
  protected abstract readonly isClient: boolean;
  /** A block for a stream that is not open. */
  protected abstract onBlockWithoutStream(
    streamId: number,
    endStream: boolean,
    block: Bytes,
    start: number,
    end: number,
  ): void;
  /** A block for an open stream: false when it is not a head but trailers. */
  protected abstract onHead(stream: Stream, endStream: boolean, block: Bytes, start: number, end: number): boolean;
  protected abstract onPeerGoAway(lastStreamId: number): void;

  // === FrameSink ===

  onFrameHeader(type: number, flags: number, streamId: number, length: number): Payload {
    const error = this.settingsSeen
      ? judgeFrame(type, flags, streamId, length, this.blocks.streamId)
      : judgeFirst(type, flags, streamId, length);
    if (error !== undefined) {
      this.fail(error);
      return Payload.None;
    }
    if (type === FrameType.Data) return this.beginData(flags, streamId, length) ? Payload.Stream : Payload.None;
    return type > FrameType.Continuation ? Payload.Skip : Payload.Whole;
  }

  onFrame(type: number, flags: number, streamId: number, bytes: Bytes, start: number, end: number): void {
    switch (type) {
      case FrameType.Headers:
        this.onBlockFragment(this.blocks.begin(flags, streamId, bytes, start, end), flags, end - start);
        break;
      case FrameType.Continuation:
        this.onBlockFragment(this.blocks.add(flags, bytes, start, end), flags, end - start);
        break;
      case FrameType.Priority:
        this.onPriority(streamId, readPriorityDependency(bytes, start));
        break;
      case FrameType.RstStream:
        this.onRstStream(streamId, readRstStreamCode(bytes, start));
        break;
      case FrameType.Settings:
        this.onSettings((flags & Flag.Ack) !== 0, bytes, start, end);
        break;
      case FrameType.Ping:
        this.onPing((flags & Flag.Ack) !== 0, bytes, start);
        break;
      case FrameType.GoAway:
        this.onGoAway(readGoAwayLastStream(bytes, start), readGoAwayCode(bytes, start));
        break;
      case FrameType.WindowUpdate:
        this.onWindowUpdate(streamId, readWindowIncrement(bytes, start));
        break;
    }
  }

  // === DATA ===

  /** Windows and states, before the first byte of the payload. */
  private beginData(flags: number, streamId: number, length: number): boolean {
    this.dataStream = undefined;
    this.dataEnds = (flags & Flag.EndStream) !== 0;
    this.receiveWindow -= length;
    if (this.receiveWindow < 0) return this.fail(ERRORS.windowExceeded);
    const stream = this.streams.get(streamId);
    if (length === 0 && !this.dataEnds && !this.limits.frame(true)) return this.failFor(stream, ERRORS.emptyFrames);
    if (stream === undefined) return this.beginLateData(streamId);
    if (stream.remoteEnded) {
      this.refuse(stream, ERRORS.halfClosed);
    } else if (!stream.headReceived) {
      this.refuse(stream, ERRORS.dataBeforeHead);
    } else {
      stream.receiveWindow -= length;
      if (stream.receiveWindow < 0) return this.fail(ERRORS.windowExceeded);
      this.dataStream = stream;
    }
    return !this.failed;
  }

  /** It crossed our RST_STREAM, or it should not be. */
  private beginLateData(streamId: number): boolean {
    if (this.isIdle(streamId)) return this.fail(ERRORS.idleStream);
    if (!this.closedStreams.wasReset(streamId)) return this.fail(ERRORS.streamClosed);
    if (this.dataEnds) this.closedStreams.peerEnded(streamId);
    return true;
  }

  onPadding(padding: number, data: number): void {
    const stream = this.openDataStream();
    this.consume(stream, padding);
    if (data === 0 && !this.dataEnds && !this.limits.frame(true)) this.failFor(stream, ERRORS.emptyFrames);
  }

  private failFor(stream: Stream | undefined, error: Http2Error): false {
    return stream === undefined ? this.fail(error) : this.failBy(stream, error);
  }

  onBadPadding(tooShort: boolean): void {
    this.fail(tooShort ? ERRORS.frameLength : ERRORS.padding);
  }

  onDataPiece(bytes: Bytes, start: number, end: number, last: boolean): void {
    const stream = this.openDataStream();
    const length = end - start;
    if (last) this.dataStream = undefined;
    if (length > 0) this.limits.frame(false);
    if (stream === undefined) {
      this.consume(undefined, length);
      return;
    }
    const endStream = last && this.dataEnds;
    stream.received += length;
    if (breaksContentLength(stream.contentLength, stream.received, endStream)) {
      this.consume(undefined, length);
      this.refuse(stream, MESSAGE_ERRORS.bodyLength);
      return;
    }
    if (endStream) stream.remoteEnded = true;
    if ((length > 0 || endStream) && !stream.unwanted) stream.receiver?.onData(bytes, start, end, endStream);
    this.consume(stream, length);
    if (endStream) this.remoteEnded(stream);
  }

  private openDataStream(): Stream | undefined {
    const stream = this.dataStream;
    return stream === undefined || stream.closed ? undefined : stream;
  }

  // === header blocks ===

  private onBlockFragment(error: Http2Error | undefined, flags: number, length: number): void {
    const ends = (flags & Flag.EndStream) !== 0 && this.blocks.frames === 1;
    if (error !== undefined) this.fail(error);
    else if (!ends && !this.limits.frame(length === 0)) this.fail(ERRORS.emptyFrames);
    else if (this.blocks.complete) this.onBlock();
  }

  private onBlock(): void {
    const { blocks } = this;
    const { block, blockStart, blockEnd, blockStreamId, endStream } = blocks;
    blocks.release();
    const stream = this.streams.get(blockStreamId);
    if (stream === undefined) this.onBlockWithoutStream(blockStreamId, endStream, block!, blockStart, blockEnd);
    else if (stream.remoteEnded) this.onLateBlock(stream, block!, blockStart, blockEnd);
    else if (!this.onHead(stream, endStream, block!, blockStart, blockEnd)) {
      this.onTrailers(stream, endStream, block!, blockStart, blockEnd);
    }
  }

  /** False: HPACK is out of step and the connection has failed. */
  protected decode(block: Bytes, start: number, end: number, sink: HeaderSink): boolean {
    return this.decoder.decode(block, start, end, sink) || this.fail(ERRORS.compression);
  }

  protected decodeForNobody(block: Bytes, start: number, end: number): boolean {
    return this.decode(block, start, end, nobody);
  }

  private onLateBlock(stream: Stream, block: Bytes, start: number, end: number): void {
    if (this.decodeForNobody(block, start, end)) this.refuse(stream, ERRORS.halfClosed);
  }

  private onTrailers(stream: Stream, endStream: boolean, block: Bytes, start: number, end: number): void {
    const reader = this.trailersReader;
    reader.begin();
    if (!this.decode(block, start, end, reader)) return;
    this.countDropped(reader.dropped);
    const trailers = reader.finish(endStream);
    if (isHttp2Error(trailers)) {
      this.refuseMessage(stream, trailers);
    } else if (breaksContentLength(stream.contentLength, stream.received, true)) {
      this.refuseMessage(stream, MESSAGE_ERRORS.trailersBeforeEnd);
    } else {
      stream.remoteEnded = true;
      if (!stream.unwanted) stream.receiver?.onTrailers(trailers);
      this.remoteEnded(stream);
    }
  }

  protected countDropped(fields: number): void {
    for (let i = 0; i < fields; i++) this.events.onCount('dropped_headers_with_underscores');
  }

  // === other frames ===

  private onPriority(streamId: number, dependency: number): void {
    if (!this.limits.priority(this.streams.size)) {
      this.fail(ERRORS.priorityFrames);
    } else if (dependency === streamId) {
      const stream = this.streams.get(streamId);
      if (stream !== undefined) this.refuse(stream, ERRORS.selfDependency);
      else this.fail(ERRORS.selfDependency);
    }
  }

  private onRstStream(streamId: number, code: ErrorCode): void {
    const stream = this.streams.get(streamId);
    if (stream !== undefined) {
      this.forget(stream);
      stream.receiver?.onReset(code, true, undefined);
      if (!this.isClient && !this.limits.reset(Date.now())) this.fail(ERRORS.resets);
      else this.afterStream();
    } else if (this.isIdle(streamId)) {
      this.fail(ERRORS.idleStream);
    } else {
      this.closedStreams.peerEnded(streamId);
    }
  }

  private onSettings(ack: boolean, bytes: Bytes, start: number, end: number): void {
    if (ack) {
      this.decoder.settingsAcknowledged();
      return;
    }
    this.settingsSeen = true;
    const { peer } = this.sender;
    const before = peer.initialWindowSize;
    const code = peer.apply(bytes, start, end, this.isClient);
    if (code !== ErrorCode.NoError) {
      this.fail(ERRORS.settings[code] ?? protocolError(code, 'bad SETTINGS'));
      return;
    }
    const change = peer.initialWindowSize - before;
    if (change !== 0 && !this.resizeWindows(change)) {
      this.fail(ERRORS.windowOverflow);
      return;
    }
    this.sender.acknowledgeSettings();
    if (!this.failed) this.events.onSettings();
  }

  private resizeWindows(change: number): boolean {
    for (const stream of this.streams.values()) if (!this.sender.addToStreamWindow(stream, change)) return false;
    return true;
  }

  private onPing(ack: boolean, bytes: Bytes, start: number): void {
    if (!ack) {
      this.sender.acknowledgePing(bytes, start);
    } else if (this.pingUnderWay) {
      this.pingUnderWay = false;
      this.events.onPingAck();
    }
  }

  private onGoAway(lastStreamId: number, code: ErrorCode): void {
    this.onPeerGoAway(lastStreamId);
    this.events.onGoAway(lastStreamId, code);
  }

  /** A zero ends the connection, though it is a stream's: as a stream error it would only serve to have streams reset by us (CVE-2025-8671). */
  private onWindowUpdate(streamId: number, increment: number): void {
    const stream = streamId === 0 ? undefined : this.streams.get(streamId);
    if (streamId !== 0 && stream === undefined && this.isIdle(streamId)) this.fail(ERRORS.idleStream);
    else if (!this.limits.windowUpdate()) this.fail(ERRORS.windowUpdateFrames);
    else if (increment === 0) this.fail(ERRORS.windowZero);
    else if (streamId === 0) {
      if (!this.sender.addToWindow(increment)) this.fail(ERRORS.windowOverflow);
    } else if (stream !== undefined && !this.sender.addToStreamWindow(stream, increment)) {
      this.refuse(stream, ERRORS.windowOverflow);
    }
  }
}
