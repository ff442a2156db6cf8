/** The streams that have data and a window of their own, in the order in which they get to send: a ring through the streams. */

export interface Ready {
  nextReady: Ready | undefined;
  previousReady: Ready | undefined;
}

export class ReadyList<T extends Ready> {
  /** Whose turn it is. */
  first: T | undefined = undefined;

  /** At the end of the ring; nothing happens to one that is in it. */
  add(stream: T): void {
    if (stream.nextReady !== undefined) return;
    const { first } = this;
    if (first === undefined) {
      stream.nextReady = stream;
      stream.previousReady = stream;
      this.first = stream;
      return;
    }
    const last = first.previousReady!;
    stream.nextReady = first;
    stream.previousReady = last;
    last.nextReady = stream;
    first.previousReady = stream;
  }

  remove(stream: T): void {
    const next = stream.nextReady;
    if (next === undefined) return;
    if (next === stream) {
      this.first = undefined;
    } else {
      const previous = stream.previousReady!;
      previous.nextReady = next;
      next.previousReady = previous;
      if (this.first === stream) this.first = next as T;
    }
    stream.nextReady = undefined;
    stream.previousReady = undefined;
  }

  /** The first one has had its turn. */
  rotate(): void {
    const { first } = this;
    if (first !== undefined) this.first = first.nextReady as T;
  }
}
