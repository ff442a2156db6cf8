/** Step 8 of the data path: how much of the load each priority level gets, computed as Envoy does when hosts change. */

/** How many hosts of a level are in which state. */
export interface LevelHealth {
  /** All hosts but the excluded ones count for the health of the level. */
  readonly total: number;
  readonly excluded: number;
  readonly healthy: number;
  readonly degraded: number;
  /** The same as sums of the hosts' weights. */
  readonly weights: { readonly total: number; readonly healthy: number; readonly degraded: number };
}

/** Percent of the load for the healthy and for the degraded hosts of each level; all of both add up to 100. */
export interface PriorityLoad {
  readonly healthy: number[];
  readonly degraded: number[];
  /** True where too few hosts are healthy: all of them are used then. */
  readonly panic: boolean[];
}

export interface LoadOptions {
  /** Percent; 140: a level takes all the load until less than 72 % of it are healthy. */
  readonly overprovisioningFactor: number;
  /** Percent of available hosts below which a level is in panic; 0: never. */
  readonly panicThreshold: number;
  /** The health of a level is that of its weights, not of its hosts. */
  readonly weightedPriorityHealth: boolean;
}

/** `avoid` has a bit for each level that gets nothing as long as another one can take load (retries on other priorities). */
export function priorityLoad(levels: readonly LevelHealth[], options: LoadOptions, avoid = 0): PriorityLoad {
  const share = (level: LevelHealth, which: 'healthy' | 'degraded', i: number): number => {
    const counted = level.total - level.excluded;
    if (counted <= 0 || ((avoid >> Math.min(i, 31)) & 1) === 1) return 0;
    const weighted = options.weightedPriorityHealth;
    const part = weighted ? level.weights[which] : level[which];
    const whole = weighted ? level.weights.total : counted;
    return whole === 0 ? 0 : Math.min(100, Math.floor((options.overprovisioningFactor * part) / whole));
  };
  const health = levels.map((level, i) => share(level, 'healthy', i));
  const degradedHealth = levels.map((level, i) => share(level, 'degraded', i));
  const available = Math.min(100, sum(health) + sum(degradedHealth));
  if (available === 0 && avoid !== 0) return priorityLoad(levels, options);
  const load: PriorityLoad = {
    healthy: levels.map(() => 0),
    degraded: levels.map(() => 0),
    panic: levels.map(() => false),
  };
  if (available > 0) distribute(load, health, degradedHealth, available);
  else if (options.panicThreshold === 0) {
    load.healthy[0] = 100;
    return load;
  }
  levels.forEach((level, i) => {
    load.panic[i] = available < 100 && availablePercent(level) < options.panicThreshold;
  });
  if (load.panic.every(Boolean)) distributeInTotalPanic(load, levels);
  return load;
}

function availablePercent({ total, excluded, healthy, degraded }: LevelHealth): number {
  const counted = total - excluded;
  return counted === 0 ? 0 : (100 * (healthy + degraded)) / counted;
}

/** Level by level as much as it can take, the healthy hosts of all levels before any degraded ones. */
function distribute(
  load: PriorityLoad,
  health: readonly number[],
  degradedHealth: readonly number[],
  available: number,
): void {
  let left = 100;
  const give = (target: number[], from: readonly number[]): void => {
    from.forEach((part, i) => {
      target[i] = Math.min(left, Math.floor((part * 100) / available));
      left -= target[i];
    });
  };
  give(load.healthy, health);
  give(load.degraded, degradedHealth);
  if (left === 0) return;
  // What rounding left goes to the first level that can take any.
  const first = health.findIndex((part) => part > 0);
  if (first >= 0) load.healthy[first] += left;
  else load.degraded[degradedHealth.findIndex((part) => part > 0)] += left;
}

/** All levels are in panic: each gets load by how many hosts it has. */
function distributeInTotalPanic(load: PriorityLoad, levels: readonly LevelHealth[]): void {
  const total = levels.reduce((all, level) => all + level.total, 0);
  load.healthy.fill(0);
  load.degraded.fill(0);
  if (total === 0) {
    load.healthy[0] = 100;
    return;
  }
  levels.forEach((level, i) => {
    load.healthy[i] = Math.floor((100 * level.total) / total);
  });
  load.healthy[levels.findIndex((level) => level.total > 0)] += 100 - sum(load.healthy);
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}
