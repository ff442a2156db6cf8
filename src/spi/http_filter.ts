/** The contract of an HTTP filter: Envoy's decoder and encoder callbacks, statuses and what the manager lends to a filter. */

import type { Bytes } from '../../native-free/bytes/bytes.ts';
import type { HeaderMap, RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import type { StreamInfo } from '../common/stream_info.ts';
import type { Route } from '../router/route_table.ts';
import type { FormatContext } from './format.ts';
import type { WorkerContext } from './worker_context.ts';

/** What the manager does after a headers callback. */
export const HeadersStatus = {
  /** Hand the headers to the next filter. */
  Continue: 0,
  /** Stop here; data still comes to this filter. Resume by `continueDecoding()` / `continueEncoding()`. */
  StopIteration: 1,
  /** Stop here and buffer all data until resumed. */
  StopAllIterationAndBuffer: 2,
  /** As above, and the peer is paused at the buffer limit. */
  StopAllIterationAndWatermark: 3,
} as const;
export type HeadersStatus = (typeof HeadersStatus)[keyof typeof HeadersStatus];

/** What the manager does after a data callback. */
export const DataStatus = {
  Continue: 0,
  /** Keep this piece; over the limit the stream fails (413 for requests, 500 for responses). */
  StopIterationAndBuffer: 1,
  /** Keep this piece; at the limit the peer is paused. */
  StopIterationAndWatermark: 2,
  /** The filter took the piece. */
  StopIterationNoBuffer: 3,
} as const;
export type DataStatus = (typeof DataStatus)[keyof typeof DataStatus];

export const TrailersStatus = { Continue: 0, StopIteration: 1 } as const;
export type TrailersStatus = (typeof TrailersStatus)[keyof typeof TrailersStatus];

/** A piece of a body, lent for the call: copy what must outlive it. */
export interface BodyPiece {
  bytes: Bytes;
  start: number;
  end: number;
}

export interface FilterCallbacks {
  readonly info: StreamInfo;
  readonly request: RequestHead;
  /** The route of this request, chosen once; undefined when none matches. */
  readonly route: Route | undefined;
  /** What the route, its virtual host or table has for this filter; the same object for every request of the route. */
  readonly perRouteConfig: unknown;
  /** The same of every level that has a word: table, virtual host, route, weighted cluster; one list for all requests of the route. */
  readonly perRouteConfigs: readonly unknown[];
  /** Bytes that may be held for one stream in one direction. */
  readonly bufferLimit: number;
  /**
   * Ends the exchange with a reply of our own; `details` becomes %RESPONSE_CODE_DETAILS%, `flag` a response flag bit or -1.
   * A gRPC client is told `grpcStatus`, or what the status is in gRPC.
   */
  sendLocalReply(
    status: number,
    body: string,
    details: string,
    flag?: number,
    edit?: (headers: HeaderMap) => void,
    grpcStatus?: number,
  ): void;
  /** Ends the stream without a further byte. */
  resetStream(details: string): void;
}

/** What a filter may ask of the manager while a request passes; the terminal filter also answers through it. */
export interface DecoderFilterCallbacks extends FilterCallbacks, FormatContext {
  continueDecoding(): void;
  /** An informational answer of the host; tells whether the client gets it. */
  encodeInformational(head: ResponseHead): boolean;
  encodeHeaders(head: ResponseHead, endStream: boolean): void;
  encodeData(bytes: Bytes, start: number, end: number, endStream: boolean): void;
  encodeTrailers(trailers: HeaderMap): void;
  /** Stops reading the request from the client, until as many `resumeRequest()` have come. */
  pauseRequest(): void;
  resumeRequest(): void;
  /** The client does not read at present. */
  readonly downstreamBlocked: boolean;
  /** Overrides the manager's stream idle timeout; milliseconds, 0: none. */
  setIdleTimeout(milliseconds: number): void;
  /** In `decodeHeaders` or `decodeTrailers`: body bytes for the filters behind, which end the request where the headers did. */
  addDecodedData(bytes: Bytes): void;
  /** The head was changed: its route is found anew when next asked for. */
  clearRouteCache(): void;
  /**
   * Asks the control plane for the routes of this request's host (VHDS); false: nobody can be asked. `done` comes later, once,
   * unless the stream has ended: the route may then be found anew.
   */
  requestRouteConfigUpdate(done: () => void): boolean;
  /** Finds the route anew at once, for a request whose head was changed. */
  chooseRouteAgain(): Route | undefined;
  /**
   * Ends this stream without an answer and takes its request, as it is now, through all filters again in a new one. The
   * request must be complete; `body` becomes the new stream's.
   */
  recreateStream(body: Buffer | undefined): void;
  readonly request: RequestHead;
  /** The answer as it is known so far: set before formats of response headers are evaluated. */
  response: ResponseHead | undefined;
}

export interface EncoderFilterCallbacks extends FilterCallbacks {
  continueEncoding(): void;
  /** In `encodeHeaders` or `encodeTrailers`: body bytes for the filters before, behind all that came so far. */
  addEncodedData(bytes: Bytes): void;
  /** In the callback that has the end of the answer: it ends with these trailers instead. */
  addEncodedTrailers(trailers: HeaderMap): void;
  /** Outside of callbacks: body bytes for the filters before, in place of those that `StopIterationNoBuffer` took. */
  injectEncodedData(bytes: Bytes, start: number, end: number, endStream: boolean): void;
  /** Has the answer come no faster than this filter takes it, until as many `resumeResponse()` have come. */
  pauseResponse(): void;
  resumeResponse(): void;
}

/** All callbacks are synchronous; an exception from one ends the stream with 500 and is logged, never the process. */
export interface StreamFilter {
  decodeHeaders?(head: RequestHead, endStream: boolean): HeadersStatus;
  decodeData?(piece: BodyPiece, endStream: boolean): DataStatus;
  decodeTrailers?(trailers: HeaderMap): TrailersStatus;
  encodeHeaders?(head: ResponseHead, endStream: boolean): HeadersStatus;
  encodeData?(piece: BodyPiece, endStream: boolean): DataStatus;
  encodeTrailers?(trailers: HeaderMap): TrailersStatus;
  setDecoderCallbacks?(callbacks: DecoderFilterCallbacks): void;
  setEncoderCallbacks?(callbacks: EncoderFilterCallbacks): void;
  /** The client stopped reading: produce no more until `onDownstreamWritable`. */
  onDownstreamBlocked?(): void;
  onDownstreamWritable?(): void;
  /** The stream is over, however it ended; comes exactly once. */
  onDestroy?(): void;
}

/** A filter of a chain. */
export interface FilterMaker {
  /** Its label in the chain, by which routes name it. */
  readonly name: string;
  /** Off unless a route has a configuration for it. */
  readonly disabled: boolean;
  create(): StreamFilter;
}

/** What an HTTP filter's `filter.ts` exports by default: from its configuration, a maker of one filter a stream. */
export type HttpFilterFactory = (config: unknown, context: WorkerContext, statPrefix: string) => () => StreamFilter;
