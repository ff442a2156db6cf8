/** WINDOW_UPDATE (RFC 9113 section 6.9). */
import { Flag, FRAME_HEADER_LENGTH, FrameType, readUint31, writeFrameHeader, writeUint32 } from './frame.ts';

export const WINDOW_UPDATE_LENGTH = 4;
export const WINDOW_UPDATE_FRAME_LENGTH = FRAME_HEADER_LENGTH + WINDOW_UPDATE_LENGTH;

export function readWindowIncrement(bytes: Uint8Array, start: number): number {
  return readUint31(bytes, start);
}

/** `streamId` 0: the connection's window. */
export function writeWindowUpdate(target: Uint8Array, at: number, streamId: number, increment: number): void {
  writeFrameHeader(target, at, WINDOW_UPDATE_LENGTH, FrameType.WindowUpdate, Flag.None, streamId);
  writeUint32(target, at + FRAME_HEADER_LENGTH, increment);
}
