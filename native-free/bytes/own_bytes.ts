/** Where native-free code gets buffers of its own: what the platform has for its sockets, else plain arrays. */
import type { Bytes } from './bytes.ts';

const PIECE = 4096;

class OwnBytes extends Uint8Array implements Bytes {
  latin1Slice(start = 0, end = this.length): string {
    let text = '';
    for (let at = start; at < end; at += PIECE) {
      text += String.fromCharCode.apply(null, this.subarray(at, Math.min(at + PIECE, end)) as unknown as number[]);
    }
    return text;
  }
}

interface Platform {
  Buffer?: { allocUnsafeSlow(size: number): Bytes };
}

const platform = (globalThis as Platform).Buffer;

/** The contents may be anything. */
export const allocateBytes: (size: number) => Bytes =
  platform === undefined ? (size) => new OwnBytes(size) : (size) => platform.allocUnsafeSlow(size);
