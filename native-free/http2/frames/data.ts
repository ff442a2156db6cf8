/** DATA (RFC 9113 section 6.1); its payload is passed on as it comes, so only the header is written here. */
import { Flag, FrameType, writeFrameHeader } from './frame.ts';

export function writeDataHeader(
  target: Uint8Array,
  at: number,
  length: number,
  streamId: number,
  endStream: boolean,
): void {
  writeFrameHeader(target, at, length, FrameType.Data, endStream ? Flag.EndStream : Flag.None, streamId);
}
