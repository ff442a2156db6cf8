/** What one request counts for: its cluster, for internal or external clients, and its virtual cluster and route. */
import { isGrpcType } from '../../native-free/grpc/content_type.ts';
import { grpcToHttpStatus, parseGrpcStatus } from '../../native-free/grpc/status.ts';
import type { RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import {
  CONTENT_TYPE,
  GRPC_STATUS,
  X_ENVOY_INTERNAL,
  X_ENVOY_UPSTREAM_ALT_STAT_NAME,
  X_ENVOY_UPSTREAM_CANARY,
} from '../../native-free/headers/well_known.ts';
import { now } from '../common/clock.ts';
import { HOST, statNamePart } from '../common/stats/layouts.ts';
import type { StreamInfo } from '../common/stream_info.ts';
import type { Cluster } from '../upstream/cluster.ts';
import type { Host } from '../upstream/host.ts';
import type { ResponseCharges } from '../upstream/response_charges.ts';
import type { Route } from './route_table.ts';
import type { RequestCounter, RequestStats } from './virtual_cluster.ts';

export class RequestCharges {
  readonly startedAt = now;
  readonly isGrpc: boolean;
  /** The answer is a canary's. */
  canary = false;
  private readonly cluster: ResponseCharges;
  /** A second tree of statistics that one of our own clients asked for. */
  private readonly alternative: ResponseCharges | undefined;
  /** The client is one of ours: x-envoy-internal is still there. */
  private readonly internal: boolean;
  private readonly scopes: readonly RequestStats[];
  private readonly omitsCodes: boolean;

  /** `omitsGrpcCodes`: of gRPC calls the cluster counts answers without their status (suppress_grpc_request_failure_code_stats). */
  constructor(cluster: Cluster, route: Route, head: RequestHead, info: StreamInfo, omitsGrpcCodes: boolean) {
    this.isGrpc = isGrpcType(head.headers.get(CONTENT_TYPE));
    this.omitsCodes = omitsGrpcCodes && this.isGrpc;
    this.cluster = cluster.charges;
    this.internal = head.headers.get(X_ENVOY_INTERNAL) === 'true';
    if (this.internal) this.alternative = takeAlternative(cluster, head);
    this.scopes = route.requestStats(head, info);
  }

  /** For the virtual cluster and the route only. */
  count(counter: RequestCounter): void {
    for (const scope of this.scopes) scope.inc(counter);
  }

  code(status: number): void {
    this.cluster.code(status, this.internal, this.canary, this.omitsCodes);
    this.alternative?.code(status, this.internal, this.canary, this.omitsCodes);
    for (const scope of this.scopes) scope.chargeCode(status);
  }

  /** For the host too: a gRPC call fails or not by its status, which may come in trailers. */
  answer(host: Host, { status, headers }: ResponseHead, endStream: boolean): void {
    this.canary = headers.get(X_ENVOY_UPSTREAM_CANARY) === 'true' || host.lbMetadata?.canary === true;
    this.code(status);
    if (!this.isGrpc || status >= 500) host.stats[status < 500 ? HOST.slot.rq_success : HOST.slot.rq_error]++;
    else if (endStream) this.grpcStatus(host, headers.get(GRPC_STATUS));
  }

  /** A call is over; for its host it was what the HTTP status that stands for its own is. Without one it failed. */
  grpcStatus(host: Host, status: string | undefined): void {
    const failed = status === undefined || grpcToHttpStatus(parseGrpcStatus(status)) >= 500;
    host.stats[failed ? HOST.slot.rq_error : HOST.slot.rq_success]++;
  }

  /** The answer is complete: the time from the request's head to now. */
  time(): void {
    const took = now - this.startedAt;
    this.cluster.time(took, this.internal, this.canary);
    this.alternative?.time(took, this.internal, this.canary);
    for (const scope of this.scopes) scope.chargeTime(took);
  }
}

/** Hosts do not see the header. */
function takeAlternative(cluster: Cluster, { headers }: RequestHead): ResponseCharges | undefined {
  const name = headers.get(X_ENVOY_UPSTREAM_ALT_STAT_NAME);
  if (name === undefined) return undefined;
  headers.remove(X_ENVOY_UPSTREAM_ALT_STAT_NAME);
  return cluster.charges.alternative(statNamePart(name));
}
