/** Step 7 of the data path: whether a request is tried again and after how long; made only for requests that may be. */
import type { HeaderMap, RequestHead } from '../../native-free/headers/header_map.ts';
import type { HeaderName } from '../../native-free/headers/header_name.ts';
import {
  GRPC_STATUS,
  X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT,
  X_ENVOY_MAX_RETRIES,
  X_ENVOY_RATELIMITED,
  X_ENVOY_RETRIABLE_HEADER_NAMES,
  X_ENVOY_RETRIABLE_STATUS_CODES,
  X_ENVOY_RETRY_GRPC_ON,
  X_ENVOY_RETRY_ON,
  X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS,
} from '../../native-free/headers/well_known.ts';
import { decode } from '../api/registry.ts';
import type { ResetReason } from '../common/reset_reason.ts';
import { grpcStatusConditions, parseRetryGrpcOn, parseRetryOn, RetryOn } from './retry_on.ts';
import { RetryPolicy } from './retry_policy.ts';

/**
 * - `no`: this answer is the last.
 * - `no_after_retry`: the same, and there was a retry: counts as upstream_rq_retry_success.
 * - `limit_exceeded`: it would be retried, but the tries are used up: upstream_rq_retry_limit_exceeded, flag URX.
 * - `retry`: try again if the circuit breaker lets, else upstream_rq_retry_overflow; the try counts as used either way.
 */
export type RetryDecision = 'no' | 'no_after_retry' | 'limit_exceeded' | 'retry';

const consumed: ReadonlySet<HeaderName> = new Set([
  X_ENVOY_RETRY_ON,
  X_ENVOY_RETRY_GRPC_ON,
  X_ENVOY_MAX_RETRIES,
  X_ENVOY_RETRIABLE_STATUS_CODES,
  X_ENVOY_RETRIABLE_HEADER_NAMES,
  X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT,
  X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS,
]);

const none: readonly string[] = [];

/** For requests that bring `x-envoy-retry-on` to a route without a policy; made when first needed. */
let defaultPolicy: RetryPolicy | undefined;

function emptyPolicy(): RetryPolicy {
  defaultPolicy ??= new RetryPolicy(decode('envoy.config.route.v3.RetryPolicy', new Uint8Array()));
  return defaultPolicy;
}

/**
 * Undefined when nothing would be retried. Removes the request's x-envoy-retry-* headers, so the timeouts are read before;
 * the connection manager has taken them from clients that are not trusted.
 */
export function makeRetryState(
  route: { readonly retryPolicy: RetryPolicy | undefined },
  head: RequestHead,
): RetryState | undefined {
  const policy = route.retryPolicy;
  const { headers } = head;
  const asked = hasConsumed(headers);
  const retries =
    (policy !== undefined && policy.retryOn !== 0) ||
    headers.has(X_ENVOY_RETRY_ON) ||
    headers.has(X_ENVOY_RETRY_GRPC_ON);
  const state = retries ? new RetryState(policy ?? emptyPolicy(), head) : undefined;
  if (asked) headers.removeIf((name) => consumed.has(name));
  return state;
}

function hasConsumed(headers: HeaderMap): boolean {
  const { names } = headers;
  for (let i = 0; i < names.length; i++) if (consumed.has(names[i])) return true;
  return false;
}

/** The decisions for one request; pure but for the count of tries. */
export class RetryState {
  readonly policy: RetryPolicy;
  private readonly retryOn: number;
  private retriesLeft: number;
  private retried = false;
  private readonly statusCodes: readonly number[];
  /** In lower case, from the request: compared as text, for an interned name would stay for ever. */
  private readonly headerNames: readonly string[];
  private nextIntervalMs: number;
  private resetIntervalMs: number | undefined;

  constructor(policy: RetryPolicy, head: RequestHead) {
    const { headers } = head;
    this.policy = policy;
    this.nextIntervalMs = policy.baseIntervalMs;
    this.retryOn = isRetriable(policy, head)
      ? policy.retryOn |
        parseRetryOn(headers.get(X_ENVOY_RETRY_ON) ?? '') |
        parseRetryGrpcOn(headers.get(X_ENVOY_RETRY_GRPC_ON) ?? '')
      : 0;
    const maxRetries = headers.get(X_ENVOY_MAX_RETRIES);
    this.retriesLeft =
      maxRetries !== undefined && /^\d{1,9}$/.test(maxRetries) ? Number(maxRetries) : policy.numRetries;
    this.statusCodes = withListed(policy.retriableStatusCodes, headers.get(X_ENVOY_RETRIABLE_STATUS_CODES), statusCode);
    this.headerNames = withListed(none, headers.get(X_ENVOY_RETRIABLE_HEADER_NAMES), lowerCase);
  }

  /** The upstream answered. */
  onResponseHeaders(status: number, headers: HeaderMap): RetryDecision {
    const wanted = this.wantsRetryOfResponse(status, headers);
    this.resetIntervalMs = wanted ? this.policy.resetIntervalMs(headers) : undefined;
    return this.decide(wanted);
  }

