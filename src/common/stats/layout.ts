/** How a scope's fixed names are declared: once, as a constant that turns a name into a slot number. */
import type { StatsLayout } from '../../spi/stats.ts';

/** A layout that may be for our own use. */
export interface StatsLayoutDefinition<Name extends string = string> extends StatsLayout<Name> {
  /** Not printed by /stats; read by prefix, as `/clusters` does with its hosts. */
  readonly internal: boolean;
}

/** Declares the names of a scope: first the counters, then the gauges. `id` must be unique in the process. */
export function defineLayout<const Counter extends string, const Gauge extends string = never>(
  id: string,
  counters: readonly Counter[],
  gauges: readonly Gauge[] = [],
  internal = false,
): StatsLayoutDefinition<Counter | Gauge> {
  const names: (Counter | Gauge)[] = [...counters, ...gauges];
  const slot = Object.fromEntries(names.map((name, index) => [name, index])) as Record<Counter | Gauge, number>;
  return { id, names, gauges: names.map((_, index) => index >= counters.length), slot, internal };
}
