/** Step 8 of the data path: whose turn it is among many by their deadlines, as in Envoy's earliest-deadline-first scheduler. */

/** A binary heap of as many entries as it was made with; entries are named by their index. */
export class DeadlineHeap {
  /** Deadlines by place in the heap: none is earlier than its parent's. */
  private readonly deadlines: Float64Array;
  /** The entry at each place. */
  private readonly entries: Int32Array;

  /** `deadlines` are those of the entries in their order. */
  constructor(deadlines: Float64Array) {
    this.deadlines = deadlines.slice();
    this.entries = Int32Array.from(deadlines, (_, index) => index);
    for (let place = (deadlines.length >> 1) - 1; place >= 0; place--) this.sink(place);
  }

  /** The entry whose turn it is. */
  get first(): number {
    return this.entries[0];
  }

  /** The first one has had its turn; the next comes so much later. */
  postpone(by: number): void {
    this.deadlines[0] += by;
    this.sink(0);
  }

  private sink(start: number): void {
    const { deadlines, entries } = this;
    const deadline = deadlines[start];
    const entry = entries[start];
    let place = start;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= deadlines.length) break;
      if (child + 1 < deadlines.length && deadlines[child + 1] < deadlines[child]) child++;
      if (deadlines[child] >= deadline) break;
      deadlines[place] = deadlines[child];
      entries[place] = entries[child];
      place = child;
    }
    deadlines[place] = deadline;
    entries[place] = entry;
  }
}
