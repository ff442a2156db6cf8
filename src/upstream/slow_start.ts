/** Step 8 of the data path: hosts that are new, or healthy again, get their share of the requests little by little (slow_start_config). */
import type { envoy } from '../api/envoy_types.ts';
import { tick } from '../common/clock.ts';
import { durationMs } from '../common/duration.ts';
import { Timer, type TimerOwner } from '../common/timers.ts';
import type { Host } from './host.ts';

type Message = envoy.config.cluster.v3.Cluster_SlowStartConfig;

export interface SlowStartSettings {
  /** Milliseconds until a host has its whole weight. */
  readonly window: number;
  /** 1: the weight grows evenly; more: fast in the beginning. */
  readonly aggression: number;
  /** Share of the weight to begin with, 0 to 1. */
  readonly least: number;
}

const defaultLeast = 10;

/** Undefined without a window. The extensions of load balancing have a message of the same fields. */
export function slowStartSettings(
  message: Omit<Message, keyof Message & `$${string}`> | undefined,
): SlowStartSettings | undefined {
  const window = durationMs(message?.slowStartWindow) ?? 0;
  if (window <= 0) return undefined;
  const aggression = message?.aggression?.defaultValue ?? 1;
  const least = (message?.minWeightPercent?.value ?? defaultLeast) / 100;
  return { window, aggression: aggression > 0 ? aggression : 1, least };
}

/** The share of its weight a host has `age` milliseconds after it began, by Envoy's formula. */
export function shareOfWeight({ window, aggression, least }: SlowStartSettings, age: number): number {
  if (age >= window) return 1;
  return Math.max(least, (Math.max(1, age) / window) ** (1 / aggression));
}

/** Steps in which the weights of a window grow, and the bounds of one in milliseconds. */
const steps = 50;
const [shortest, longest] = [100, 1000];

export class SlowStart implements TimerOwner {
  private readonly settings: SlowStartSettings;
  private readonly rebuild: () => void;
  private readonly timer = new Timer(this, 0);

  /** `rebuild` makes the pickers anew, which asks `apply` again. */
  constructor(settings: SlowStartSettings, rebuild: () => void) {
    this.settings = settings;
    this.rebuild = rebuild;
  }

  /** Sets the shares as they are now; as long as one of them grows it will be asked again. */
  apply(hosts: Iterable<Host>): void {
    const { window } = this.settings;
    const now = tick();
    let growing = false;
    for (const host of hosts) {
      host.shareOfWeight = shareOfWeight(this.settings, now - host.healthySince);
      growing ||= host.shareOfWeight < 1;
    }
    if (growing) this.timer.start(Math.min(longest, Math.max(shortest, window / steps)));
    else this.timer.stop();
  }

  onTimer(): void {
    this.rebuild();
  }

  stop(): void {
    this.timer.stop();
  }
}
