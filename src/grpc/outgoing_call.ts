/** One gRPC call on a stream of a cluster's pool: messages out and in, its deadline, and what becomes of it. */
import { compressedFlag, frameMessage, type MessageReader } from '../../native-free/grpc/message_framing.ts';
import { decodeGrpcMessage } from '../../native-free/grpc/percent_encoding.ts';
import { GrpcStatus, grpcToHttpStatus, httpToGrpcStatus, parseGrpcStatus } from '../../native-free/grpc/status.ts';
import type { HeaderMap, RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import { GRPC_MESSAGE, GRPC_STATUS } from '../../native-free/headers/well_known.ts';
import { BodyBuffer } from '../common/body_buffer.ts';
import { now } from '../common/clock.ts';
import type { ResetReason } from '../common/reset_reason.ts';
import { CLUSTER, HOST } from '../common/stats/layouts.ts';
import { Timer, type TimerOwner } from '../common/timers.ts';
import { fromWire } from '../common/wire_string.ts';
import type { GrpcStream, GrpcStreamCallbacks } from '../spi/grpc_client.ts';
import type { ClientStream, PendingStream, PoolCallbacks } from '../upstream/client_stream.ts';
import type { Cluster } from '../upstream/cluster.ts';
import type { Host } from '../upstream/host.ts';

/** Bytes kept for a host that is not connected yet; one message may go beyond. */
const mostWaitingBytes = 1024 * 1024;

export class OutgoingCall implements GrpcStream, PoolCallbacks, TimerOwner {
  private readonly callbacks: GrpcStreamCallbacks;
  private readonly reader: MessageReader;
  private readonly startedAt = now;
  private cluster: Cluster | undefined;
  private host: Host | undefined;
  private head: RequestHead | undefined;
  private pending: PendingStream | undefined;
  private stream: ClientStream | undefined;
  private waiting: BodyBuffer | undefined;
  private timer: Timer | undefined;
  private sendDone = false;
  private blocked = false;
  /** A message was refused: its sender waits to hear of us. */
  private refused = false;
  private pauses = 0;
  private over = false;

  constructor(callbacks: GrpcStreamCallbacks, reader: MessageReader) {
    this.callbacks = callbacks;
    this.reader = reader;
  }

  /** `timeout` in milliseconds, 0: none. */
  start(cluster: Cluster, head: RequestHead, timeout: number): void {
    this.cluster = cluster;
    this.head = head;
    this.host = cluster.chooseHost();
    if (this.host === undefined) {
      this.chargeCode(503);
      this.fail(GrpcStatus.Unavailable, 'no healthy upstream');
      return;
    }
    if (timeout > 0) {
      this.timer = new Timer(this, 0);
      this.timer.start(timeout);
    }
    const pending = cluster.poolFor(this.host, 0, head).newStream(this);
    // The pool may have answered at once.
    if (this.stream === undefined && !this.over) this.pending = pending;
  }

  // === GrpcStream ===

  send(message: Uint8Array): boolean {
    if (this.over || this.sendDone) return true;
    if (this.blocked || (this.waiting?.size ?? 0) > mostWaitingBytes) {
      this.refused = true;
      return false;
    }
    const frame = Buffer.from(frameMessage(message).buffer);
    if (this.stream !== undefined) this.stream.sendData(frame, 0, frame.length, false);
    else {
      this.waiting ??= new BodyBuffer();
      this.waiting.add(frame, 0, frame.length);
    }
    return true;
  }

  closeSend(): void {
    if (this.over || this.sendDone) return;
    this.sendDone = true;
    this.stream?.sendData(nothing, 0, 0, true);
  }

  pause(): void {
    if (this.pauses++ === 0) this.stream?.pauseResponse();
  }

  resume(): void {
    if (--this.pauses === 0) this.stream?.resumeResponse();
  }

  cancel(): void {
    if (!this.over) this.stop();
  }

  /** The call ends without more of the host. */
  fail(status: number, message: string): void {
    if (this.over) return;
    this.stop();
    this.callbacks.onClosed(status, message, undefined);
  }

  onTimer(): void {
    this.cluster!.stats[CLUSTER.slot.upstream_rq_timeout]++;
    this.host!.stats[HOST.slot.rq_timeout]++;
    this.chargeCode(504);
    this.fail(httpToGrpcStatus(504), 'upstream request timeout');
  }

  // === PoolCallbacks ===

  onPoolReady(stream: ClientStream): void {
    this.pending = undefined;
    if (this.over) {
      stream.cancel();
      return;
    }
    this.stream = stream;
    stream.sendHeaders(this.head!, false);
    const kept = this.waiting?.take();
    this.waiting = undefined;
    if (kept !== undefined) stream.sendData(kept, 0, kept.length, this.sendDone);
    else if (this.sendDone) stream.sendData(nothing, 0, 0, true);
    if (this.pauses > 0) stream.pauseResponse();
    if (!this.blocked) this.tellWritable();
  }

  onPoolFailure(reason: ResetReason, detail: string): void {
    this.pending = undefined;
    this.onStreamReset(reason, detail);
  }

  onInformational(): void {}

  onResponseHeaders(head: ResponseHead, endStream: boolean): void {
    if (this.over) return;
    this.chargeCode(head.status);
    const { headers } = head;
    if (endStream && headers.has(GRPC_STATUS)) this.onResponseTrailers(headers);
    else if (head.status !== 200) this.refuse(httpToGrpcStatus(head.status), `HTTP status ${head.status}`);
    else if (endStream) this.refuse(GrpcStatus.Unknown, 'an answer without grpc-status');
    else this.callbacks.onInitialMetadata?.(headers);
  }

  onResponseData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    if (this.over) return;
    const read = this.reader.push(bytes, (message, flags) => this.onFrame(message, flags), start, end);
    if (this.over) return;
    if (!read) this.refuse(GrpcStatus.ResourceExhausted, 'a message is larger than max_receive_message_length');
    else if (endStream) this.refuse(GrpcStatus.Unknown, 'the answer ended without trailers');
  }

  onResponseTrailers(trailers: HeaderMap): void {
    if (this.over) return;
    const text = trailers.get(GRPC_STATUS);
    const status = text === undefined ? GrpcStatus.Unknown : parseGrpcStatus(text);
    const failed = status < 0 || grpcToHttpStatus(status) >= 500;
    this.host!.stats[failed ? HOST.slot.rq_error : HOST.slot.rq_success]++;
    this.cluster!.charges.time(now - this.startedAt, true, false);
    const unread = status === GrpcStatus.Ok && this.reader.partial;
    this.stop();
    if (unread) this.callbacks.onClosed(GrpcStatus.Internal, 'a message was cut', trailers);
    else {
      const message = fromWire(decodeGrpcMessage(trailers.get(GRPC_MESSAGE) ?? ''));
      this.callbacks.onClosed(status < 0 ? GrpcStatus.Unknown : status, message, trailers);
    }
  }

  onStreamReset(reason: ResetReason, detail: string): void {
    if (this.over) return;
    const status = reason === 'protocol error' ? 502 : 503;
    this.host!.stats[HOST.slot.rq_error]++;
    this.chargeCode(status);
    const cause = detail === '' ? reason : `${reason}, ${detail}`;
    this.fail(
      httpToGrpcStatus(status),
      `upstream connect error or disconnect/reset before headers. reset reason: ${cause}`,
    );
  }

  onStreamBlocked(): void {
    this.blocked = true;
  }

  onStreamWritable(): void {
    this.blocked = false;
    if (!this.over) this.tellWritable();
  }

  private onFrame(message: Uint8Array, flags: number): void {
    if (this.over) return;
    if ((flags & compressedFlag) === 0) this.callbacks.onMessage(message);
    else this.refuse(GrpcStatus.Internal, 'a compressed message, which was not asked for');
  }

  private tellWritable(): void {
    if (!this.refused) return;
    this.refused = false;
    this.callbacks.onWritable?.();
  }

  /** What the host sent is no answer. */
  private refuse(status: number, message: string): void {
    this.host!.stats[HOST.slot.rq_error]++;
    this.fail(status, message);
  }

  private chargeCode(status: number): void {
    this.cluster!.charges.code(status, true, false);
  }

  private stop(): void {
    this.over = true;
    this.timer?.stop();
    this.reader.stop();
    this.waiting = undefined;
    this.pending?.cancel();
    this.pending = undefined;
    this.stream?.cancel();
    this.stream = undefined;
  }
}

const nothing = Buffer.alloc(0);
