/** Step 1 of reading: bytes to frames. Data is passed on where it lies and as it comes, other frames once they are whole. */
import type { Bytes } from '../bytes/bytes.ts';
import { HeldBytes } from '../http1/held_bytes.ts';
import { Flag, FRAME_HEADER_LENGTH, FrameType, readUint24, readUint31 } from './frames/frame.ts';

/** What to do with the payload of a frame. */
export const Payload = {
  /** The connection has failed. */
  None: 0,
  Skip: 1,
  /** DATA: to be handed on piece by piece. */
  Stream: 2,
  /** To be handed on in one piece. */
  Whole: 3,
} as const;
export type Payload = (typeof Payload)[keyof typeof Payload];

export interface FrameSink {
  readonly failed: boolean;
  /** A frame's header has come: judges it before a byte of the payload is kept. */
  onFrameHeader(type: number, flags: number, streamId: number, length: number): Payload;
  onFrame(type: number, flags: number, streamId: number, bytes: Bytes, start: number, end: number): void;
  /** A piece of the DATA frame whose header came last; `last` with its last byte. */
  onDataPiece(bytes: Bytes, start: number, end: number, last: boolean): void;
  /** Of the DATA frame whose header came last: this many bytes are padding or its length, and `data` remain. */
  onPadding(padding: number, data: number): void;
  onBadPadding(tooShort: boolean): void;
}

export class FrameReader {
  private readonly sink: FrameSink;
  private type = 0;
  private flags = 0;
  private streamId = 0;
  /** A header, or a header and the payload behind it, of which not all has come. */
  private held: HeldBytes | undefined = undefined;
  /** How long `held` gets. */
  private heldTotal = 0;
  private inData = false;
  /** The length of the padding has not come. */
  private paddingUnknown = false;
  private dataLeft = 0;
  /** Bytes that are thrown away: padding, or a payload of an unknown type. */
  private skipLeft = 0;

  constructor(sink: FrameSink) {
    this.sink = sink;
  }

  /** A HEADERS frame has begun and not ended. */
  get holdsHead(): boolean {
    return this.held !== undefined && this.heldTotal > FRAME_HEADER_LENGTH && this.type === FrameType.Headers;
  }

  receive(bytes: Bytes, start: number, end: number): void {
    const { sink } = this;
    let pos = start;
    while (pos < end && !sink.failed) {
      if (this.inData) pos = this.readData(bytes, pos, end);
      else if (this.skipLeft > 0) pos = this.skip(pos, end);
      else if (this.held !== undefined) pos = this.readHeld(bytes, pos, end, this.held);
      else if (end - pos < FRAME_HEADER_LENGTH) pos = this.hold(bytes, pos, end, FRAME_HEADER_LENGTH);
      else pos = this.readFrame(bytes, pos, end);
    }
  }

  private readFrame(bytes: Bytes, pos: number, end: number): number {
    const length = this.readHeader(bytes, pos);
    const payload = pos + FRAME_HEADER_LENGTH;
    const whole = this.begin(length, bytes, payload);
    if (whole !== Payload.Whole) return payload;
    if (payload + length > end) return this.hold(bytes, pos, end, FRAME_HEADER_LENGTH + length);
    this.sink.onFrame(this.type, this.flags, this.streamId, bytes, payload, payload + length);
    return payload + length;
  }

  private readHeader(bytes: Bytes, pos: number): number {
    this.type = bytes[pos + 3];
    this.flags = bytes[pos + 4];
    this.streamId = readUint31(bytes, pos + 5);
    return readUint24(bytes, pos);
  }

  /** Asks what is to happen with the payload and prepares for it. */
  private begin(length: number, bytes: Bytes, pos: number): Payload {
    const { sink, flags } = this;
    const payload = sink.onFrameHeader(this.type, flags, this.streamId, length);
    if (payload === Payload.Skip) {
      this.skipLeft = length;
    } else if (payload === Payload.Stream) {
      const padded = (flags & Flag.Padded) !== 0;
      if (length > 0) {
        this.inData = true;
        this.paddingUnknown = padded;
        this.dataLeft = length;
      } else if (padded) {
        sink.onBadPadding(true);
      } else {
        sink.onDataPiece(bytes, pos, pos, true);
      }
    }
    return payload;
  }

  private readData(bytes: Bytes, start: number, end: number): number {
    let pos = start;
    if (this.paddingUnknown) {
      if (!this.readPaddingLength(bytes[pos++])) return pos;
    }
    const { dataLeft } = this;
    if (dataLeft > 0 && pos === end) return pos;
    const stop = dataLeft < end - pos ? pos + dataLeft : end;
    this.dataLeft = dataLeft - (stop - pos);
    const last = this.dataLeft === 0;
    if (last && this.skipLeft > end - stop) return this.endInsidePadding(bytes, pos, stop, end);
    if (last) {
      this.inData = false;
      const after = stop + this.skipLeft;
      this.skipLeft = 0;
      this.sink.onDataPiece(bytes, pos, stop, true);
      return after;
    }
    this.sink.onDataPiece(bytes, pos, stop, false);
    return stop;
  }

  private readPaddingLength(padding: number): boolean {
    this.paddingUnknown = false;
    this.dataLeft -= 1 + padding;
    if (this.dataLeft < 0) {
      this.inData = false;
      this.sink.onBadPadding(false);
      return false;
    }
    this.skipLeft = padding;
    this.sink.onPadding(1 + padding, this.dataLeft);
    return !this.sink.failed;
  }

  /** The frame ends in another read: the end of the stream is told with its last byte. */
  private endInsidePadding(bytes: Bytes, pos: number, stop: number, end: number): number {
    this.skipLeft -= end - stop;
    if (stop > pos) this.sink.onDataPiece(bytes, pos, stop, false);
    return end;
  }

  private skip(pos: number, end: number): number {
    const stop = Math.min(end, pos + this.skipLeft);
    this.skipLeft -= stop - pos;
    return stop;
  }

  private hold(bytes: Bytes, pos: number, end: number, total: number): number {
    this.held = new HeldBytes();
    this.heldTotal = total;
    this.held.append(bytes, pos, end);
    return end;
  }

  private readHeld(bytes: Bytes, pos: number, end: number, held: HeldBytes): number {
    const stop = Math.min(end, pos + this.heldTotal - held.length);
    held.append(bytes, pos, stop);
    if (held.length < this.heldTotal) return stop;
    if (this.heldTotal > FRAME_HEADER_LENGTH) {
      this.held = undefined;
      this.sink.onFrame(this.type, this.flags, this.streamId, held.bytes, FRAME_HEADER_LENGTH, held.length);
      return stop;
    }
    const length = this.readHeader(held.bytes, 0);
    const payload = this.begin(length, bytes, stop);
    if (payload === Payload.Whole && length > 0) {
      this.heldTotal += length;
      return stop;
    }
    this.held = undefined;
    if (payload === Payload.Whole) this.sink.onFrame(this.type, this.flags, this.streamId, bytes, stop, stop);
    return stop;
  }
}
