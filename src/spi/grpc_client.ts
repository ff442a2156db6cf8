/** Calls of gRPC services by extensions (authorization, rate limits, access logs): over our own clusters and pools. */
import type { HeaderMap } from '../../native-free/headers/header_map.ts';
import type { FormatContext } from './format.ts';

/** A service that configuration names (envoy.config.core.v3.GrpcService). */
export interface GrpcClient {
  /** One message there, one back. `callbacks` may be called before this returns; what it returns is of no use then. */
  unary(path: string, message: Uint8Array, callbacks: GrpcUnaryCallbacks, options?: GrpcCallOptions): GrpcCall;
  /** `callbacks.onClosed` may be called before this returns. */
  stream(path: string, callbacks: GrpcStreamCallbacks, options?: GrpcCallOptions): GrpcStream;
}

export interface GrpcCallOptions {
  /** Milliseconds, told to the host too; 0: none. Default: the service's own. */
  readonly timeout?: number;
  /** The stream on whose behalf this is: what initial metadata is made from. */
  readonly parent?: FormatContext;
}

export interface GrpcUnaryCallbacks {
  /** The message is lent for the call. */
  onSuccess(message: Uint8Array): void;
  /** gRPC status, and text for people. */
  onFailure(status: number, message: string): void;
}

export interface GrpcStreamCallbacks {
  onInitialMetadata?(headers: HeaderMap): void;
  /** Lent for the call. */
  onMessage(message: Uint8Array): void;
  /** Messages are taken again after `send` has refused one. */
  onWritable?(): void;
  /** Comes once and last, unless we cancelled. `trailers`: those of the host, if there were any. */
  onClosed(status: number, message: string, trailers: HeaderMap | undefined): void;
}

export interface GrpcCall {
  /** Gives the call up; no callback comes any more. */
  cancel(): void;
}

export interface GrpcStream extends GrpcCall {
  /** False: not taken, since the host is too far behind; `onWritable` comes. */
  send(message: Uint8Array): boolean;
  /** No more messages of ours. */
  closeSend(): void;
  /** No messages of the host, until as many `resume()` have come; what is under way still comes. */
  pause(): void;
  resume(): void;
}
