/** HEADERS (RFC 9113 section 6.2): where the header block lies between padding and the old priority fields. */
import { Flag, FrameType, readUint31, writeFrameHeader } from './frame.ts';

export const HEADERS_WELL_FORMED = 0;
/** The padding or the priority fields do not fit: a connection error. */
export const HEADERS_TOO_SHORT = 1;
const HEADERS_BAD_PADDING = 2;

/** The block found by the last `readHeaders`; one for the thread, to be used at once. */
export const headersFields = {
  blockStart: 0,
  blockEnd: 0,
  /** The stream this one names as its parent; -1 without priority fields. */
  dependency: -1,
};

/** Fills `headersFields` from the payload in [start, end). */
export function readHeaders(bytes: Uint8Array, start: number, end: number, flags: number): number {
  let blockStart = start;
  let blockEnd = end;
  let dependency = -1;
  if ((flags & Flag.Padded) !== 0) {
    if (blockStart >= end) return HEADERS_TOO_SHORT;
    blockEnd -= bytes[blockStart++];
  }
  if ((flags & Flag.Priority) !== 0) {
    if (blockStart + 5 > end) return HEADERS_TOO_SHORT;
    dependency = readUint31(bytes, blockStart);
    blockStart += 5;
  }
  if (blockEnd < blockStart) return HEADERS_BAD_PADDING;
  headersFields.blockStart = blockStart;
  headersFields.blockEnd = blockEnd;
  headersFields.dependency = dependency;
  return HEADERS_WELL_FORMED;
}

export function writeHeadersHeader(
  target: Uint8Array,
  at: number,
  length: number,
  streamId: number,
  endStream: boolean,
  endHeaders: boolean,
): void {
  const flags = (endStream ? Flag.EndStream : 0) | (endHeaders ? Flag.EndHeaders : 0);
  writeFrameHeader(target, at, length, FrameType.Headers, flags, streamId);
}
