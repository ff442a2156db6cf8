/** The sending side of a connection: heads and frames into the output, data through both windows, all of it out by `flush`. */

import type { Bytes } from '../bytes/bytes.ts';
import { allocateBytes } from '../bytes/own_bytes.ts';
import type { HeaderMap, RequestHead, ResponseHead } from '../headers/header_map.ts';
import type { ErrorCode, Http2Error, Http2Options } from './codec.ts';
import { ERRORS } from './connection_errors.ts';
import type { FloodLimits } from './flood_limits.ts';
import { writeContinuationHeader } from './frames/continuation.ts';
import { writeDataHeader } from './frames/data.ts';
import { FRAME_HEADER_LENGTH, MAX_FRAME_SIZE, MAX_WINDOW } from './frames/frame.ts';
import { GOAWAY_FRAME_LENGTH, writeGoAway } from './frames/goaway.ts';
import { writeHeadersHeader } from './frames/headers.ts';
import { PING_FRAME_LENGTH, writePing, writePingAck } from './frames/ping.ts';
import { RST_STREAM_FRAME_LENGTH, writeRstStream } from './frames/rst_stream.ts';
import { PeerSettings, settingsFrameLength, writeSettings, writeSettingsAck } from './frames/settings.ts';
import { WINDOW_UPDATE_FRAME_LENGTH, writeWindowUpdate } from './frames/window_update.ts';
import { HpackEncoder } from './hpack/encoder.ts';
import {
  encodeRequestHead,
  encodeResponseHead,
  encodeTrailers,
  requestHeadBound,
  responseHeadBound,
  trailersBound,
} from './messages/encode_head.ts';
import { OutputQueue, type Write } from './output/output_queue.ts';
import { ReadyList } from './streams/ready_list.ts';
import { SendQueue } from './streams/send_queue.ts';
import type { Stream } from './streams/stream.ts';

/** Data in the output goes before all frames that come later, so only this much of it is framed ahead. */
const DIRECT_LIMIT = 64 * 1024;

export interface SenderOwner {
  readonly failed: boolean;
  /** Output waits where nothing waited. */
  onOutput(): void;
  /** The END_STREAM of an open stream has been handed to the transport. */
  onLocalFlushed(stream: Stream): void;
  fail(error: Http2Error): void;
}

export class Sender {
  readonly peer = new PeerSettings();
  readonly limits: FloodLimits;
  /** Bytes of data that wait for windows or the transport. */
  waiting = 0;
  private readonly owner: SenderOwner;
  private readonly options: Http2Options;
  private readonly encoder: HpackEncoder;
  private readonly output = new OutputQueue();
  private readonly ready = new ReadyList<Stream>();
  /** Streams whose END_STREAM is in the output, and an empty list to take turns with. */
  private ending: Stream[] = [];
  private ended: Stream[] = [];
  /** The connection's window: bytes of data that we may send. */
  private window = 65_535;
  /** The transport took no more when it was last asked. */
  private blocked = false;
  private flushing = false;
  /** `onOutput` has been called and there is still something to flush. */
  private told = false;

  constructor(owner: SenderOwner, options: Http2Options, limits: FloodLimits) {
    this.owner = owner;
    this.options = options;
    this.limits = limits;
    this.encoder = new HpackEncoder(options.hpackTableSize);
  }

  get hasOutput(): boolean {
    return this.output.length > 0 || (this.window > 0 && this.ready.first !== undefined && !this.owner.failed);
  }

  // === heads ===

  sendRequestHead(stream: Stream, head: RequestHead, endStream: boolean): void {
    const room = FRAME_HEADER_LENGTH + requestHeadBound(head);
    const target = this.headTarget(room);
    const start = this.headStart;
    this.headEncoded(stream, target, encodeRequestHead(this.encoder, target, start, head), endStream);
  }

  sendResponseHead(stream: Stream, head: ResponseHead, endStream: boolean): void {
    const room = FRAME_HEADER_LENGTH + responseHeadBound(head);
    const target = this.headTarget(room);
    const start = this.headStart;
    this.headEncoded(stream, target, encodeResponseHead(this.encoder, target, start, head), endStream);
  }

