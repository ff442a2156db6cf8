/** The contract of the HTTP/2 codec: bytes in and typed calls out for reading, frames gathered and flushed for writing; both roles. */
import type { Bytes } from '../bytes/bytes.ts';
import type { HeaderMap, RequestHead, ResponseHead } from '../headers/header_map.ts';

/** What an end of a connection allows its peer; Envoy's names and defaults (`http2_protocol_options`). */
export interface Http2Options {
  /** Streams the peer may have open (a client: pushes are never allowed). Envoy: 1024 downstream. */
  maxConcurrentStreams: number;
  /** Bytes. Envoy: 16 MiB. */
  initialStreamWindowSize: number;
  /** Bytes. Envoy: 24 MiB. */
  initialConnectionWindowSize: number;
  /** Bytes of the decoder's dynamic table; 4096. Also the most our encoder uses of what the peer allows. */
  hpackTableSize: number;
  /** Decoded bytes of a header list, dropped ones included. 60 KiB for requests, 80 KiB for responses. */
  maxHeaderBytes: number;
  /** Header fields. 100. */
  maxHeaders: number;
  /** Announce and accept extended CONNECT (RFC 8441). */
  allowConnect: boolean;
  /** Bytes that wait for the peer on one stream before its producer is told to stop. */
  streamBufferLimit: number;
  headersWithUnderscores: 'ALLOW' | 'REJECT_REQUEST' | 'DROP_HEADER';
  /** A message that breaks the rules ends its stream, not the connection. */
  streamErrorOnInvalidMessage: boolean;
  /** Flood limits: frames queued for a peer that does not read (10,000; control frames 1,000). */
  maxOutboundFrames: number;
  maxOutboundControlFrames: number;
  /** Empty DATA, HEADERS or CONTINUATION frames in a row without END_STREAM. 1. */
  maxConsecutiveInboundFramesWithEmptyPayload: number;
  /** 100 for each active stream. */
  maxInboundPriorityFramesPerStream: number;
  /** 10 for each DATA frame sent. */
  maxInboundWindowUpdateFramesPerDataFrameSent: number;
  /** Bytes of one name or value: what is longer is a compression error. 65536. */
  maxHeaderFieldBytes: number;
  /** RST_STREAM frames of the peer at once, and how many more each second; a server's alone. 1000 and 33. */
  streamResetBurst: number;
  streamResetRate: number;
  /** Announced before our own settings, which say more: identifiers and values. */
  customSettings: readonly (readonly [id: number, value: number])[];
}

/** RFC 9113 section 7. */
export const ErrorCode = {
  NoError: 0,
  ProtocolError: 1,
  InternalError: 2,
  FlowControlError: 3,
  SettingsTimeout: 4,
  StreamClosed: 5,
  FrameSizeError: 6,
  RefusedStream: 7,
  Cancel: 8,
  CompressionError: 9,
  ConnectError: 10,
  EnhanceYourCalm: 11,
  InadequateSecurity: 12,
  Http11Required: 13,
} as const;
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

/** Why a connection or stream was ended by us: Envoy's response code details and the counter it belongs to. */
export interface Http2Error {
  readonly code: ErrorCode;
  /** E.g. `http2.invalid.header.field`, `http2.too_many_headers`, `http2.outbound_control_flood`. */
  readonly details: string;
  /** Counter under `http2.` without prefix, e.g. `rx_messaging_error`; empty: none. Whoever is told the error counts it. */
  readonly counter: string;
  /** One clause for the debug log. */
  readonly reason: string;
}

/** One stream. Calls on a stream that is over do nothing. */
export interface Http2Stream {
  readonly id: number;
  /** Who is told of it; set by the owner as soon as it has the stream. */
  receiver: Http2StreamReceiver | undefined;
  /** Server: 1xx before the answer. */
  sendInformational(head: ResponseHead): void;
  /** Server: the answer's head. */
  sendResponse(head: ResponseHead, endStream: boolean): void;
  /** `bytes` are lent: what the windows do not let out at once is copied and waits. */
  sendData(bytes: Bytes, start: number, end: number, endStream: boolean): void;
  sendTrailers(trailers: HeaderMap): void;
  /** After the end of our message has been given, `NoError` waits until its bytes have left; everything else goes at once. */
  reset(code: ErrorCode): void;
  /** The peer gets no more window on this stream until `resume()`; calls nest. */
  pause(): void;
  resume(): void;
  /** More than `streamBufferLimit` bytes wait for the peer. */
  readonly blocked: boolean;
  /** Both sides are done, or it was reset. */
  readonly closed: boolean;
}

