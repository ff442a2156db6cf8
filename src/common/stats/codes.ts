/** Counters by response status that exist from the first such response on, as Envoy's do. */
import type { StatHandle, StatsStore } from '../../spi/stats.ts';

/** Counts responses of one scope. */
export interface CodeCounters {
  /** Adds one to `<prefix><status>`, `<prefix><class>xx` and `<prefix>completed`; ignores a status not from 100 to 599. */
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
  private readonly classes: StatHandle[] = [];
  /** By class, then by the last two digits: small arrays whatever the status. */
  private readonly codes: StatHandle[][] = [[], [], [], [], [], []];

  constructor(store: StatsStore, prefix: string) {
    this.store = store;
    this.prefix = prefix;
  }

  inc(status: number): void {
    const group = (status / 100) | 0;
    if (group < 1 || group > 5) return;
    const code = this.codes[group][status % 100] ?? this.first(group, status);
    code.values[code.index]++;
    const whole = this.classes[group];
    whole.values[whole.index]++;
    const completed = this.completed!;
    completed.values[completed.index]++;
  }

  private first(group: number, status: number): StatHandle {
    this.completed ??= this.store.counter(`${this.prefix}completed`);
    this.classes[group] ??= this.store.counter(`${this.prefix}${group}xx`);
    const code = this.store.counter(this.prefix + status);
    this.codes[group][status % 100] = code;
    return code;
  }
}
