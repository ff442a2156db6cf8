/** What one host's checks add up to (control path: health): Envoy's thresholds, edges and intervals. */
import type { HealthCheckSettings } from './settings.ts';

/** What a check found. */
export type CheckOutcome =
  | 'healthy'
  | 'degraded'
  /** It answered, and said no: unhealthy at once. */
  | 'unhealthy'
  /** It answered with a status that counts to the threshold. */
  | 'retriable'
  /** No connection, or it broke. */
  | 'network failure'
  | 'timeout';

export interface CheckResult {
  /** The host is taken for healthy now. */
  readonly healthy: boolean;
  readonly degraded: boolean;
  readonly timedOut: boolean;
  /** Healthy or degraded are others than before. */
  readonly changed: boolean;
  /** The next answer may change it. */
  readonly pending: boolean;
}

export class CheckState {
  private readonly settings: HealthCheckSettings;
  private healthy: boolean;
  private degraded = false;
  private first = true;
  private successes = 0;
  private failures = 0;

  /** A host that was healthy in the cluster this one replaces stays so. */
  constructor(settings: HealthCheckSettings, healthy: boolean) {
    this.settings = settings;
    this.healthy = healthy;
  }

  /** The first answer decides at once; later ones by the thresholds. */
  take(outcome: CheckOutcome): CheckResult {
    const success = outcome === 'healthy' || outcome === 'degraded';
    const before = this.healthy;
    const wasDegraded = this.degraded;
    let pending = false;
    if (success) pending = this.succeed();
    else pending = this.fail(outcome === 'unhealthy');
    if (success) this.degraded = outcome === 'degraded';
    this.first = false;
    return {
      healthy: this.healthy,
      degraded: this.degraded,
      timedOut: outcome === 'timeout',
      changed: this.healthy !== before || this.degraded !== wasDegraded,
      pending,
    };
  }

  private succeed(): boolean {
    this.failures = 0;
    if (this.healthy) return false;
    this.successes++;
    if (!this.first && this.successes < this.settings.healthyThreshold) return true;
    this.healthy = true;
    return false;
  }

  private fail(atOnce: boolean): boolean {
    this.successes = 0;
    if (!this.healthy) return false;
    this.failures++;
    if (!atOnce && this.failures < this.settings.unhealthyThreshold) return true;
    this.healthy = false;
    return false;
  }
}

/** Milliseconds until the next check. `traffic`: the cluster has had a connection already. */
export function nextInterval(
  settings: HealthCheckSettings,
  { healthy, pending }: Pick<CheckResult, 'healthy' | 'pending'>,
  traffic: boolean,
  random: () => number,
): number {
  let base = settings.interval;
  if (!traffic) base = healthy ? settings.noTrafficHealthyInterval : settings.noTrafficInterval;
  else if (healthy) base = pending ? settings.unhealthyEdgeInterval : settings.interval;
  else base = pending ? settings.healthyEdgeInterval : settings.unhealthyInterval;
  const percent = (settings.intervalJitterPercent * base) / 100;
  return base + Math.floor(random() * percent) + Math.floor(random() * settings.intervalJitter);
}
