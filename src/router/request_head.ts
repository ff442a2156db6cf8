/** What the router writes into the head of a request before each try. */
import { formatGrpcTimeout } from '../../native-free/grpc/timeout.ts';
import type { RequestHead } from '../../native-free/headers/header_map.ts';
import {
  GRPC_TIMEOUT,
  X_ENVOY_ATTEMPT_COUNT,
  X_ENVOY_EXPECTED_RQ_TIMEOUT_MS,
  X_ENVOY_IS_TIMEOUT_RETRY,
} from '../../native-free/headers/well_known.ts';
import { now } from '../common/clock.ts';
import type { DecoderFilterCallbacks } from '../spi/http_filter.ts';
import type { Route } from './route_table.ts';
import type { RequestTimeouts } from './timeouts.ts';

/** Order on the wire: expected timeout, attempt count, the route's own, original host and path (those by the rewrite). */
export function prepareHead(
  route: Route,
  callbacks: DecoderFilterCallbacks,
  timeouts: RequestTimeouts,
  suppressEnvoyHeaders: boolean,
): void {
  const { request } = callbacks;
  setExpectedTimeout(request, timeouts, now, suppressEnvoyHeaders);
  if (route.includeRequestAttemptCount) request.headers.set(X_ENVOY_ATTEMPT_COUNT, '1');
  route.applyRequestHeaders(request, callbacks);
  route.rewrite(request, callbacks, !suppressEnvoyHeaders);
}

/** `attempt` counts from 1; `afterTimeout`: the try before took too long. */
export function prepareRetryHead(route: Route, head: RequestHead, attempt: number, afterTimeout: boolean): void {
  if (route.includeRequestAttemptCount) head.headers.set(X_ENVOY_ATTEMPT_COUNT, String(attempt));
  if (route.includeIsTimeoutRetry) head.headers.set(X_ENVOY_IS_TIMEOUT_RETRY, String(afterTimeout));
}

/** What is left of the response timeout, or the try's own if that is shorter. */
export function setExpectedTimeout(
  head: RequestHead,
  timeouts: RequestTimeouts,
  startedAt: number,
  suppressEnvoyHeaders: boolean,
): void {
  const { response, perTry } = timeouts;
  const left = response === 0 ? 0 : Math.max(1, response - Math.floor(now - startedAt));
  const expected = perTry > 0 && (left === 0 || perTry < left) ? perTry : left;
  if (expected === 0) return;
  if (!suppressEnvoyHeaders) head.headers.set(X_ENVOY_EXPECTED_RQ_TIMEOUT_MS, String(expected));
  if (timeouts.tellsGrpc) head.headers.set(GRPC_TIMEOUT, formatGrpcTimeout(expected));
}
