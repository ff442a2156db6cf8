/** The timeouts of one request: its route's, or what an internal client asked for. */
import type { HeaderMap, RequestHead } from '../../native-free/headers/header_map.ts';
import type { HeaderName } from '../../native-free/headers/header_name.ts';
import {
  X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS,
  X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS,
} from '../../native-free/headers/well_known.ts';
import type { Route } from './route_table.ts';

/** Milliseconds; 0: none. */
export interface RequestTimeouts {
  readonly response: number;
  readonly perTry: number;
  readonly perTryIdle: number;
}

/** Takes the x-envoy-*-timeout headers out: those still there come from a client that is trusted. */
export function requestTimeouts(route: Route, head: RequestHead): RequestTimeouts {
  const response = takeMilliseconds(head.headers, X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS) ?? route.timeoutMs;
  const policy = route.retryPolicy;
  const perTry = takeMilliseconds(head.headers, X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS) ?? policy?.perTryTimeoutMs ?? 0;
  return {
    response,
    // A try that may last longer than the whole request has no timeout of its own, as in Envoy.
    perTry: response > 0 && perTry >= response ? 0 : perTry,
    perTryIdle: policy?.perTryIdleTimeoutMs ?? 0,
  };
}

function takeMilliseconds(headers: HeaderMap, name: HeaderName): number | undefined {
  const text = headers.get(name);
  if (text === undefined) return undefined;
  headers.remove(name);
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
