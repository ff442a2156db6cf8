/** envoy.filters.http.grpc_http1_bridge: lets HTTP/1 clients call gRPC, its trailers as headers; unary calls, for answers are held. */
import { grpcType, isGrpcType } from '../../../../../native-free/grpc/content_type.ts';
import { prefixBytes, writePrefix } from '../../../../../native-free/grpc/message_framing.ts';
import type { HeaderMap, RequestHead, ResponseHead } from '../../../../../native-free/headers/header_map.ts';
import {
  CONTENT_LENGTH,
  CONTENT_TYPE,
  GRPC_MESSAGE,
  GRPC_STATUS,
} from '../../../../../native-free/headers/well_known.ts';
import type { envoy } from '../../../../api/envoy_types.ts';
import { BodyBuffer } from '../../../../common/body_buffer.ts';
import {
  type BodyPiece,
  DataStatus,
  type DecoderFilterCallbacks,
  HeadersStatus,
  type StreamFilter,
  TrailersStatus,
} from '../../../../spi/http_filter.ts';

type Message = envoy.extensions.filters.http.grpc_http1_bridge.v3.Config;

const protobufType = 'application/x-protobuf';

export default function create(message: Message): () => StreamFilter {
  return () => new GrpcHttp1BridgeFilter(message);
}

class GrpcHttp1BridgeFilter implements StreamFilter {
  private readonly config: Message;
  private callbacks!: DecoderFilterCallbacks;
  /** A gRPC request over HTTP/1. */
  private bridging = false;
  /** Its messages have no prefix on the client's side. */
  private framing = false;
  private request: BodyBuffer | undefined;
  private response: ResponseHead | undefined;
  /** Bytes of the answer's prefix that are still to be taken off. */
  private prefixLeft = 0;
  private bodyBytes = 0;

  constructor(config: Message) {
    this.config = config;
  }

  setDecoderCallbacks(callbacks: DecoderFilterCallbacks): void {
    this.callbacks = callbacks;
  }

  decodeHeaders(head: RequestHead, endStream: boolean): HeadersStatus {
    const { headers } = head;
    const upgraded = this.config.upgradeProtobufToGrpc && headers.get(CONTENT_TYPE) === protobufType;
    if (upgraded) {
      headers.set(CONTENT_TYPE, grpcType);
      headers.remove(CONTENT_LENGTH);
    }
    const { protocol } = this.callbacks.info;
    this.bridging = (protocol === 'HTTP/1.0' || protocol === 'HTTP/1.1') && isGrpcType(headers.get(CONTENT_TYPE));
    if (!this.bridging) return HeadersStatus.Continue;
    this.framing = upgraded && !endStream;
    if (upgraded) this.prefixLeft = prefixBytes;
    if (this.config.ignoreQueryParameters) head.path = withoutQuery(head.path);
    return HeadersStatus.Continue;
  }

  decodeData(piece: BodyPiece, endStream: boolean): DataStatus {
    if (!this.framing) return DataStatus.Continue;
    this.request ??= new BodyBuffer();
    this.request.add(piece.bytes, piece.start, piece.end);
    if (!endStream && this.request.size <= this.callbacks.bufferLimit) return DataStatus.StopIterationNoBuffer;
    if (!endStream) {
      this.callbacks.sendLocalReply(413, 'Payload Too Large', 'request_payload_too_large');
      return DataStatus.StopIterationNoBuffer;
    }
    const body = this.request.take();
    const frame = Buffer.allocUnsafe(prefixBytes + (body?.length ?? 0));
    writePrefix(frame, 0, body?.length ?? 0);
    body?.copy(frame, prefixBytes);
    piece.bytes = frame;
    piece.start = 0;
    piece.end = frame.length;
    return DataStatus.Continue;
  }

  encodeHeaders(head: ResponseHead, endStream: boolean): HeadersStatus {
    if (!this.bridging || endStream) return HeadersStatus.Continue;
    this.response = head;
    return HeadersStatus.StopIteration;
  }

  encodeData(piece: BodyPiece, endStream: boolean): DataStatus {
    if (!this.bridging || endStream) return DataStatus.Continue;
    if (this.prefixLeft > 0) {
      const taken = Math.min(this.prefixLeft, piece.end - piece.start);
      piece.start += taken;
      this.prefixLeft -= taken;
    }
    this.bodyBytes += piece.end - piece.start;
    return DataStatus.StopIterationAndBuffer;
  }

  encodeTrailers(trailers: HeaderMap): TrailersStatus {
    const { response } = this;
    if (!this.bridging || response === undefined) return TrailersStatus.Continue;
    const { headers } = response;
    const status = trailers.get(GRPC_STATUS);
    if (status !== undefined) {
      if (!/^0+$/.test(status)) response.status = 503;
      headers.set(GRPC_STATUS, status);
    }
    const message = trailers.get(GRPC_MESSAGE);
    if (message !== undefined) headers.set(GRPC_MESSAGE, message);
    headers.set(CONTENT_LENGTH, String(this.bodyBytes));
    return TrailersStatus.Continue;
  }
}

function withoutQuery(path: string): string {
  const query = path.indexOf('?');
  return query < 0 ? path : path.slice(0, query);
}
