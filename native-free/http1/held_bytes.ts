/** The part of a head that has come so far, kept between reads until its lines are whole. */
import type { Bytes } from '../bytes/bytes.ts';

const FIRST_CAPACITY = 512;
const PIECE = 4096;

/** A `Bytes` of our own: native-free code has no Buffer to make. */
class OwnBytes extends Uint8Array implements Bytes {
  latin1Slice(start = 0, end = this.length): string {
    let text = '';
    for (let at = start; at < end; at += PIECE) {
      text += String.fromCharCode.apply(null, this.subarray(at, Math.min(at + PIECE, end)) as unknown as number[]);
    }
    return text;
  }
}

/** Grows by doubling and is dropped when the head is complete: an idle connection holds nothing. */
export class HeldBytes {
  bytes: Bytes = new OwnBytes(FIRST_CAPACITY);
  length = 0;

  append(from: Bytes, start: number, end: number): void {
    const needed = this.length + end - start;
    if (needed > this.bytes.length) this.grow(needed);
    if (end - start === 1) this.bytes[this.length] = from[start];
    else this.bytes.set(from.subarray(start, end), this.length);
    this.length = needed;
  }

  private grow(needed: number): void {
    const larger = new OwnBytes(Math.max(needed, this.bytes.length * 2));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }
}
