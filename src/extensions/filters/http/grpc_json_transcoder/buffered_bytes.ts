/** One stream's part of a gauge of buffered bytes. */
import type { StatHandle } from '../../../../spi/stats.ts';

export class BufferedBytes {
  private readonly gauge: StatHandle;
  private bytes = 0;

  constructor(gauge: StatHandle) {
    this.gauge = gauge;
  }

  set(bytes: number): void {
    if (bytes === this.bytes) return;
    this.gauge.values[this.gauge.index] += bytes - this.bytes;
    this.bytes = bytes;
  }
}
