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
  /** The answer cannot be finished: the client must notice that it is cut. `connectFailed`: it was a tunnel whose host is gone. */
  abort(connectFailed: boolean): void;
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
  /** The client went away, reset the stream or broke the rules before the answer was complete; `flag` is -1 for none. */
  onStreamReset(details: string, flag: number): void;
  /** The rest of the request cannot be understood. */
  onCodecError(error: CodecError): void;
  onDownstreamBlocked(): void;
  onDownstreamWritable(): void;
  /** The encoder has written the end of the answer; `requestComplete` tells whether the request had been read whole. */
  onResponseEncoded(): void;
}

/** One client connection in its protocol, as the connection manager sees it. */
export interface ServerConnection {
  /** HTTP/2: many streams at a time, each of which may end alone; HTTP/1 ends what is left unfinished with the connection. */
  readonly multiplexed: boolean;
  readonly protocol: Protocol;
  /** No stream is open, and none has still to be sent. */
  readonly idle: boolean;
  /** Asks the client to open no more streams; those it opens all the same are served. HTTP/1 says so with its next answer. */
  shutdownNotice(): void;
  /** Streams that the client opens from here on are refused. */
  goAway(): void;
  /** Hands all output to the connection, as far as that takes it. */
  flush(): void;
  /** The head of a request has not come whole in time; false: its stream knows what to do. */
  onHeadTimeout(): boolean;
  /** Ends every stream, and the connection at once. */
  abortAll(details: string): void;
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
  /** The bytes of the client cannot be understood, or are a flood; the connection ends. */
  onProtocolError(flood: boolean): void;
  /** `active`: a request was under way. */
  onConnectionClosed(local: boolean, reason: string, active: boolean): void;
}
