/** Step 4 of the data path: the contract between a server codec and the connection manager, whatever the protocol. */
import type { Bytes } from '../../native-free/bytes/bytes.ts';
import type { HeaderMap, Protocol, RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import type { CodecError } from '../../native-free/http1/codec.ts';

/** Writes the answer to one request. */
export interface ResponseEncoder {
  readonly protocol: Protocol;
  encodeInformational(head: ResponseHead): void;
  encodeHeaders(head: ResponseHead, endStream: boolean): void;
  encodeData(bytes: Bytes, start: number, end: number, endStream: boolean): void;
  encodeTrailers(trailers: HeaderMap): void;
  /** The answer cannot be finished: the client must notice that it is cut. */
  abort(): void;
  pauseRequest(): void;
  resumeRequest(): void;
  /** The client does not read at present. */
  readonly blocked: boolean;
}

/** Reads one request: what the codec tells about a stream. */
export interface RequestReceiver {
  decodeHeaders(head: RequestHead, endStream: boolean): void;
  decodeData(bytes: Bytes, start: number, end: number, endStream: boolean): void;
  decodeTrailers(trailers: HeaderMap): void;
  /** The client went away or reset the stream before the answer was complete. */
  onStreamReset(details: string): void;
  /** The rest of the request cannot be understood. */
  onCodecError(error: CodecError): void;
  onDownstreamBlocked(): void;
  onDownstreamWritable(): void;
  /** The encoder has written the end of the answer; `requestComplete` tells whether the request had been read whole. */
  onResponseEncoded(): void;
}

/** What a codec asks of the connection manager. */
export interface ServerCodecCallbacks {
  /** A request begins. `keepAlive` is what the request itself asks for. */
  newStream(encoder: ResponseEncoder, keepAlive: boolean): RequestReceiver;
  /** Bytes that are no request; answers by a stream of its own that is told the error. */
  onCodecError(encoder: ResponseEncoder, error: CodecError): void;
  /** The first bytes of a head have come, and not its end. */
  onHeadStarted(): void;
  /** The head did not come in time; answers by a stream of its own. */
  answerHeadersTimeout(encoder: ResponseEncoder): void;
  /** The connection carries no stream at present. */
  onIdle(): void;
  onConnectionClosed(local: boolean, reason: string): void;
}
