/** Step 8 of the data path: one try of a request at one host, from the pool to the end of the answer. */
import type { HeaderMap, RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import { CONTENT_LENGTH } from '../../native-free/headers/well_known.ts';
import { now } from '../common/clock.ts';
import type { ResetReason } from '../common/reset_reason.ts';
import { CLUSTER } from '../common/stats/layouts.ts';
import type { ConnectionInfo } from '../common/stream_info.ts';
import { Timer, type TimerOwner } from '../common/timers.ts';
import type { CircuitBreaker } from '../upstream/circuit_breaker.ts';
import type { ClientStream, PendingStream, PoolCallbacks } from '../upstream/client_stream.ts';
import type { Cluster } from '../upstream/cluster.ts';
import type { Host } from '../upstream/host.ts';
import { openTcpStream } from '../upstream/tcp_client_stream.ts';
import { TrackedTry } from '../upstream/tracked_exchanges.ts';

/** The router, as its tries see it. */
export interface UpstreamRequestOwner {
  /** The stream takes the request now. */
  onUpstreamReady(upstream: UpstreamRequest): void;
  onUpstreamInformational(head: ResponseHead): void;
  onUpstreamHeaders(upstream: UpstreamRequest, head: ResponseHead, endStream: boolean): void;
  onUpstreamData(bytes: Buffer, start: number, end: number, endStream: boolean): void;
  onUpstreamTrailers(trailers: HeaderMap): void;
  onUpstreamReset(upstream: UpstreamRequest, reason: ResetReason, detail: string): void;
  onUpstreamBlocked(): void;
  onUpstreamWritable(): void;
  /** Bytes of the request's body so far, and ms a try may take (0: as long as it likes): for a cluster that keeps such statistics. */
  readonly bodyBytes?: number;
  readonly tryTimeout?: number;
  /** Milliseconds from when it has its connection, before what the cluster says; 0: as long as it likes. */
  readonly tryDuration?: number | undefined;
}

export class UpstreamRequest implements PoolCallbacks, TimerOwner {
  readonly host: Host;
  stream: ClientStream | undefined;
  readonly startedAt = now;
  /** The answer is complete, or given up. */
  over = false;
  private readonly owner: UpstreamRequestOwner;
  private pending: PendingStream | undefined;
  private cluster: Cluster | undefined;
  private tracked: TrackedTry | undefined;
  /** Runs with the cluster's max_stream_duration. */
  private duration: Timer | undefined;

  constructor(owner: UpstreamRequestOwner, host: Host) {
    this.owner = owner;
    this.host = host;
  }

  /** Connects to the host for a tunnel of its own; `preface` goes before the payload. */
  startTunnel(cluster: Cluster, breaker: CircuitBreaker, client?: ConnectionInfo, preface?: Buffer): void {
    this.pending = openTcpStream(cluster, this.host, breaker, this, client, preface);
  }

  /** Asks the pool; the owner may hear the outcome before this returns. */
  start(cluster: Cluster, priority: number, head: RequestHead, client?: ConnectionInfo): void {
    this.cluster = cluster;
    if (cluster.tracked !== undefined) this.tracked = new TrackedTry(cluster.tracked, head);
    this.pending = cluster.poolFor(this.host, priority, head, client).newStream(this);
  }

  /** Nothing more is wanted of this try. */
  cancel(): void {
    if (this.over) return;
    this.end();
    this.pending?.cancel();
    this.pending = undefined;
    this.stream?.cancel();
    this.stream = undefined;
  }

  onPoolReady(stream: ClientStream): void {
    this.pending = undefined;
    this.stream = stream;
    const most = this.owner.tryDuration ?? this.cluster?.options.maxStreamDuration ?? 0;
    if (most > 0) {
      this.duration = new Timer(this, 0);
      this.duration.start(most);
    }
    this.owner.onUpstreamReady(this);
  }

  onPoolFailure(reason: ResetReason, detail: string): void {
    this.pending = undefined;
    this.over = true;
    this.owner.onUpstreamReset(this, reason, detail);
  }

  onInformational(head: ResponseHead): void {
    if (!this.over) this.owner.onUpstreamInformational(head);
  }

  onResponseHeaders(head: ResponseHead, endStream: boolean): void {
    if (this.over) return;
    if (this.tracked !== undefined) this.trackHeaders(this.tracked, head.headers, endStream);
    if (endStream) this.end();
    this.owner.onUpstreamHeaders(this, head, endStream);
  }

  onResponseData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    if (this.over) return;
    this.tracked?.onData(end - start);
    if (endStream) this.end();
    this.owner.onUpstreamData(bytes, start, end, endStream);
  }

  onResponseTrailers(trailers: HeaderMap): void {
    if (this.over) return;
    this.end();
    this.owner.onUpstreamTrailers(trailers);
  }

  onStreamReset(reason: ResetReason, detail: string): void {
    if (this.over) return;
    this.end();
    this.owner.onUpstreamReset(this, reason, detail);
  }

  onTimer(): void {
    this.cluster!.stats[CLUSTER.slot.upstream_rq_max_duration_reached]++;
    this.cancel();
    this.owner.onUpstreamReset(this, 'max stream duration', '');
  }

  onStreamBlocked(): void {
    if (!this.over) this.owner.onUpstreamBlocked();
  }

  onStreamWritable(): void {
    if (!this.over) this.owner.onUpstreamWritable();
  }

  private trackHeaders(tracked: TrackedTry, headers: HeaderMap, endStream: boolean): void {
    const chunked = !endStream && this.stream?.protocol === 'HTTP/1.1' && !headers.has(CONTENT_LENGTH);
    tracked.onHeaders(headers, chunked);
  }

  private end(): void {
    this.over = true;
    this.duration?.stop();
    this.tracked?.onEnd(this.owner.bodyBytes ?? 0, this.owner.tryTimeout ?? 0);
  }
}
