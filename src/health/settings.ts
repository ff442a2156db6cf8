/** A HealthCheck message as milliseconds and defaults (control path: health). */
import type { envoy } from '../api/envoy_types.ts';
import { durationMs } from '../common/duration.ts';

type HealthCheck = envoy.config.core.v3.HealthCheck;

/** Milliseconds. */
export interface HealthCheckSettings {
  readonly timeout: number;
  readonly interval: number;
  readonly initialJitter: number;
  readonly intervalJitter: number;
  readonly intervalJitterPercent: number;
  readonly noTrafficInterval: number;
  readonly noTrafficHealthyInterval: number;
  readonly unhealthyInterval: number;
  readonly unhealthyEdgeInterval: number;
  readonly healthyEdgeInterval: number;
  readonly unhealthyThreshold: number;
  readonly healthyThreshold: number;
  readonly reuseConnection: boolean;
}

/** Envoy checks a cluster that never had traffic this seldom. */
const defaultNoTrafficInterval = 60_000;

export function healthCheckSettings(message: HealthCheck): HealthCheckSettings {
  const interval = durationMs(message.interval) ?? 0;
  const unhealthyInterval = durationMs(message.unhealthyInterval) ?? interval;
  const noTrafficInterval = durationMs(message.noTrafficInterval) ?? defaultNoTrafficInterval;
  return {
    timeout: durationMs(message.timeout) ?? 0,
    interval,
    initialJitter: durationMs(message.initialJitter) ?? 0,
    intervalJitter: durationMs(message.intervalJitter) ?? 0,
    intervalJitterPercent: message.intervalJitterPercent,
    noTrafficInterval,
    noTrafficHealthyInterval: durationMs(message.noTrafficHealthyInterval) ?? noTrafficInterval,
    unhealthyInterval,
    unhealthyEdgeInterval: durationMs(message.unhealthyEdgeInterval) ?? unhealthyInterval,
    healthyEdgeInterval: durationMs(message.healthyEdgeInterval) ?? interval,
    unhealthyThreshold: message.unhealthyThreshold ?? 1,
    healthyThreshold: message.healthyThreshold ?? 1,
    reuseConnection: message.reuseConnection ?? true,
  };
}
