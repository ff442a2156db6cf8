/** The contract between a router and whatever carries its request to a host: an HTTP/1 connection or an HTTP/2 stream. */
import type { HeaderMap, Protocol, RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import type { ResetReason } from '../common/reset_reason.ts';
import type { Address, TlsInfo } from '../common/stream_info.ts';
import type { Host } from './host.ts';

/** Told what the host answers. Body bytes are lent for the call. After `onStreamReset` or the end nothing more comes. */
export interface ResponseReceiver {
  onInformational(head: ResponseHead): void;
  onResponseHeaders(head: ResponseHead, endStream: boolean): void;
  onResponseData(bytes: Buffer, start: number, end: number, endStream: boolean): void;
  onResponseTrailers(trailers: HeaderMap): void;
  /** `detail` is the transport's own word, e.g. `delayed_connect_error:_Connection_refused`; may be empty. */
  onStreamReset(reason: ResetReason, detail: string): void;
  /** The host does not read: stop sending until `onStreamWritable`. */
  onStreamBlocked(): void;
  onStreamWritable(): void;
}

/** One request on its way to a host. */
export interface ClientStream {
  readonly host: Host;
  readonly protocol: Protocol | undefined;
  readonly connectionId: number;
  readonly localAddress: Address;
  /** Of the connection; undefined on plain ones. */
  readonly tls?: TlsInfo | undefined;
  sendHeaders(head: RequestHead, endStream: boolean): void;
  sendData(bytes: Buffer, start: number, end: number, endStream: boolean): void;
  sendTrailers(trailers: HeaderMap): void;
  /** Gives the request up; the receiver hears nothing more. */
  cancel(): void;
  pauseResponse(): void;
  resumeResponse(): void;
}

/** A request in a pool: told when it has a stream, or never will, and then what comes back on the stream. */
export interface PoolCallbacks extends ResponseReceiver {
  onPoolReady(stream: ClientStream): void;
  onPoolFailure(reason: ResetReason, detail: string, host: Host): void;
}

/** A request that waits for a connection. */
export interface PendingStream {
  cancel(): void;
}
