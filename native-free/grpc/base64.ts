/** Base64 of a stream (RFC 4648 section 4), as application/grpc-web-text carries it: in both directions, however it is cut. */
import { prefixBytes } from './message_framing.ts';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const PAD = 0x3d;
const INVALID = 0xff;

const charCodes: Uint8Array = Uint8Array.from(alphabet, (char) => char.charCodeAt(0));
const values: Uint8Array = new Uint8Array(256).fill(INVALID);
for (let i = 0; i < alphabet.length; i++) values[alphabet.charCodeAt(i)] = i;

/** From base64 to bytes. Each quantum of four characters may be padded: clients send texts that were encoded one by one. */
export class Base64Decoder {
  private bits = 0;
  private chars = 0;
  private pads = 0;

  /** Characters of a quantum that is not complete: 0 where the text may end. */
  get pending(): number {
    return this.chars;
  }

  /** The most bytes that `push` writes for so many characters. */
  static outputSize(length: number): number {
    return Math.ceil((length + 3) / 4) * 3;
  }

  /** Writes to the beginning of `output`; the number of bytes, or -1 when this is no base64. */
  push(text: Uint8Array, start: number, end: number, output: Uint8Array): number {
    let written = 0;
    for (let at = start; at < end; at++) {
      const char = text[at];
      if (char === PAD) {
        if (this.chars < 2) return -1;
        this.pads++;
        this.bits <<= 6;
      } else {
        const value = values[char];
        if (value === INVALID || this.pads > 0) return -1;
        this.bits = (this.bits << 6) | value;
      }
      if (++this.chars < 4) continue;
      const { bits, pads } = this;
      output[written++] = bits >>> 16;
      if (pads < 2) output[written++] = bits >>> 8;
      if (pads < 1) output[written++] = bits;
      this.bits = 0;
      this.chars = 0;
      this.pads = 0;
    }
    return written;
  }
}

/** From gRPC messages to base64, each message with its prefix encoded by itself: padded at its end. */
export class MessageTextEncoder {
  private bits = 0;
  private bytes = 0;
  private prefixRead = 0;
  /** Bytes of the message that have not come yet. */
  private left = 0;

  /** The most characters that `push` writes for so many bytes. */
  static outputSize(length: number): number {
    // Each message may add a padded quantum, and is at least a prefix long.
    return 4 * (Math.ceil(length / 3) + Math.ceil(length / prefixBytes) + 1);
  }

  /** Writes to the beginning of `output`; the number of characters. */
  push(input: Uint8Array, start: number, end: number, output: Uint8Array): number {
    let written = 0;
    for (let at = start; at < end; at++) {
      const byte = input[at];
      if (this.prefixRead === prefixBytes) this.left--;
      else if (this.prefixRead++ === 0) this.left = 0;
      else this.left = ((this.left << 8) | byte) >>> 0;
      this.bits = (this.bits << 8) | byte;
      if (++this.bytes === 3) written = this.flush(output, written);
      if (this.prefixRead === prefixBytes && this.left === 0) {
        written = this.flush(output, written);
        this.prefixRead = 0;
      }
    }
    return written;
  }

  /** What is left of a message that was cut. */
  end(output: Uint8Array): number {
    this.prefixRead = 0;
    return this.flush(output, 0);
  }

  private flush(output: Uint8Array, at: number): number {
    const { bytes } = this;
    if (bytes === 0) return at;
    const bits = this.bits << (8 * (3 - bytes));
    output[at] = charCodes[(bits >>> 18) & 63];
    output[at + 1] = charCodes[(bits >>> 12) & 63];
    output[at + 2] = bytes > 1 ? charCodes[(bits >>> 6) & 63] : PAD;
    output[at + 3] = bytes > 2 ? charCodes[bits & 63] : PAD;
    this.bits = 0;
    this.bytes = 0;
    return at + 4;
  }
}
