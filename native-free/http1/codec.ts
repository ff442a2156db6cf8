/** The contract of the HTTP/1 codec: bytes in and typed calls out for reading, strings out for writing; both roles. */
import type { Bytes } from '../bytes/bytes.ts';
import type { HeaderMap, RequestHead, ResponseHead } from '../headers/header_map.ts';

/** How a body ends. Decided once a message, at its head, and used by reader and writer alike. */
export type Framing =
  | 'none' // no body at all
  | 'length' // content-length
  | 'chunked'
  | 'empty' // written response only: no body, which `content-length: 0` says; the map is left without it
  | 'close'; // response only: ends with the connection

/** Why a message was refused: what the local reply, the log and the counters are made of. */
export interface CodecError {
  /** Status of the local reply: 400, 426, 431 or 501 for a request; always 502 for a response. */
  readonly status: number;
  /** Envoy's response code details, e.g. `http1.codec_error`. */
  readonly details: string;
  /** One clause for the debug log that names what was wrong, e.g. `header name holds a space`. */
  readonly reason: string;
}

export interface Http1Limits {
  /** Bytes of start line and headers together. Envoy: 60 KiB for requests, 80 KiB for responses. */
  maxHeadBytes: number;
  /** Number of header fields. Envoy: 100. */
  maxHeaders: number;
  /** Keep the names' spelling for whoever writes the message on; names that were not in it are spelt as this says. */
  preserveCase?: 'lower_case' | 'proper_case';
  /** Told of each request field that is left out for its underscore. */
  onHeaderDropped?: () => void;
}

export interface RequestDecoderOptions extends Http1Limits {
  /** Accept HTTP/1.0 (and then `defaultHost` for a missing Host). Default off: 426. */
  acceptHttp10: boolean;
  defaultHostForHttp10: string;
  /** Pass trailers on instead of dropping them. */
  enableTrailers: boolean;
  allowAbsoluteUrl: boolean;
  /** Take any token as a method. */
  allowCustomMethods?: boolean;
  headersWithUnderscores: 'ALLOW' | 'REJECT_REQUEST' | 'DROP_HEADER';
}

/** Told by a request decoder. Bytes are lent for the call only. A call may pause the decoder, never re-enter it. */
export interface RequestDecoderEvents {
  /** `contentLength` is -1 without a Content-Length; a length of 0 comes with framing `none`. */
  onRequestHead(head: RequestHead, framing: Framing, contentLength: number, keepAlive: boolean): void;
  onBody(bytes: Bytes, start: number, end: number): void;
  onTrailers(trailers: HeaderMap): void;
  /** The request is complete; comes once after each head. */
  onMessageComplete(): void;
  /** The bytes cannot be understood. Nothing is decoded after this. */
  onCodecError(error: CodecError): void;
}

/** Told by a response decoder; the order is 1xx*, head, body*, trailers?, complete. */
export interface ResponseDecoderEvents {
  /** 100 and other informational heads (not 101). */
  onInformational(head: ResponseHead): void;
  /** `contentLength` is -1 without a Content-Length; with framing `none` it is what HEAD, 304 or a length of 0 say. */
  onResponseHead(head: ResponseHead, framing: Framing, contentLength: number, keepAlive: boolean): void;
  onBody(bytes: Bytes, start: number, end: number): void;
  onTrailers(trailers: HeaderMap): void;
  onMessageComplete(): void;
  onCodecError(error: CodecError): void;
}

/**
 * Feeds a connection's bytes. `decode` consumes [start, end) and returns how many bytes it took: less than all only when
 * `paused` was set during a call (then the caller keeps the rest and decodes it again after `paused = false`), or after an error.
 */
export interface Decoder {
  paused: boolean;
  readonly failed: boolean;
  decode(bytes: Bytes, start: number, end: number): number;
  /** The peer sent FIN: completes a close-delimited body, or reports a truncated message by onCodecError. */
  finish(): void;
  /** True between messages: nothing of a next message has been seen. */
  readonly idle: boolean;
}