/** Told about one stream, inside `receive()`, `connectionWritable()` or a call on a stream. Bytes are lent for the call. */
export interface Http2StreamReceiver {
  onInformational?(head: ResponseHead): void;
  /** Client: the answer's head. */
  onResponse?(head: ResponseHead, endStream: boolean): void;
  onData(bytes: Bytes, start: number, end: number, endStream: boolean): void;
  onTrailers(trailers: HeaderMap): void;
  /**
   * The peer reset it (`remote`, with an `error` when it was by a GOAWAY), or it was refused by us (`error`), or the connection is over. Comes at most once and last;
   * not for the owner's own `reset()`.
   */
  onReset(code: ErrorCode, remote: boolean, error: Http2Error | undefined): void;
  onBlocked(): void;
  onWritable(): void;
  /** Both sides are complete and `flush` has handed out all our bytes. Comes at most once and last, never inside a send. */
  onComplete(): void;
}

export interface Http2ConnectionEvents {
  /** Output waits where nothing waited: the owner calls `flush` before long. Comes inside a codec's constructor first. */
  onOutput(): void;
  /** The peer's SETTINGS came: `peerMaxConcurrentStreams` may have changed. */
  onSettings(): void;
  onGoAway(lastStreamId: number, code: ErrorCode): void;
  /** The answer to `ping()`. */
  onPingAck(): void;
  /** The last stream ended. */
  onIdle(): void;
  /** Something happened that only a counter tells (a name under `http2.`); errors, resets and trailers are told otherwise. */
  onCount(counter: string): void;
  /** The connection cannot go on. What is to be told to the peer is in the output: flush it and close. Nothing follows. */
  onConnectionError(error: Http2Error): void;
}

export interface Http2ServerEvents extends Http2ConnectionEvents {
  /**
   * A request's head; the owner sets `stream.receiver` before it returns. An extended CONNECT (RFC 8441) comes as Envoy turns
   * it: a GET with `upgrade: <protocol>` and `connection: upgrade` as its last fields.
   */
  onRequest(stream: Http2Stream, head: RequestHead, endStream: boolean): void;
  /** A head was refused before there was a stream of it, which is reset, or `onConnectionError` follows. For counters and logs. */
  onRequestRefused(error: Http2Error): void;
}

export interface Http2ServerCodec extends Http2Codec {
  /** A header block has begun and not ended: more of its HEADERS, or CONTINUATION, must follow. */
  readonly readingHead: boolean;
}

/** What both roles offer. */
export interface Http2Codec {
  /** Bytes of the peer; never throws, whatever they are. After an error all bytes are ignored. */
  receive(bytes: Bytes, start: number, end: number): void;
  /**
   * Hands what waits to `write`, in order; `write` answers whether it takes more now. Data beyond what was taken stays with
   * its stream. Buffers are lent for the call.
   */
  flush(write: (bytes: Bytes, start: number, end: number) => boolean): void;
  /** Whether `flush` has something to hand out. */
  readonly hasOutput: boolean;
  readonly activeStreams: number;
  /** Bytes of data that wait with their streams. */
  readonly waitingBytes: number;
  readonly failed: boolean;
  ping(): void;
  /** Graceful: GOAWAY with 2^31-1 first, with the last stream when called again (RFC 9113 section 6.8). */
  goAway(code: ErrorCode, last: boolean): void;
  /** The transport is gone: every stream hears `onReset`. */
  close(): void;
}

export interface Http2ClientCodec extends Http2Codec {
  /** Undefined when no stream can be opened: GOAWAY seen, identifiers used up, or the peer's limit reached. */
  open(receiver: Http2StreamReceiver, head: RequestHead, endStream: boolean): Http2Stream | undefined;
  readonly peerMaxConcurrentStreams: number;
  /** GOAWAY was received or sent. */
  readonly goingAway: boolean;
}
