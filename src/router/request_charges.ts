/** What one request counts for: its cluster, for internal or external clients, and its virtual cluster and route. */
import type { RequestHead } from '../../native-free/headers/header_map.ts';
import { X_ENVOY_INTERNAL, X_ENVOY_UPSTREAM_ALT_STAT_NAME } from '../../native-free/headers/well_known.ts';
import { now } from '../common/clock.ts';
import { statNamePart } from '../common/stats/layouts.ts';
import type { StreamInfo } from '../common/stream_info.ts';
import type { Cluster } from '../upstream/cluster.ts';
import type { ResponseCharges } from '../upstream/response_charges.ts';
import type { Route } from './route_table.ts';
import type { RequestCounter, RequestStats } from './virtual_cluster.ts';

export class RequestCharges {
  readonly startedAt = now;
  /** The answer is a canary's. */
  canary = false;
  private readonly cluster: ResponseCharges;
  /** A second tree of statistics that one of our own clients asked for. */
  private readonly alternative: ResponseCharges | undefined;
  /** The client is one of ours: x-envoy-internal is still there. */
  private readonly internal: boolean;
  private readonly scopes: readonly RequestStats[];
  private readonly omitsCodes: boolean;

  /** `omitsCodes`: the cluster counts answers without their status (suppress_grpc_request_failure_code_stats). */
  constructor(cluster: Cluster, route: Route, head: RequestHead, info: StreamInfo, omitsCodes: boolean) {
    this.omitsCodes = omitsCodes;
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