  /** Behind the data that waits. */
  sendTrailers(stream: Stream, trailers: HeaderMap): void {
    stream.endQueued = true;
    if (stream.waiting > 0) stream.trailers = trailers;
    else this.writeTrailers(stream, trailers);
  }

  private writeTrailers(stream: Stream, trailers: HeaderMap): void {
    const room = FRAME_HEADER_LENGTH + trailersBound(trailers);
    const target = this.headTarget(room);
    const start = this.headStart;
    this.headEncoded(stream, target, encodeTrailers(this.encoder, target, start, trailers), true);
  }

  /** Where the block of the head at hand begins, behind the room for its frame header. */
  private headStart = 0;

  /** The output itself when the head surely fits into one frame, else a buffer of its own. */
  private headTarget(room: number): Bytes {
    if (room > FRAME_HEADER_LENGTH + MAX_FRAME_SIZE) {
      this.headStart = 0;
      return allocateBytes(room);
    }
    const chunk = this.output.chunkFor(room);
    this.headStart = chunk.end + FRAME_HEADER_LENGTH;
    return chunk.bytes;
  }

  private headEncoded(stream: Stream, target: Bytes, end: number, endStream: boolean): void {
    const start = this.headStart;
    if (start === 0) {
      this.splitHead(stream, target, end, endStream);
    } else {
      const at = start - FRAME_HEADER_LENGTH;
      writeHeadersHeader(target, at, end - start, stream.id, endStream, true);
      this.output.added(this.output.chunkFor(0), end);
    }
    if (endStream) {
      stream.endQueued = true;
      this.endWritten(stream);
    }
    this.added();
  }

  /** HEADERS and CONTINUATION, nothing between them (RFC 9113 section 6.10). */
  private splitHead(stream: Stream, block: Bytes, length: number, endStream: boolean): void {
    for (let at = 0; at < length || at === 0; at += MAX_FRAME_SIZE) {
      const size = Math.min(length - at, MAX_FRAME_SIZE);
      const chunk = this.output.chunkFor(FRAME_HEADER_LENGTH + size);
      const endHeaders = at + size >= length;
      if (at === 0) writeHeadersHeader(chunk.bytes, chunk.end, size, stream.id, endStream, endHeaders);
      else writeContinuationHeader(chunk.bytes, chunk.end, size, stream.id, endHeaders);
      const from = chunk.end + FRAME_HEADER_LENGTH;
      chunk.bytes.set(block.subarray(at, at + size), from);
      this.output.added(chunk, from + size);
    }
  }

  // === data ===

  /** What the windows and the transport let out goes straight to the output, the rest waits with its stream. */
  sendData(stream: Stream, bytes: Bytes, start: number, end: number, endStream: boolean): void {
    if (start === end && !endStream) return;
    if (endStream) stream.endQueued = true;
    let at = start;
    if (stream.waiting === 0) {
      if (start === end) {
        this.writeData(stream, bytes, start, start, true);
        return;
      }
      if (this.ready.first === undefined && !this.blocked) at = this.sendNow(stream, bytes, start, end, endStream);
      if (at === end || stream.closed) return;
    }
    this.wait(stream, bytes, at, end);
  }

  private sendNow(stream: Stream, bytes: Bytes, start: number, end: number, endStream: boolean): number {
    let at = start;
    while (at < end && this.output.length < DIRECT_LIMIT && !this.owner.failed) {
      const length = Math.min(end - at, MAX_FRAME_SIZE, stream.sendWindow, this.window);
      if (length <= 0) break;
      stream.sendWindow -= length;
      this.window -= length;
      at += length;
      this.writeData(stream, bytes, at - length, at, endStream && at === end);
    }
    return at;
  }

  private writeData(stream: Stream, bytes: Bytes, start: number, end: number, endStream: boolean): void {
    const length = end - start;
    const chunk = this.output.chunkFor(FRAME_HEADER_LENGTH + length);
    writeDataHeader(chunk.bytes, chunk.end, length, stream.id, endStream);
    const from = chunk.end + FRAME_HEADER_LENGTH;
    copy(chunk.bytes, from, bytes, start, end);
    this.output.added(chunk, from + length);
    this.limits.dataFrameSent();
    if (endStream) this.endWritten(stream);
    this.added();
  }

