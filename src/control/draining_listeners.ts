/** Listeners and filter chains that were replaced or removed, while their connections end: for the drain time, as in Envoy (main thread). */
import { LISTENER_MANAGER } from '../common/stats/layouts.ts';

export class DrainingListeners<T> {
  /** Of `listener_manager.` */
  private readonly stats: Float64Array;
  /** Milliseconds. */
  private readonly drainTime: number;
  private readonly listeners = new Set<T>();
  private readonly timers = new Set<NodeJS.Timeout>();
  private chains = 0;

  constructor(stats: Float64Array, drainTime: number) {
    this.stats = stats;
    this.drainTime = drainTime;
  }

  all(): readonly T[] {
    return [...this.listeners];
  }

  /** `release` is called when the last connections are gone. */
  add(listener: T, release: () => void): void {
    this.listeners.add(listener);
    this.after(() => {
      this.listeners.delete(listener);
      release();
    });
  }

  /** Filter chains of a listener that stays. */
  addChains(count: number, release: () => void): void {
    this.chains += count;
    this.after(() => {
      this.chains -= count;
      release();
    });
  }

  stop(): void {
    for (const timer of this.timers) clearTimeout(timer);
  }

  private after(done: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      done();
      this.count();
    }, this.drainTime);
    timer.unref();
    this.timers.add(timer);
    this.count();
  }

  private count(): void {
    const { slot } = LISTENER_MANAGER;
    this.stats[slot.total_listeners_draining] = this.listeners.size;
    this.stats[slot.total_filter_chains_draining] = this.chains;
  }
}
