/** Length-prefixed messages of gRPC (gRPC over HTTP/2, "Length-Prefixed-Message"): one byte of flags, four of length, the bytes. */

/** Bytes before each message. */
export const prefixBytes = 5;

/** Set in the flags of a compressed message. */
export const compressedFlag = 1;

/** Writes a prefix to `target` at `at`, which has room for it. */
export function writePrefix(target: Uint8Array, at: number, length: number, flags = 0): void {
  target[at] = flags;
  target[at + 1] = length >>> 24;
  target[at + 2] = length >>> 16;
  target[at + 3] = length >>> 8;
  target[at + 4] = length;
}

/** The message with its prefix, in a new array. */
export function frameMessage(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(prefixBytes + message.length);
  writePrefix(frame, 0, message.length);
  frame.set(message, prefixBytes);
  return frame;
}

/** Told of each message: lent for the call, or the caller's own when it came in several pieces. */
export type OnMessage = (message: Uint8Array, flags: number) => void;

const firstCapacity = 4096;

/** Finds messages in a stream of bytes, however it is cut. */
export class MessageReader {
  private readonly maxMessageBytes: number;
  private prefixRead = 0;
  private flags = 0;
  private length = 0;
  /** What has come of a message that came in pieces; grows with it, not with what its prefix promises. */
  private held: Uint8Array | undefined;
  private heldBytes = 0;
  private stopped = false;

  constructor(maxMessageBytes: number) {
    this.maxMessageBytes = maxMessageBytes;
  }

  /** A message has begun and is not complete. */
  get partial(): boolean {
    return this.prefixRead > 0;
  }

  /** False when a message is too long; nothing is read any more then. `onMessage` may call `stop()`. */
  push(bytes: Uint8Array, onMessage: OnMessage, start = 0, end: number = bytes.length): boolean {
    let at = start;
    while (at < end && !this.stopped) {
      if (this.prefixRead < prefixBytes) {
        this.readPrefix(bytes[at++]);
        if (this.prefixRead < prefixBytes) continue;
        if (this.length > this.maxMessageBytes) {
          this.stopped = true;
          return false;
        }
        if (this.length > 0) continue;
      }
      at = this.readMessage(bytes, at, end, onMessage);
    }
    return !this.stopped;
  }

  /** Reads no more. */
  stop(): void {
    this.stopped = true;
    this.held = undefined;
  }

  private readPrefix(byte: number): void {
    if (this.prefixRead === 0) {
      this.flags = byte;
      this.length = 0;
    } else this.length = ((this.length << 8) | byte) >>> 0;
    this.prefixRead++;
  }

  private readMessage(bytes: Uint8Array, start: number, end: number, onMessage: OnMessage): number {
    const missing = this.length - this.heldBytes;
    if (end - start < missing) {
      this.hold(bytes, start, end);
      return end;
    }
    const messageEnd = start + missing;
    let message = bytes.subarray(start, messageEnd);
    if (this.held !== undefined) {
      this.hold(bytes, start, messageEnd);
      message = this.held.subarray(0, this.length);
    }
    this.held = undefined;
    this.heldBytes = 0;
    this.prefixRead = 0;
    onMessage(message, this.flags);
    return messageEnd;
  }

  private hold(bytes: Uint8Array, start: number, end: number): void {
    const needed = this.heldBytes + end - start;
    if (this.held === undefined || needed > this.held.length) {
      const capacity = Math.min(this.length, Math.max(needed, 2 * this.heldBytes, firstCapacity));
      const grown = new Uint8Array(capacity);
      if (this.held !== undefined) grown.set(this.held.subarray(0, this.heldBytes));
      this.held = grown;
    }
    this.held.set(bytes.subarray(start, end), this.heldBytes);
    this.heldBytes = needed;
  }
}
