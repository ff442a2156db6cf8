/** Step 10 of the data path: one request and its answer on an HTTP/2 connection to a host. */
import type { Bytes } from '../../native-free/bytes/bytes.ts';
import type { HeaderMap, RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import {
  ErrorCode,
  type Http2Error,
  type Http2Stream,
  type Http2StreamReceiver,
} from '../../native-free/http2/codec.ts';
import type { ResetReason } from '../common/reset_reason.ts';
import type { Address, TlsInfo } from '../common/stream_info.ts';
import type { ClientStream, ResponseReceiver } from './client_stream.ts';
import type { Host } from './host.ts';
import type { Http2ClientConnection } from './http2_client_connection.ts';

export class Http2ClientStream implements ClientStream, Http2StreamReceiver {
  readonly protocol = 'HTTP/2';
  private readonly connection: Http2ClientConnection;
  private receiver: ResponseReceiver | undefined;
  private stream: Http2Stream | undefined;
  private requestDone = false;
  private responseDone = false;
  /** Its place on the connection is given back. */
  private over = false;

  constructor(connection: Http2ClientConnection, receiver: ResponseReceiver) {
    this.connection = connection;
    this.receiver = receiver;
  }

  get host(): Host {
    return this.connection.host;
  }

  get connectionId(): number {
    return this.connection.id;
  }

  get localAddress(): Address {
    return this.connection.localAddress;
  }

  get tls(): TlsInfo | undefined {
    return this.connection.tls;
  }

  sendHeaders(head: RequestHead, endStream: boolean): void {
    if (this.over) return;
    this.requestDone = endStream;
    this.stream = this.connection.open(this, head, endStream);
    if (this.stream === undefined) this.end('connection termination', undefined);
  }

  sendData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    if (endStream) this.requestDone = true;
    this.stream?.sendData(bytes, start, end, endStream);
  }

  sendTrailers(trailers: HeaderMap): void {
    this.requestDone = true;
    this.stream?.sendTrailers(trailers);
  }

  cancel(): void {
    this.receiver = undefined;
    if (!(this.requestDone && this.responseDone)) this.abort();
  }

  pauseResponse(): void {
    this.stream?.pause();
  }

  resumeResponse(): void {
    this.stream?.resume();
  }

  // === Http2StreamReceiver ===

  onInformational(head: ResponseHead): void {
    this.receiver?.onInformational(head);
  }

  onResponse(head: ResponseHead, endStream: boolean): void {
    this.responseDone = endStream;
    this.receiver?.onResponseHeaders(head, endStream);
    if (endStream) this.endResponse();
  }

  onData(bytes: Bytes, start: number, end: number, endStream: boolean): void {
    this.responseDone = endStream;
    this.receiver?.onResponseData(bytes as Buffer, start, end, endStream);
    if (endStream) this.endResponse();
  }

  onTrailers(trailers: HeaderMap): void {
    this.responseDone = true;
    this.receiver?.onResponseTrailers(trailers);
    this.endResponse();
  }

  onReset(code: ErrorCode, remote: boolean, error: Http2Error | undefined): void {
    if (this.over) return;
    const { lost } = this.connection;
    if (lost !== undefined) {
      this.end(lost, undefined);
    } else if (this.connection.failed) {
      this.end('protocol error', undefined);
    } else if (remote) {
      // Who is turned away by a GOAWAY has no RST_STREAM.
      this.end(reasonOf(code), error === undefined ? 'rx_reset' : undefined);
    } else {
      if (error !== undefined && error.counter !== '') this.connection.onCount(error.counter);
      // As Envoy: an answer beyond its limits ends as if the host had reset it.
      this.end(code === ErrorCode.InternalError ? 'remote reset' : 'protocol error', 'tx_reset');
    }
  }

  onBlocked(): void {
    this.receiver?.onStreamBlocked();
  }

  onWritable(): void {
    this.receiver?.onStreamWritable();
  }

  onComplete(): void {
    if (this.over) return;
    this.over = true;
    this.receiver = undefined;
    this.connection.onStreamOver();
  }

  /** Answered before the request was whole: its rest is not wanted. */
  private endResponse(): void {
    this.receiver = undefined;
    if (!this.requestDone) this.abort();
  }

  /** Envoy tells the host of any end of ours by INTERNAL_ERROR. */
  private abort(): void {
    if (this.over) return;
    this.over = true;
    const { stream, connection } = this;
    connection.countReset('local reset', 'tx_reset');
    stream?.reset(ErrorCode.InternalError);
    connection.onStreamOver();
  }

  /** `frame`: whose RST_STREAM it was, if anybody's. */
  private end(reason: ResetReason, frame: 'rx_reset' | 'tx_reset' | undefined): void {
    const { receiver, connection } = this;
    this.over = true;
    this.receiver = undefined;
    connection.countReset(reason, frame);
    connection.onStreamOver();
    if (!(this.requestDone && this.responseDone)) receiver?.onStreamReset(reason, '');
  }
}

function reasonOf(code: ErrorCode): ResetReason {
  if (code === ErrorCode.RefusedStream) return 'remote refused stream reset';
  if (code === ErrorCode.ProtocolError) return 'protocol error';
  if (code === ErrorCode.ConnectError) return 'remote error with CONNECT request';
  return 'remote reset';
}