  private wait(stream: Stream, bytes: Bytes, start: number, end: number): void {
    let { queue } = stream;
    if (queue === undefined) {
      queue = new SendQueue();
      stream.queue = queue;
    }
    queue.append(bytes, start, end);
    this.waiting += end - start;
    if (stream.sendWindow > 0) this.makeReady(stream);
    if (stream.blocked || queue.length <= this.options.streamBufferLimit) return;
    stream.blocked = true;
    stream.receiver?.onBlocked();
  }

  private makeReady(stream: Stream): void {
    this.ready.add(stream);
    if (this.window > 0) this.tell();
  }

  /** The stream is over: what waits is dropped. */
  drop(stream: Stream): void {
    this.ready.remove(stream);
    stream.trailers = undefined;
    const { queue } = stream;
    if (queue === undefined) return;
    this.waiting -= queue.length;
    queue.clear();
    stream.queue = undefined;
  }

  // === windows ===

  /** False: larger than a window can be. */
  addToWindow(increment: number): boolean {
    this.window += increment;
    if (this.window > MAX_WINDOW) return false;
    if (this.ready.first !== undefined && this.window > 0) this.tell();
    return true;
  }

  /** Negative when SETTINGS shrink it. False: larger than a window can be. */
  addToStreamWindow(stream: Stream, increment: number): boolean {
    stream.sendWindow += increment;
    if (stream.sendWindow > MAX_WINDOW) return false;
    if (stream.waiting === 0) return true;
    if (stream.sendWindow > 0) this.makeReady(stream);
    else this.ready.remove(stream);
    return true;
  }

  // === frames of the connection ===

  sendSettings(settings: readonly (readonly [number, number])[]): void {
    const chunk = this.output.chunkFor(settingsFrameLength(settings));
    writeSettings(chunk.bytes, chunk.end, settings);
    this.output.added(chunk, chunk.end + settingsFrameLength(settings));
    this.added();
  }

  /** The client's connection preface; not a frame. */
  sendPreface(preface: Uint8Array): void {
    const chunk = this.output.chunkFor(preface.length);
    chunk.bytes.set(preface, chunk.end);
    this.output.added(chunk, chunk.end + preface.length);
  }

  /** The peer's SETTINGS are in force (`peer` holds them). */
  acknowledgeSettings(): void {
    const { peer, encoder } = this;
    encoder.setMaxTableSize(peer.leastHeaderTableSize);
    encoder.setMaxTableSize(peer.headerTableSize);
    const chunk = this.output.chunkFor(FRAME_HEADER_LENGTH);
    writeSettingsAck(chunk.bytes, chunk.end);
    this.output.addedControl(chunk, chunk.end + FRAME_HEADER_LENGTH);
    this.added();
  }

  sendPing(): void {
    const chunk = this.output.chunkFor(PING_FRAME_LENGTH);
    writePing(chunk.bytes, chunk.end);
    this.output.added(chunk, chunk.end + PING_FRAME_LENGTH);
    this.added();
  }

  acknowledgePing(bytes: Bytes, start: number): void {
    const chunk = this.output.chunkFor(PING_FRAME_LENGTH);
    writePingAck(chunk.bytes, chunk.end, bytes, start);
    this.output.addedControl(chunk, chunk.end + PING_FRAME_LENGTH);
    this.added();
  }

  sendReset(streamId: number, code: ErrorCode): void {
    const chunk = this.output.chunkFor(RST_STREAM_FRAME_LENGTH);
    writeRstStream(chunk.bytes, chunk.end, streamId, code);
    this.output.addedControl(chunk, chunk.end + RST_STREAM_FRAME_LENGTH);
    this.added();
  }