  /**
   * The try ended without an answer; a try that timed out is a `local reset`. `requestSent`: bytes of the request went to the
   * upstream (not on a connection failure, whatever is given).
   */
  onReset(reason: ResetReason, responseStarted: boolean, requestSent = true): RetryDecision {
    this.resetIntervalMs = undefined;
    return this.decide(!responseStarted && this.wantsRetryOfReset(reason, requestSent));
  }

  /** The try is too slow and another one is to begin beside it: whatever the policy retries, as long as tries are left. */
  onSlowTry(): RetryDecision {
    this.resetIntervalMs = undefined;
    return this.decide(true);
  }

  /** Whether the answer is one that would be retried; changes nothing. */
  wouldRetry(status: number, headers: HeaderMap): boolean {
    return this.wantsRetryOfResponse(status, headers);
  }

  /** True when the wait before the next try is the upstream's wish: upstream_rq_retry_backoff_ratelimited, else _exponential. */
  get backoffIsRatelimited(): boolean {
    return this.resetIntervalMs !== undefined && this.resetIntervalMs > 1;
  }

  /** The wait before the next try in ms, fully jittered; once for each retry. `random` is uniform in [0, 1). */
  nextBackoffMs(random: number): number {
    if (this.backoffIsRatelimited) {
      const interval = this.resetIntervalMs!;
      this.resetIntervalMs = undefined;
      return interval + Math.floor(random * (interval / 2));
    }
    const interval = this.nextIntervalMs;
    const { maxIntervalMs } = this.policy;
    this.nextIntervalMs = interval < Math.floor(maxIntervalMs / 2) ? interval * 2 : maxIntervalMs;
    return Math.floor(random * interval);
  }

  private decide(wanted: boolean): RetryDecision {
    if (!wanted) return this.retried ? 'no_after_retry' : 'no';
    if (this.retriesLeft === 0) return 'limit_exceeded';
    this.retriesLeft--;
    this.retried = true;
    return 'retry';
  }

  private wantsRetryOfResponse(status: number, headers: HeaderMap): boolean {
    const { retryOn } = this;
    if (headers.has(X_ENVOY_RATELIMITED)) return (retryOn & RetryOn.EnvoyRatelimited) !== 0;
    if (status >= 500 && status < 600 && (retryOn & RetryOn.ServerError) !== 0) return true;
    if (status >= 502 && status <= 504 && (retryOn & RetryOn.GatewayError) !== 0) return true;
    if (status === 409 && (retryOn & RetryOn.Retriable4xx) !== 0) return true;
    if ((retryOn & RetryOn.RetriableStatusCodes) !== 0 && this.statusCodes.includes(status)) return true;
    if ((retryOn & RetryOn.RetriableHeaders) !== 0 && this.hasRetriableHeader(status, headers)) return true;
    const grpcStatus = headers.get(GRPC_STATUS);
    return grpcStatus !== undefined && (retryOn & (grpcStatusConditions.get(grpcStatus) ?? 0)) !== 0;
  }

  private hasRetriableHeader(status: number, headers: HeaderMap): boolean {
    if (this.policy.retriableHeaders.some((matcher) => matcher.matchesResponse(status, headers))) return true;
    return this.headerNames.some((text) => headers.names.some((name) => name.text === text));
  }

  private wantsRetryOfReset(reason: ResetReason, requestSent: boolean): boolean {
    const { retryOn } = this;
    if (reason === 'overflow') return false;
    const noConnection =
      reason === 'remote connection failure' ||
      reason === 'local connection failure' ||
      reason === 'connection timeout';
    if (noConnection && (retryOn & RetryOn.ConnectFailure) !== 0) return true;
    if ((retryOn & RetryOn.ResetBeforeRequest) !== 0 && (noConnection || !requestSent)) return true;
    if ((retryOn & (RetryOn.Reset | RetryOn.ServerError | RetryOn.GatewayError)) !== 0) return true;
    return reason === 'remote refused stream reset' && (retryOn & RetryOn.RefusedStream) !== 0;
  }
}

function isRetriable(policy: RetryPolicy, head: RequestHead): boolean {
  const matchers = policy.retriableRequestHeaders;
  return matchers.length === 0 || matchers.some((matcher) => matcher.matchesRequest(head));
}

/** The policy's own and those a header lists; the same array when there is no header. */
function withListed<T>(
  own: readonly T[],
  list: string | undefined,
  parse: (text: string) => T | undefined,
): readonly T[] {
  if (list === undefined) return own;
  const listed = list.split(',').map((text) => parse(text.trim()));
  return [...own, ...listed.filter((item) => item !== undefined)];
}

function statusCode(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

function lowerCase(text: string): string | undefined {
  return text === '' ? undefined : text.toLowerCase();
}
