/** The fault filter's paced answers: bytes leave as a token bucket fills, in slices of 50 ms, as Envoy's StreamRateLimiter does. */
import type { Bytes } from '../../../../../native-free/bytes/bytes.ts';
import { now } from '../../../../common/clock.ts';
import { Timer, type TimerOwner } from '../../../../common/timers.ts';
import type { EncoderFilterCallbacks } from '../../../../spi/http_filter.ts';

/** Milliseconds. */
const slice = 50;

export class RateLimiter implements TimerOwner {
  private readonly callbacks: EncoderFilterCallbacks;
  /** Bytes a second, which is also what the bucket holds. */
  private readonly rate: number;
  private readonly timer = new Timer(this, 0);
  private tokens: number;
  private filledAt = now;
  /** Copies of what waits, in order; `taken` bytes of the first have gone. */
  private waiting: Buffer[] = [];
  private taken = 0;
  private size = 0;
  private paused = false;
  private ended = false;
  private hasTrailers = false;

  /** `kibibytes` a second. */
  constructor(callbacks: EncoderFilterCallbacks, kibibytes: number) {
    this.callbacks = callbacks;
    this.rate = kibibytes * 1024;
    this.tokens = (this.rate * slice) / 1000;
  }

  write(bytes: Bytes, start: number, end: number, endStream: boolean): void {
    if (end > start) {
      this.waiting.push(Buffer.from((bytes as Buffer).subarray(start, end)));
      this.size += end - start;
    }
    this.ended = endStream;
    if (!this.paused && this.size > this.callbacks.bufferLimit) {
      this.paused = true;
      this.callbacks.pauseResponse();
    }
    // Not from within the callback: the answer's headers have still to go on.
    if (!this.timer.running) this.timer.start(0);
  }

  /** Tells whether the trailers have to wait for what is before them. */
  holdTrailers(): boolean {
    this.hasTrailers = true;
    return this.size > 0 || this.timer.running;
  }

  stop(): void {
    this.timer.stop();
    this.waiting = [];
    this.size = 0;
    this.resume();
  }

  onTimer(): void {
    this.tokens = Math.min(this.rate, this.tokens + ((now - this.filledAt) * this.rate) / 1000);
    this.filledAt = now;
    const length = Math.min(this.size, Math.floor(this.tokens));
    this.tokens -= length;
    const piece = this.take(length);
    if (this.size > 0) this.timer.start(slice);
    if (this.size <= this.callbacks.bufferLimit / 2) this.resume();
    const last = this.size === 0;
    const end = this.ended && last && !this.hasTrailers;
    if (length > 0 || end) this.callbacks.injectEncodedData(piece, 0, length, end);
    if (last && this.hasTrailers) this.callbacks.continueEncoding();
  }

  private take(length: number): Buffer {
    const first = this.waiting[0];
    this.size -= length;
    if (first !== undefined && first.length - this.taken > length) {
      this.taken += length;
      return first.subarray(this.taken - length, this.taken);
    }
    const pieces: Buffer[] = [];
    for (let left = length; left > 0; ) {
      const part = this.waiting[0].subarray(this.taken, this.taken + left);
      pieces.push(part);
      left -= part.length;
      this.taken += part.length;
      if (this.taken < this.waiting[0].length) break;
      this.waiting.shift();
      this.taken = 0;
    }
    return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
  }

  private resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.callbacks.resumeResponse();
  }
}
