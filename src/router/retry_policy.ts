/** envoy.config.route.v3.RetryPolicy compiled; shared by the requests of its routes. */
import type { HeaderMap } from '../../native-free/headers/header_map.ts';
import { type HeaderName, headerName } from '../../native-free/headers/header_name.ts';
import { RetryPolicy_ResetHeaderFormat as ResetHeaderFormat } from '../api/enums.ts';
import type { envoy } from '../api/envoy_types.ts';
import { wallNow } from '../common/clock.ts';
import { durationMs } from '../common/duration.ts';
import { compileHeaderMatcher, type HeaderMatcher } from '../common/matchers/header_matcher.ts';
import { compileHostPredicate, compileRetryPriority, type HostPredicate } from './host_predicates.ts';
import { parseRetryGrpcOn, parseRetryOn } from './retry_on.ts';

const defaultBaseIntervalMs = 25;
const defaultResetMaxIntervalMs = 300_000;

interface ResetHeader {
  readonly name: HeaderName;
  readonly format: number;
}

export class RetryPolicy {
  /** Bits of `RetryOn`. */
  readonly retryOn: number;
  readonly numRetries: number;
  /** Milliseconds; 0: none. */
  readonly perTryTimeoutMs: number;
  readonly perTryIdleTimeoutMs: number;
  readonly retriableStatusCodes: readonly number[];
  readonly retriableHeaders: readonly HeaderMatcher[];
  /** When there are any, a request that none of them matches is not retried. */
  readonly retriableRequestHeaders: readonly HeaderMatcher[];
  readonly baseIntervalMs: number;
  readonly maxIntervalMs: number;
  /** A retry avoids the hosts that one of them rejects. */
  readonly hostPredicates: readonly HostPredicate[];
  /** How often the load balancer is asked again for a host that none of them rejects. */
  readonly hostSelectionMaxAttempts: number;
  /** Every so many tries the priority levels tried so far are avoided (previous_priorities); undefined: never. */
  readonly previousPrioritiesFrequency: number | undefined;
  private readonly resetHeaders: readonly ResetHeader[];
  private readonly resetMaxIntervalMs: number;

  constructor(message: envoy.config.route.v3.RetryPolicy) {
    this.retryOn = parseRetryOn(message.retryOn) | parseRetryGrpcOn(message.retryOn);
    this.numRetries = message.numRetries ?? 1;
    this.perTryTimeoutMs = Math.trunc(durationMs(message.perTryTimeout) ?? 0);
    this.perTryIdleTimeoutMs = Math.trunc(durationMs(message.perTryIdleTimeout) ?? 0);
    this.retriableStatusCodes = message.retriableStatusCodes;
    this.retriableHeaders = message.retriableHeaders.map(compileHeaderMatcher);
    this.retriableRequestHeaders = message.retriableRequestHeaders.map(compileHeaderMatcher);
    this.baseIntervalMs = atLeast1(durationMs(message.retryBackOff?.baseInterval)) ?? defaultBaseIntervalMs;
    this.maxIntervalMs = atLeast1(durationMs(message.retryBackOff?.maxInterval)) ?? this.baseIntervalMs * 10;
    this.hostPredicates = message.retryHostPredicate.map(compileHostPredicate);
    this.previousPrioritiesFrequency = compileRetryPriority(message.retryPriority);
    this.hostSelectionMaxAttempts = Math.max(1, Number(message.hostSelectionRetryMaxAttempts));
    const rateLimited = message.rateLimitedRetryBackOff;
    this.resetHeaders = (rateLimited?.resetHeaders ?? []).map(({ name, format }) => ({
      name: headerName(name),
      format,
    }));
    this.resetMaxIntervalMs = atLeast1(durationMs(rateLimited?.maxInterval)) ?? defaultResetMaxIntervalMs;
  }

  /** How long the upstream asks to wait, in ms; undefined when it does not, or for longer than allowed. */
  resetIntervalMs(headers: HeaderMap): number | undefined {
    for (const { name, format } of this.resetHeaders) {
      const value = headers.get(name)?.trim();
      if (value === undefined || !/^\+?\d{1,15}$/.test(value)) continue;
      const seconds = Number(value);
      const interval = format === ResetHeaderFormat.SECONDS ? seconds : seconds - Math.floor(wallNow() / 1000);
      if (interval >= 0 && interval * 1000 <= this.resetMaxIntervalMs) return interval * 1000;
    }
    return undefined;
  }
}

function atLeast1(milliseconds: number | undefined): number | undefined {
  return milliseconds === undefined ? undefined : Math.max(1, Math.trunc(milliseconds));
}
