/** Step 8 of the data path: one try of a request at one host, from the pool to the end of the answer. */
import type { HeaderMap, RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import { now } from '../common/clock.ts';
import type { ResetReason } from '../common/reset_reason.ts';
import type { ConnectionInfo } from '../common/stream_info.ts';
import type { CircuitBreaker } from '../upstream/circuit_breaker.ts';
import type { ClientStream, PendingStream, PoolCallbacks } from '../upstream/client_stream.ts';
import type { Cluster } from '../upstream/cluster.ts';
import type { Host } from '../upstream/host.ts';
import { openTcpStream } from '../upstream/tcp_client_stream.ts';

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
}

export class UpstreamRequest implements PoolCallbacks {
  readonly host: Host;
  stream: ClientStream | undefined;
  readonly startedAt = now;
  /** The answer is complete, or given up. */
  over = false;
  private readonly owner: UpstreamRequestOwner;
  private pending: PendingStream | undefined;

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
    this.pending = cluster.poolFor(this.host, priority, head, client).newStream(this);
  }

  /** Nothing more is wanted of this try. */
  cancel(): void {
    if (this.over) return;
    this.over = true;
    this.pending?.cancel();
    this.pending = undefined;
    this.stream?.cancel();
    this.stream = undefined;
  }

  onPoolReady(stream: ClientStream): void {
    this.pending = undefined;
    this.stream = stream;
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
    if (endStream) this.over = true;
    this.owner.onUpstreamHeaders(this, head, endStream);
  }

  onResponseData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    if (this.over) return;
    if (endStream) this.over = true;
    this.owner.onUpstreamData(bytes, start, end, endStream);
  }

  onResponseTrailers(trailers: HeaderMap): void {
    if (this.over) return;
    this.over = true;
    this.owner.onUpstreamTrailers(trailers);
  }

  onStreamReset(reason: ResetReason, detail: string): void {
    if (this.over) return;
    this.over = true;
    this.owner.onUpstreamReset(this, reason, detail);
  }

  onStreamBlocked(): void {
    if (!this.over) this.owner.onUpstreamBlocked();
  }

  onStreamWritable(): void {
    if (!this.over) this.owner.onUpstreamWritable();
  }
}
