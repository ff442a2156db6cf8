/** Step 5 of the data path: how long a stream may last, by its route, its grpc-timeout and the connection manager. */
import { isGrpcType } from '../../native-free/grpc/content_type.ts';
import { formatGrpcTimeout, parseGrpcTimeout } from '../../native-free/grpc/timeout.ts';
import type { RequestHead } from '../../native-free/headers/header_map.ts';
import { CONTENT_TYPE, GRPC_TIMEOUT } from '../../native-free/headers/well_known.ts';
import type { Route } from '../router/route_table.ts';

/** The route switches the manager's limit off. */
export const noLimit = -1;

/**
 * Milliseconds from the start of the stream, `noLimit`, or undefined when the manager's limit stays; that is `managerMs`, 0:
 * none. Where a route has a duration of its own, the host of a gRPC request is told in grpc-timeout what counts.
 */
export function maxStreamDuration(route: Route, head: RequestHead, managerMs: number): number | undefined {
  const duration = chosenDuration(route, head);
  if (route.hasMaxStreamDuration && duration !== noLimit && isGrpcType(head.headers.get(CONTENT_TYPE))) {
    const told = duration ?? managerMs;
    if (duration !== undefined || told > 0) head.headers.set(GRPC_TIMEOUT, formatGrpcTimeout(told));
  }
  return duration;
}

function chosenDuration(route: Route, head: RequestHead): number | undefined {
  const cap = route.grpcTimeoutHeaderMaxMs;
  const asked = cap === undefined ? undefined : parseGrpcTimeout(head.headers.get(GRPC_TIMEOUT));
  if (cap === undefined || asked === undefined) {
    const own = route.maxStreamDurationMs;
    if (own === undefined) return undefined;
    return own === 0 ? noLimit : own;
  }
  const timeout = cap !== 0 && asked > cap ? cap : asked;
  return Math.max(0, timeout - (route.grpcTimeoutHeaderOffsetMs ?? 0));
}
