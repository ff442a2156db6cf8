/** Control path, step 3: resources that are only good for a time: removed when nothing renews them. */

export class TimeToLive {
  private readonly timers = new Map<string, NodeJS.Timeout>();
  private readonly onExpired: (name: string) => void;

  constructor(onExpired: (name: string) => void) {
    this.onExpired = onExpired;
  }

  /** `ttl` in milliseconds; 0: it stays until it is removed. */
  set(name: string, ttl: number): void {
    this.clear(name);
    if (ttl <= 0) return;
    const timer = setTimeout(() => {
      this.timers.delete(name);
      this.onExpired(name);
    }, ttl);
    this.timers.set(name, timer);
  }

  clear(name: string): void {
    clearTimeout(this.timers.get(name));
    this.timers.delete(name);
  }

  clearAll(): void {
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
  }
}
