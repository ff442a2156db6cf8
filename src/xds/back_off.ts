/** Control path, step 3: how long to wait before a control plane is asked again: Envoy's exponential back-off with full jitter. */

export class BackOff {
  private readonly base: number;
  private readonly most: number;
  private readonly random: () => number;
  private ceiling: number;

  /** Milliseconds. Envoy: 500 and 30,000. */
  constructor(base = 500, most = 30_000, random: () => number = Math.random) {
    this.base = base;
    this.most = most;
    this.random = random;
    this.ceiling = base;
  }

  /** Somewhere below a bound that doubles each time: clients that lost their server together do not come back together. */
  next(): number {
    const wait = Math.floor(this.random() * this.ceiling);
    this.ceiling = Math.min(this.ceiling * 2, this.most);
    return wait;
  }

  /** After something worked. */
  reset(): void {
    this.ceiling = this.base;
  }
}
