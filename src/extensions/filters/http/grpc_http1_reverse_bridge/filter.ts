/** envoy.filters.http.grpc_http1_reverse_bridge: lets plain HTTP hosts answer gRPC clients; type, prefix and status are made up. */
import { isGrpcType } from '../../../../../native-free/grpc/content_type.ts';
import { prefixBytes, writePrefix } from '../../../../../native-free/grpc/message_framing.ts';
import { GrpcStatus, httpToGrpcStatus } from '../../../../../native-free/grpc/status.ts';
import { HeaderMap, type RequestHead, type ResponseHead } from '../../../../../native-free/headers/header_map.ts';
import { type HeaderName, headerName } from '../../../../../native-free/headers/header_name.ts';
import { CONTENT_LENGTH, CONTENT_TYPE, GRPC_STATUS } from '../../../../../native-free/headers/well_known.ts';
import type { envoy } from '../../../../api/envoy_types.ts';
import { BodyBuffer } from '../../../../common/body_buffer.ts';
import {
  type BodyPiece,
  DataStatus,
  type DecoderFilterCallbacks,
  type EncoderFilterCallbacks,
  HeadersStatus,
  type StreamFilter,
  TrailersStatus,
} from '../../../../spi/http_filter.ts';

type Message = envoy.extensions.filters.http.grpc_http1_reverse_bridge.v3.FilterConfig;
type PerRoute = envoy.extensions.filters.http.grpc_http1_reverse_bridge.v3.FilterConfigPerRoute;

const ACCEPT = headerName('accept');

interface Config {
  readonly contentType: string;
  readonly withholdFrames: boolean;
  /** The host tells there how long its answer is, so that it need not be held. */
  readonly sizeHeader: HeaderName | undefined;
}

export default function create(message: Message): () => StreamFilter {
  const config: Config = {
    contentType: message.contentType,
    withholdFrames: message.withholdGrpcFrames,
    sizeHeader: message.responseSizeHeader === '' ? undefined : headerName(message.responseSizeHeader),
  };
  return () => new GrpcHttp1ReverseBridgeFilter(config);
}

class GrpcHttp1ReverseBridgeFilter implements StreamFilter {
  private readonly config: Config;
  private decoder!: DecoderFilterCallbacks;
  private encoder!: EncoderFilterCallbacks;
  private enabled = false;
  /** The client's own type: application/grpc, or with a message format. */
  private clientType = '';
  private prefixTaken = false;
  private grpcStatus = '';
  private promisedBytes = 0;
  private receivedBytes = 0;
  private prefixSent = false;
  private held: BodyBuffer | undefined;

  constructor(config: Config) {
    this.config = config;
  }

  setDecoderCallbacks(callbacks: DecoderFilterCallbacks): void {
    this.decoder = callbacks;
  }

  setEncoderCallbacks(callbacks: EncoderFilterCallbacks): void {
    this.encoder = callbacks;
  }

  decodeHeaders({ headers }: RequestHead, endStream: boolean): HeadersStatus {
    const type = headers.get(CONTENT_TYPE);
    if (endStream || !isGrpcType(type)) return HeadersStatus.Continue;
    if ((this.decoder.perRouteConfig as PerRoute | undefined)?.disabled === true) return HeadersStatus.Continue;
    const { contentType, withholdFrames } = this.config;
    this.enabled = true;
    this.clientType = type!;
    headers.set(CONTENT_TYPE, contentType);
    headers.set(ACCEPT, contentType);
    if (withholdFrames) adjustLength(headers, -prefixBytes);
    this.decoder.clearRouteCache();
    return HeadersStatus.Continue;
  }

  decodeData(piece: BodyPiece): DataStatus {
    if (!this.enabled || !this.config.withholdFrames || this.prefixTaken) return DataStatus.Continue;
    // As in Envoy the first read must have the whole prefix.
    if (piece.end - piece.start < prefixBytes) {
      this.refuse('invalid request body', 'grpc_bridge_data_too_small', GrpcStatus.Unknown);
      return DataStatus.StopIterationNoBuffer;
    }
    piece.start += prefixBytes;
    this.prefixTaken = true;
    return DataStatus.Continue;
  }

