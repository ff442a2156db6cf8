/** The timeouts of one request: its route's, or what an internal client asked for. */
import type { HeaderMap, RequestHead } from '../../native-free/headers/header_map.ts';
import type { HeaderName } from '../../native-free/headers/header_name.ts';
import {
  X_ENVOY_EXPECTED_RQ_TIMEOUT_MS,
  X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS,
  X_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE,
  X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS,
} from '../../native-free/headers/well_known.ts';
import type { Route } from './route_table.ts';

/** Milliseconds; 0: none. */
export interface RequestTimeouts {
  readonly response: number;
  readonly perTry: number;
  readonly perTryIdle: number;
  /** The client wants 204 when the time is over. */
  readonly alternativeResponse: boolean;
}

/**
 * Takes the x-envoy-*-timeout headers out: those still there come from a client that is trusted. `respectExpected`: the proxy
 * before this one has made its timeout known by x-envoy-expected-rq-timeout-ms.
 */
export function requestTimeouts(route: Route, head: RequestHead, respectExpected: boolean): RequestTimeouts {
  const { headers } = head;
  const expected = respectExpected ? milliseconds(headers.get(X_ENVOY_EXPECTED_RQ_TIMEOUT_MS)) : undefined;
  const response = expected ?? takeMilliseconds(headers, X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS) ?? route.timeoutMs;
  const policy = route.retryPolicy;
  const perTry = takeMilliseconds(headers, X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS) ?? policy?.perTryTimeoutMs ?? 0;
  return {
    response,
    // A try that may last longer than the whole request has no timeout of its own, as in Envoy.
    perTry: response > 0 && perTry >= response ? 0 : perTry,
    perTryIdle: policy?.perTryIdleTimeoutMs ?? 0,
    alternativeResponse: headers.remove(X_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE),
  };
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
