/** PING (RFC 9113 section 6.7). */
import { Flag, FRAME_HEADER_LENGTH, FrameType, writeFrameHeader } from './frame.ts';

export const PING_LENGTH = 8;
export const PING_FRAME_LENGTH = FRAME_HEADER_LENGTH + PING_LENGTH;

/** The answer to a PING whose payload begins at `from`. */
export function writePingAck(target: Uint8Array, at: number, bytes: Uint8Array, from: number): void {
  writeFrameHeader(target, at, PING_LENGTH, FrameType.Ping, Flag.Ack, 0);
  for (let i = 0; i < PING_LENGTH; i++) target[at + FRAME_HEADER_LENGTH + i] = bytes[from + i];
}

/** A PING of our own; the payload is zero, since only one is under way at a time. */
export function writePing(target: Uint8Array, at: number): void {
  writeFrameHeader(target, at, PING_LENGTH, FrameType.Ping, Flag.None, 0);
  target.fill(0, at + FRAME_HEADER_LENGTH, at + PING_FRAME_LENGTH);
}