  encodeHeaders(head: ResponseHead, endStream: boolean): HeadersStatus {
    if (!this.enabled) return HeadersStatus.Continue;
    const { contentType, withholdFrames, sizeHeader } = this.config;
    const { headers } = head;
    if (headers.get(CONTENT_TYPE) !== contentType) {
      this.refuse(wrongType(head), 'grpc_bridge_content_type_wrong', GrpcStatus.Unknown);
      return HeadersStatus.StopIteration;
    }
    headers.set(CONTENT_TYPE, this.clientType);
    if (withholdFrames && sizeHeader === undefined) adjustLength(headers, prefixBytes);
    else if (withholdFrames) {
      const size = /^\d{1,9}$/.exec(headers.get(sizeHeader!)?.split(',')[0].trim() ?? '');
      if (size === null) {
        const text = 'envoy reverse bridge: upstream did not set content length';
        this.refuse(text, 'grpc_bridge_content_length_missing', GrpcStatus.Internal);
        return HeadersStatus.StopIteration;
      }
      this.promisedBytes = Number(size[0]);
      headers.set(CONTENT_LENGTH, String(this.promisedBytes + prefixBytes));
    }
    // Unlike the mapping of gRPC: a host that answers 200 has done what it was asked.
    this.grpcStatus = String(head.status === 200 ? GrpcStatus.Ok : httpToGrpcStatus(head.status));
    head.status = 200;
    if (endStream && withholdFrames) {
      headers.set(CONTENT_LENGTH, String(prefixBytes));
      this.encoder.addEncodedData(prefixOf(0));
      this.encoder.addEncodedTrailers(this.trailers());
    }
    return HeadersStatus.Continue;
  }

  encodeData(piece: BodyPiece, endStream: boolean): DataStatus {
    if (!this.enabled) return DataStatus.Continue;
    const { withholdFrames, sizeHeader } = this.config;
    this.receivedBytes += piece.end - piece.start;
    if (withholdFrames && sizeHeader === undefined) return this.hold(piece, endStream);
    if (withholdFrames && !this.prefixSent) {
      this.prefixSent = true;
      put(piece, Buffer.concat([prefixOf(this.promisedBytes), piece.bytes.subarray(piece.start, piece.end)]));
    }
    if (!endStream) return DataStatus.Continue;
    if (withholdFrames && this.receivedBytes !== this.promisedBytes) {
      const text = 'envoy reverse bridge: upstream set incorrect content length';
      this.refuse(text, 'grpc_bridge_content_length_wrong', GrpcStatus.Internal);
      return DataStatus.StopIterationNoBuffer;
    }
    this.encoder.addEncodedTrailers(this.trailers());
    return DataStatus.Continue;
  }

  encodeTrailers(trailers: HeaderMap): TrailersStatus {
    if (!this.enabled) return TrailersStatus.Continue;
    trailers.set(GRPC_STATUS, this.grpcStatus);
    if (this.config.withholdFrames && this.config.sizeHeader === undefined) this.encoder.addEncodedData(this.message());
    return TrailersStatus.Continue;
  }

  /** Only the whole answer tells the length that goes before it. */
  private hold(piece: BodyPiece, endStream: boolean): DataStatus {
    this.held ??= new BodyBuffer();
    this.held.add(piece.bytes, piece.start, piece.end);
    if (this.held.size > this.encoder.bufferLimit) {
      this.held = undefined;
      this.encoder.sendLocalReply(500, 'Internal Server Error', 'response_payload_too_large');
      return DataStatus.StopIterationNoBuffer;
    }
    if (!endStream) return DataStatus.StopIterationNoBuffer;
    put(piece, this.message());
    this.encoder.addEncodedTrailers(this.trailers());
    return DataStatus.Continue;
  }

  private message(): Buffer {
    const body = this.held?.take();
    return body === undefined ? prefixOf(0) : Buffer.concat([prefixOf(body.length), body]);
  }

  private trailers(): HeaderMap {
    const trailers = new HeaderMap();
    trailers.add(GRPC_STATUS, this.grpcStatus);
    return trailers;
  }

  private refuse(text: string, details: string, grpcStatus: GrpcStatus): void {
    this.decoder.sendLocalReply(200, text, details, -1, undefined, grpcStatus);
  }
}

function wrongType({ status, headers }: ResponseHead): string {
  const type = headers.get(CONTENT_TYPE);
  const what = type === undefined ? 'no content-type header' : `unsupported content-type ${type}`;
  return `envoy reverse bridge: upstream responded with ${what}, status code ${status}`;
}

function adjustLength(headers: HeaderMap, change: number): void {
  const length = headers.get(CONTENT_LENGTH);
  if (length === undefined || !/^\d{1,15}$/.test(length) || Number(length) === 0) return;
  headers.set(CONTENT_LENGTH, String(Math.max(0, Number(length) + change)));
}

function prefixOf(length: number): Buffer {
  const prefix = Buffer.allocUnsafe(prefixBytes);
  writePrefix(prefix, 0, length);
  return prefix;
}

function put(piece: BodyPiece, bytes: Buffer): void {
  piece.bytes = bytes;
  piece.start = 0;
  piece.end = bytes.length;
}
