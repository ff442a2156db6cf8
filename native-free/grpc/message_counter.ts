/** Counts the messages of a gRPC body by their prefixes, without a look at the messages. */
import { prefixBytes } from './message_framing.ts';

export class MessageCounter {
  count = 0;
  private prefixRead = 0;
  private left = 0;

  /** How many messages begin in these bytes: one counts from the first byte of its prefix on, as in Envoy. */
  push(bytes: Uint8Array, start: number, end: number): number {
    const before = this.count;
    let at = start;
    while (at < end) {
      if (this.prefixRead === prefixBytes) {
        const skipped = Math.min(this.left, end - at);
        at += skipped;
        this.left -= skipped;
      } else {
        if (this.prefixRead === 0) this.count++;
        else this.left = ((this.left << 8) | bytes[at]) >>> 0;
        this.prefixRead++;
        at++;
      }
      if (this.prefixRead === prefixBytes && this.left === 0) this.prefixRead = 0;
    }
    return this.count - before;
  }
}
