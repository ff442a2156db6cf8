/** GOAWAY (RFC 9113 section 6.8). */
import type { ErrorCode } from '../codec.ts';
import {
  Flag,
  FRAME_HEADER_LENGTH,
  FrameType,
  readUint31,
  readUint32,
  writeFrameHeader,
  writeUint32,
} from './frame.ts';

/** Without debug data, of which we send none and read none. */
export const GOAWAY_LENGTH = 8;
export const GOAWAY_FRAME_LENGTH = FRAME_HEADER_LENGTH + GOAWAY_LENGTH;

export function readGoAwayLastStream(bytes: Uint8Array, start: number): number {
  return readUint31(bytes, start);
}

export function readGoAwayCode(bytes: Uint8Array, start: number): ErrorCode {
  return readUint32(bytes, start + 4) as ErrorCode;
}

export function writeGoAway(target: Uint8Array, at: number, lastStreamId: number, code: ErrorCode): void {
  writeFrameHeader(target, at, GOAWAY_LENGTH, FrameType.GoAway, Flag.None, 0);
  writeUint32(target, at + FRAME_HEADER_LENGTH, lastStreamId);
  writeUint32(target, at + FRAME_HEADER_LENGTH + 4, code);
}