  sendWindowUpdate(streamId: number, increment: number): void {
    const chunk = this.output.chunkFor(WINDOW_UPDATE_FRAME_LENGTH);
    writeWindowUpdate(chunk.bytes, chunk.end, streamId, increment);
    this.output.added(chunk, chunk.end + WINDOW_UPDATE_FRAME_LENGTH);
    this.added();
  }

  sendGoAway(lastStreamId: number, code: ErrorCode): void {
    const chunk = this.output.chunkFor(GOAWAY_FRAME_LENGTH);
    writeGoAway(chunk.bytes, chunk.end, lastStreamId, code);
    this.output.added(chunk, chunk.end + GOAWAY_FRAME_LENGTH);
    this.tell();
  }

  /** Drops all that waits: the peer has not been reading it. */
  clear(): void {
    this.output.clear();
    this.ending.length = 0;
  }

  private endWritten(stream: Stream): void {
    stream.localEnded = true;
    this.ending.push(stream);
  }

  /** Frames were added: are there too many that the peer does not take? */
  private added(): void {
    const { output, options, owner } = this;
    if (!owner.failed) {
      if (output.controlFrames > options.maxOutboundControlFrames) owner.fail(ERRORS.outboundControlFlood);
      else if (output.frames > options.maxOutboundFrames) owner.fail(ERRORS.outboundFlood);
    }
    this.tell();
  }

  private tell(): void {
    if (this.told) return;
    this.told = true;
    this.owner.onOutput();
  }

  // === flush ===

  /** The output in order, then a frame of each stream that may send, in turn. */
  flush(write: Write): void {
    if (this.flushing) return;
    this.flushing = true;
    this.blocked = false;
    while (!this.blocked) {
      if (this.output.length > 0) {
        this.blocked = !this.output.writeTo(write);
        if (this.output.length === 0) this.endingFlushed();
      } else if (this.window > 0 && this.ready.first !== undefined && !this.owner.failed) {
        this.blocked = !this.takeTurn(this.ready.first, write);
      } else {
        break;
      }
    }
    this.flushing = false;
    this.told = this.hasOutput;
  }

  /** Whoever is told may open the next stream, which is not of these. */
  private endingFlushed(): void {
    const { ending } = this;
    if (ending.length === 0) return;
    this.ending = this.ended;
    for (let i = 0; i < ending.length; i++) {
      ending[i].localFlushed = true;
      if (!ending[i].closed) this.owner.onLocalFlushed(ending[i]);
    }
    ending.length = 0;
    this.ended = ending;
  }

  private takeTurn(stream: Stream, write: Write): boolean {
    const queue = stream.queue!;
    const length = Math.min(queue.frontLength, stream.sendWindow, this.window);
    const empties = length === queue.length;
    const endStream = empties && stream.endQueued && stream.trailers === undefined;
    stream.sendWindow -= length;
    this.window -= length;
    this.waiting -= length;
    if (empties || stream.sendWindow <= 0) this.ready.remove(stream);
    else this.ready.rotate();
    const more = queue.writeFrame(write, length, stream.id, endStream);
    this.limits.dataFrameSent();
    if (stream.closed) return more;
    if (empties && queue.length === 0) this.drained(stream, endStream);
    if (stream.blocked && queue.length <= this.options.streamBufferLimit / 2 && !stream.closed) {
      stream.blocked = false;
      stream.receiver?.onWritable();
    }
    return more;
  }

  /** Nothing of the stream waits any more: its end goes out, if it has been given. */
  private drained(stream: Stream, endSent: boolean): void {
    const { trailers } = stream;
    stream.queue = undefined;
    if (trailers !== undefined) {
      stream.trailers = undefined;
      this.writeTrailers(stream, trailers);
    } else if (endSent) {
      stream.localEnded = true;
      stream.localFlushed = true;
      this.owner.onLocalFlushed(stream);
    }
  }
}

const SHORT = 48;

/** A call costs more than a few bytes. */
function copy(target: Uint8Array, at: number, bytes: Uint8Array, start: number, end: number): void {
  if (end - start > SHORT) target.set(bytes.subarray(start, end), at);
  else for (let i = start; i < end; i++) target[at + i - start] = bytes[i];
}
