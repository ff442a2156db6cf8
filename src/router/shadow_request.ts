/** The copy of a request for a shadow cluster: sent beside the request itself, its answer only counted. Nobody waits for it. */
import type { HeaderMap, RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import {
  X_ENVOY_EXPECTED_RQ_TIMEOUT_MS,
  X_ENVOY_INTERNAL,
  X_FORWARDED_FOR,
} from '../../native-free/headers/well_known.ts';
import { BodyBuffer } from '../common/body_buffer.ts';
import { now } from '../common/clock.ts';
import { localAddress } from '../common/local_address.ts';
import type { ResetReason } from '../common/reset_reason.ts';
import { CLUSTER, HOST, HTTP_ROUTER } from '../common/stats/layouts.ts';
import { Timer, type TimerOwner } from '../common/timers.ts';
import type { Cluster } from '../upstream/cluster.ts';
import type { Host } from '../upstream/host.ts';
import { replyToReset } from './reset_reply.ts';
import { UpstreamRequest, type UpstreamRequestOwner } from './upstream_request.ts';

/** What the copies of all requests share. */
export interface ShadowSettings {
  /** `http.async-client.` */
  readonly stats: Float64Array;
  readonly suppressEnvoyHeaders: boolean;
}

export class ShadowRequest implements UpstreamRequestOwner, TimerOwner {
  private readonly cluster: Cluster;
  private readonly head: RequestHead;
  /** Bytes kept while the host does not take them; a copy that falls behind further is given up. */
  private readonly bufferLimit: number;
  private upstream: UpstreamRequest | undefined;
  private body: BodyBuffer | undefined;
  private trailers: HeaderMap | undefined;
  private requestDone = false;
  private blocked = false;
  private over = false;
  private readonly startedAt = now;
  private readonly timeout: number;
  private timer: Timer | undefined;

  /** `head` is the copy's own; `timeout` in milliseconds from the end of the request, 0: none. */
  constructor(cluster: Cluster, head: RequestHead, timeout: number, bufferLimit: number) {
    this.cluster = cluster;
    this.head = head;
    this.timeout = timeout;
    this.bufferLimit = bufferLimit;
  }

  start(settings: ShadowSettings, endStream: boolean): void {
    const { headers } = this.head;
    settings.stats[HTTP_ROUTER.slot.rq_total]++;
    if (this.timeout > 0 && !settings.suppressEnvoyHeaders) {
      headers.set(X_ENVOY_EXPECTED_RQ_TIMEOUT_MS, String(this.timeout));
    }
    headers.set(X_ENVOY_INTERNAL, 'true');
    const forwarded = headers.getAll(X_FORWARDED_FOR);
    headers.set(X_FORWARDED_FOR, forwarded === undefined ? localAddress() : `${forwarded},${localAddress()}`);
    if (endStream) this.finishRequest();
    const host = this.cluster.chooseHost();
    if (host === undefined) {
      this.end(503);
      return;
    }
    this.upstream = new UpstreamRequest(this, host);
    this.upstream.start(this.cluster, 0, this.head);
  }

  /** Body bytes, lent for the call. False when the copy is given up because its host is too slow. */
  sendData(bytes: Buffer, start: number, end: number, endStream: boolean): boolean {
    if (this.over) return true;
    if (endStream) this.finishRequest();
    const stream = this.upstream?.stream;
    if (stream !== undefined && !this.blocked) {
      stream.sendData(bytes, start, end, endStream);
      return true;
    }
    this.body ??= new BodyBuffer();
    this.body.add(bytes, start, end);
    if (this.body.size <= this.bufferLimit) return true;
    this.cancel();
    return false;
  }

  sendTrailers(trailers: HeaderMap): void {
    if (this.over) return;
    this.trailers = trailers;
    this.finishRequest();
    if (!this.blocked) this.upstream?.stream?.sendTrailers(trailers);
  }

  /** The request itself ended: a copy that is not whole is of no use. */
  onRequestOver(): void {
    if (!this.requestDone) this.cancel();
  }

  onTimer(): void {
    this.cluster.stats[CLUSTER.slot.upstream_rq_timeout]++;
    if (this.upstream !== undefined) this.upstream.host.stats[HOST.slot.rq_timeout]++;
    this.upstream?.cancel();
    this.end(504);
  }

  onUpstreamReady(upstream: UpstreamRequest): void {
    const hasMore = this.body !== undefined || this.trailers !== undefined || !this.requestDone;
    upstream.stream!.sendHeaders(this.head, !hasMore);
    if (hasMore) this.sendKept(upstream);
  }

  onUpstreamInformational(): void {}

  onUpstreamHeaders(upstream: UpstreamRequest, head: ResponseHead, endStream: boolean): void {
    this.charge(upstream.host, head.status);
    if (endStream) this.finish();
  }

  onUpstreamData(_bytes: Buffer, _start: number, _end: number, endStream: boolean): void {
    if (endStream) this.finish();
  }

  onUpstreamTrailers(): void {
    this.finish();
  }

  onUpstreamReset(upstream: UpstreamRequest, reason: ResetReason, detail: string): void {
    if (this.over) return;
    upstream.host.stats[HOST.slot.rq_error]++;
    this.end(replyToReset(reason, detail, false, false).status);
  }

  onUpstreamBlocked(): void {
    this.blocked = true;
  }

  onUpstreamWritable(): void {
    if (!this.blocked) return;
    this.blocked = false;
    if (this.upstream !== undefined) this.sendKept(this.upstream);
  }

  private sendKept(upstream: UpstreamRequest): void {
    const stream = upstream.stream!;
    const kept = this.body?.take();
    this.body = undefined;
    const ends = this.requestDone && this.trailers === undefined;
    if (kept !== undefined) stream.sendData(kept, 0, kept.length, ends);
    if (this.trailers !== undefined) stream.sendTrailers(this.trailers);
  }

  private finishRequest(): void {
    this.requestDone = true;
    if (this.timeout === 0) return;
    this.timer = new Timer(this, 0);
    this.timer.start(this.timeout);
  }

  private charge(host: Host, status: number): void {
    this.cluster.charges.code(status, true, false);
    host.stats[status < 500 ? HOST.slot.rq_success : HOST.slot.rq_error]++;
  }

  private finish(): void {
    this.over = true;
    this.timer?.stop();
    this.cluster.charges.time(now - this.startedAt, true, false);
  }

  /** There is no answer: counted as the reply a client would have got. */
  private end(status: number): void {
    this.over = true;
    this.timer?.stop();
    this.cluster.charges.code(status, true, false);
  }

  private cancel(): void {
    if (this.over) return;
    this.over = true;
    this.timer?.stop();
    this.upstream?.cancel();
  }
}
