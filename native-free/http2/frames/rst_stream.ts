/** RST_STREAM (RFC 9113 section 6.4). */
import type { ErrorCode } from '../codec.ts';
import { Flag, FRAME_HEADER_LENGTH, FrameType, readUint32, writeFrameHeader, writeUint32 } from './frame.ts';

export const RST_STREAM_LENGTH = 4;
export const RST_STREAM_FRAME_LENGTH = FRAME_HEADER_LENGTH + RST_STREAM_LENGTH;

/** The code as it came: it may be none of ours. */
export function readRstStreamCode(bytes: Uint8Array, start: number): ErrorCode {
  return readUint32(bytes, start) as ErrorCode;
}

export function writeRstStream(target: Uint8Array, at: number, streamId: number, code: ErrorCode): void {
  writeFrameHeader(target, at, RST_STREAM_LENGTH, FrameType.RstStream, Flag.None, streamId);
  writeUint32(target, at + FRAME_HEADER_LENGTH, code);
}
