/** CONTINUATION (RFC 9113 section 6.10): the rest of a header block. */
import { Flag, FrameType, writeFrameHeader } from './frame.ts';

export function writeContinuationHeader(
  target: Uint8Array,
  at: number,
  length: number,
  streamId: number,
  endHeaders: boolean,
): void {
  writeFrameHeader(target, at, length, FrameType.Continuation, endHeaders ? Flag.EndHeaders : Flag.None, streamId);
}
