/** The timeouts of one request: its route's, or what an internal client asked for. */
import { isGrpcType } from '../../native-free/grpc/content_type.ts';
import { parseGrpcTimeout } from '../../native-free/grpc/timeout.ts';
import type { HeaderMap, RequestHead } from '../../native-free/headers/header_map.ts';
import type { HeaderName } from '../../native-free/headers/header_name.ts';
import {
  CONTENT_TYPE,
  GRPC_TIMEOUT,
  X_ENVOY_EXPECTED_RQ_TIMEOUT_MS,
  X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT,
  X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS,
  X_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE,
  X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS,
  X_ENVOY_UPSTREAM_STREAM_DURATION_MS,
} from '../../native-free/headers/well_known.ts';
import type { Route } from './route_table.ts';

/** Milliseconds; 0: none. */
export interface RequestTimeouts {
  readonly response: number;
  readonly perTry: number;
  readonly perTryIdle: number;
  /** The host is told in grpc-timeout how long it has. */
  readonly tellsGrpc: boolean;
  /** A try that takes longer than `perTry` goes on, and another one begins beside it. */
  readonly hedges: boolean;
  /** The client wants 204 when the time is over. */
  readonly alternativeResponse: boolean;
  /** What a client allows one try in place of the cluster's max_stream_duration. */
  readonly stream: number | undefined;
}

/**
 * Takes the x-envoy-*-timeout headers out: those still there come from a client that is trusted. `respectExpected`: the proxy
 * before this one has made its timeout known by x-envoy-expected-rq-timeout-ms.
 */
export function requestTimeouts(route: Route, head: RequestHead, respectExpected: boolean): RequestTimeouts {
  const { headers } = head;
  const expected = respectExpected ? milliseconds(headers.get(X_ENVOY_EXPECTED_RQ_TIMEOUT_MS)) : undefined;
  const tellsGrpc = route.maxGrpcTimeoutMs !== undefined && isGrpcType(headers.get(CONTENT_TYPE));
  const own = tellsGrpc ? grpcTimeout(route, headers) : route.timeoutMs;
  const response = expected ?? takeMilliseconds(headers, X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS) ?? own;
  const policy = route.retryPolicy;
  const perTry = takeMilliseconds(headers, X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS) ?? policy?.perTryTimeoutMs ?? 0;
  return {
    response,
    // A try that may last longer than the whole request has no timeout of its own, as in Envoy.
    perTry: response > 0 && perTry >= response ? 0 : perTry,
    hedges: perTry > 0 && hedges(route, headers),
    perTryIdle: policy?.perTryIdleTimeoutMs ?? 0,
    tellsGrpc,
    alternativeResponse: headers.remove(X_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE),
    stream: takeMilliseconds(headers, X_ENVOY_UPSTREAM_STREAM_DURATION_MS),
  };
}

function hedges(route: Route, headers: HeaderMap): boolean {
  const asked = headers.get(X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT);
  return asked === 'true' || (route.hedgesOnPerTryTimeout && asked !== 'false');
}

/** What max_grpc_timeout makes of the client's grpc-timeout; an offset that would leave nothing does not count. */
function grpcTimeout(route: Route, headers: HeaderMap): number {
  const asked = parseGrpcTimeout(headers.get(GRPC_TIMEOUT)) ?? 0;
  const offset = route.grpcTimeoutOffsetMs;
  const timeout = offset < asked ? asked - offset : asked;
  const cap = route.maxGrpcTimeoutMs!;
  return cap !== 0 && (timeout === 0 || timeout > cap) ? cap : timeout;
}

function takeMilliseconds(headers: HeaderMap, name: HeaderName): number | undefined {
  const text = headers.get(name);
  if (text === undefined) return undefined;
  headers.remove(name);
  return milliseconds(text);
}

function milliseconds(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
