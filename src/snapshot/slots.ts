/** Numbers slots of shared memory and uses freed ones again. */

export class SlotAllocator {
  private readonly most: number;
  private readonly freed: number[] = [];
  private next = 0;

  constructor(most: number) {
    this.most = most;
  }

  /** Throws a RangeError when all are taken. */
  take(): number {
    const again = this.freed.pop();
    if (again !== undefined) return again;
    if (this.next === this.most) throw new RangeError(`no more than ${this.most} can be held at once`);
    return this.next++;
  }

  free(slot: number): void {
    this.freed.push(slot);
  }
}
