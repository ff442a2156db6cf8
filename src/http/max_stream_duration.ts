/** Step 5 of the data path: how long a stream may last, by its route, its grpc-timeout and the connection manager. */
import type { RequestHead } from '../../native-free/headers/header_map.ts';
import { headerName } from '../../native-free/headers/header_name.ts';
import type { Route } from '../router/route_table.ts';

const GRPC_TIMEOUT = headerName('grpc-timeout');

/** The route switches the manager's limit off. */
export const noLimit = -1;

/** Milliseconds by grpc-timeout's unit; below one they count as one, as in Envoy. */
const units: Record<string, number> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** Milliseconds from the start of the stream, `noLimit`, or undefined when the manager's limit stays. */
export function maxStreamDuration(route: Route, head: RequestHead): number | undefined {
  const cap = route.grpcTimeoutHeaderMaxMs;
  const asked = cap === undefined ? undefined : grpcTimeout(head.headers.get(GRPC_TIMEOUT));
  if (cap === undefined || asked === undefined) {
    const own = route.maxStreamDurationMs;
    if (own === undefined) return undefined;
    return own === 0 ? noLimit : own;
  }
  const timeout = cap !== 0 && asked > cap ? cap : asked;
  return Math.max(0, timeout - (route.grpcTimeoutHeaderOffsetMs ?? 0));
}

/** 1 to 8 digits and a unit (gRPC over HTTP/2, "Requests"); undefined when it is none. */
function grpcTimeout(value: string | undefined): number | undefined {
  const parts = value === undefined ? null : /^(\d{1,8})([HMSmun])$/.exec(value);
  return parts === null ? undefined : Math.ceil(Number(parts[1]) * units[parts[2]]);
}
