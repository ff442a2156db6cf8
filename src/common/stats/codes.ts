/** Counters by response status that exist from the first such response on, as Envoy's do. */
import type { StatHandle, StatsStore } from '../../spi/stats.ts';

/** Stands for the status of a response that is counted without it. */
export const omittedCode = -1;

/** Counts responses of one scope. */
export interface CodeCounters {
  /**
   * Adds one to `<prefix><status>`, `<prefix><class>xx` and `<prefix>completed`; `omittedCode` counts for the last one only.
   * A status beyond 599 counts as `<prefix>unknown` and completed.
   */
  inc(status: number): void;
}

/**
 * Counters below a prefix such as `cluster.a.upstream_rq_`. Equal names are summed, so who calls `inc()` does not count the
 * layout's `upstream_rq_completed` as well.
 */
export function codeCounters(store: StatsStore, prefix: string): CodeCounters {
  return new LazyCodeCounters(store, prefix);
}

class LazyCodeCounters implements CodeCounters {
  private readonly store: StatsStore;
  private readonly prefix: string;
  private completed: StatHandle | undefined;
  private unknown: StatHandle | undefined;
  private readonly classes: StatHandle[] = [];
  /** By class, then by the last two digits: small arrays whatever the status. */
  private readonly codes: StatHandle[][] = [[], [], [], [], [], []];

  constructor(store: StatsStore, prefix: string) {
    this.store = store;
    this.prefix = prefix;
  }

  inc(status: number): void {
    const group = (status / 100) | 0;
    if (group < 1 || group > 5) {
      if (group > 5) this.countUnknown();
      if (group > 5 || status === omittedCode) this.count();
      return;
    }
    const code = this.codes[group][status % 100] ?? this.first(group, status);
    code.values[code.index]++;
    const whole = this.classes[group];
    whole.values[whole.index]++;
    this.count();
  }

  private countUnknown(): void {
    this.unknown ??= this.store.counter(`${this.prefix}unknown`);
    this.unknown.values[this.unknown.index]++;
  }

  private count(): void {
    this.completed ??= this.store.counter(`${this.prefix}completed`);
    this.completed.values[this.completed.index]++;
  }

  private first(group: number, status: number): StatHandle {
    this.classes[group] ??= this.store.counter(`${this.prefix}${group}xx`);
    const code = this.store.counter(this.prefix + status);
    this.codes[group][status % 100] = code;
    return code;
  }
}
