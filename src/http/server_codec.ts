/** Step 4 of the data path: the contract between a server codec and the connection manager, whatever the protocol. */
import type { Bytes } from '../../native-free/bytes/bytes.ts';
import type { HeaderMap, Protocol, RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import type { CodecError } from '../../native-free/http1/codec.ts';

/** Writes the answer to one request. */
export interface ResponseEncoder {
  readonly protocol: Protocol;
  /** What the request wants its stream to become: a protocol as it names it, `CONNECT`, or empty. */
  readonly upgrade: string;
  /** From now on another receiver hears of the request and of the client. */
  bind(receiver: RequestReceiver): void;
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
  /** The first bytes of a request have come. */
  newStream(encoder: ResponseEncoder): RequestReceiver;
  /** Its head has not come whole with them. */
  onHeadIncomplete(): void;
  /** Its head has come whole. `keepAlive` is what the request itself asks for. */
  onHeadComplete(keepAlive: boolean): void;
  /** The connection carries no stream at present. */
  onIdle(): void;
  /** `active`: a request was under way. */
  onConnectionClosed(local: boolean, reason: string, active: boolean): void;
}
