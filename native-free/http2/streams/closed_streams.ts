/** What is remembered of streams that are over, so that late frames can be told from wrong ones (RFC 9113 section 5.1). */

/** Streams that we reset while the peer may still have been sending on them; the oldest are forgotten. */
export class ClosedStreams {
  private reset: Set<number> | undefined = undefined;
  private readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  addReset(id: number): void {
    this.reset ??= new Set();
    this.reset.add(id);
    if (this.reset.size > this.limit) this.reset.delete(this.reset.values().next().value!);
  }

  /** Frames of the peer on this stream crossed our RST_STREAM and are to be ignored. */
  wasReset(id: number): boolean {
    return this.reset?.has(id) ?? false;
  }

  /** The peer has ended it too: nothing more may come. */
  peerEnded(id: number): void {
    if (this.reset === undefined) return;
    this.reset.delete(id);
    if (this.reset.size === 0) this.reset = undefined;
  }
}
