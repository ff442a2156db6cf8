/** The part of a head that has come so far, kept between reads until its lines are whole. */
import type { Bytes } from '../bytes/bytes.ts';
import { allocateBytes } from '../bytes/own_bytes.ts';

const FIRST_CAPACITY = 512;

/** Grows by doubling and is dropped when the head is complete: an idle connection holds nothing. */
export class HeldBytes {
  bytes: Bytes = allocateBytes(FIRST_CAPACITY);
  length = 0;

  append(from: Bytes, start: number, end: number): void {
    const needed = this.length + end - start;
    if (needed > this.bytes.length) this.grow(needed);
    if (end - start === 1) this.bytes[this.length] = from[start];
    else this.bytes.set(from.subarray(start, end), this.length);
    this.length = needed;
  }

  private grow(needed: number): void {
    const larger = allocateBytes(Math.max(needed, this.bytes.length * 2));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }
}
