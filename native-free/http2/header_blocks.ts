/** Header blocks out of HEADERS and CONTINUATION: one that comes in one frame is read where it lies, others are gathered. */
import type { Bytes } from '../bytes/bytes.ts';
import { HeldBytes } from '../http1/held_bytes.ts';
import type { Http2Error } from './codec.ts';
import { ERRORS } from './connection_errors.ts';
import { Flag } from './frames/frame.ts';
import { HEADERS_TOO_SHORT, HEADERS_WELL_FORMED, headersFields, readHeaders } from './frames/headers.ts';

/** Full frames for the largest head that can be allowed (8 MiB) would be more, but no peer cuts one up for less than a reason. */
const MAX_FRAMES = 64;
/** Literals take a few bytes more than what they decode to. */
const SLACK = 4096;

export class HeaderBlocks {
  /** Whose block has begun and not ended; 0: nobody's. */
  streamId = 0;
  /** Frames of the block at hand. */
  frames = 0;
  complete = false;
  block: Bytes | undefined = undefined;
  blockStart = 0;
  blockEnd = 0;
  blockStreamId = 0;
  endStream = false;
  private held: HeldBytes | undefined = undefined;
  private readonly maxLength: number;
  private readonly maxFrames: number;

  constructor(maxHeaderBytes: number) {
    this.maxLength = maxHeaderBytes + SLACK;
    this.maxFrames = MAX_FRAMES + (maxHeaderBytes >>> 13);
  }

  /** A HEADERS frame; an error is the connection's. */
  begin(flags: number, streamId: number, bytes: Bytes, start: number, end: number): Http2Error | undefined {
    const found = readHeaders(bytes, start, end, flags);
    if (found !== HEADERS_WELL_FORMED) return found === HEADERS_TOO_SHORT ? ERRORS.frameLength : ERRORS.padding;
    if (headersFields.dependency === streamId) return ERRORS.selfDependency;
    this.blockStreamId = streamId;
    this.frames = 1;
    this.endStream = (flags & Flag.EndStream) !== 0;
    if ((flags & Flag.EndHeaders) !== 0) {
      this.found(bytes, headersFields.blockStart, headersFields.blockEnd);
      return undefined;
    }
    this.streamId = streamId;
    this.held = new HeldBytes();
    this.held.append(bytes, headersFields.blockStart, headersFields.blockEnd);
    return undefined;
  }

  /** A CONTINUATION frame of the same stream. */
  add(flags: number, bytes: Bytes, start: number, end: number): Http2Error | undefined {
    const held = this.held!;
    if (++this.frames > this.maxFrames) return ERRORS.continuationFlood;
    if (held.length + end - start > this.maxLength) return ERRORS.headersTooLarge;
    held.append(bytes, start, end);
    if ((flags & Flag.EndHeaders) !== 0) this.found(held.bytes, 0, held.length);
    return undefined;
  }

  /** The block has been taken. */
  release(): void {
    this.complete = false;
    this.block = undefined;
    this.held = undefined;
    this.streamId = 0;
  }

  private found(bytes: Bytes, start: number, end: number): void {
    this.block = bytes;
    this.blockStart = start;
    this.blockEnd = end;
    this.complete = true;
  }
}
