/** Body bytes that must outlive the call they were lent for: small pieces are copied together. */
import type { Bytes } from '../../native-free/bytes/bytes.ts';

export class BodyBuffer {
  private bytes: Buffer | undefined;
  size = 0;

  add(bytes: Bytes, start: number, end: number): void {
    const length = end - start;
    if (length === 0) return;
    let target = this.bytes;
    if (target === undefined || this.size + length > target.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(this.size + length, 2 * this.size, 4096));
      if (target !== undefined) target.copy(grown, 0, 0, this.size);
      target = grown;
      this.bytes = grown;
    }
    (bytes as Buffer).copy(target, this.size, start, end);
    this.size += length;
  }

  /** All bytes so far, which stay in the buffer; undefined when there are none. Valid until the next `add`. */
  peek(): Buffer | undefined {
    return this.size === 0 ? undefined : this.bytes!.subarray(0, this.size);
  }

  /** All bytes so far, and the buffer is empty again. */
  take(): Buffer | undefined {
    const all = this.peek();
    this.bytes = undefined;
    this.size = 0;
    return all;
  }
}
