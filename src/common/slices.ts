/** Long work in slices: what else waits in the event loop gets its turn in between. */

export class Slices {
  private readonly most: number;
  private readonly clock: () => number;
  private begun: number;

  /** Milliseconds a slice may take. */
  constructor(most: number, clock: () => number = () => performance.now()) {
    this.most = most;
    this.clock = clock;
    this.begun = clock();
  }

  /** The slice is used up: then `await next()`. */
  get over(): boolean {
    return this.clock() - this.begun >= this.most;
  }

  /** Resolves in a later turn of the event loop, behind what waited. */
  async next(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.begun = this.clock();
  }
}
