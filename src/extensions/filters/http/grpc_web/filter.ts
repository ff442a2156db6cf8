/** envoy.filters.http.grpc_web: lets browsers call gRPC (PROTOCOL-WEB.md): trailers as a frame of the body, bodies as base64. */
import { Base64Decoder, MessageTextEncoder } from '../../../../../native-free/grpc/base64.ts';
import {
  grpcType,
  grpcWebProtoType,
  grpcWebTextProtoType,
  grpcWebTextType,
  grpcWebType,
  isGrpcType,
} from '../../../../../native-free/grpc/content_type.ts';
import { prefixBytes, writePrefix } from '../../../../../native-free/grpc/message_framing.ts';
import { parseMethodPath } from '../../../../../native-free/grpc/method_path.ts';
import { encodeGrpcMessage } from '../../../../../native-free/grpc/percent_encoding.ts';
import { httpToGrpcStatus } from '../../../../../native-free/grpc/status.ts';
import type { HeaderMap, RequestHead, ResponseHead } from '../../../../../native-free/headers/header_map.ts';
import { headerName } from '../../../../../native-free/headers/header_name.ts';
import {
  CONTENT_LENGTH,
  CONTENT_TYPE,
  GRPC_MESSAGE,
  GRPC_STATUS,
  TE,
} from '../../../../../native-free/headers/well_known.ts';
import { BodyBuffer } from '../../../../common/body_buffer.ts';
import { type CallScope, CallStats } from '../../../../common/grpc/call_stats.ts';
import {
  type BodyPiece,
  DataStatus,
  type DecoderFilterCallbacks,
  type EncoderFilterCallbacks,
  HeadersStatus,
  type StreamFilter,
  TrailersStatus,
} from '../../../../spi/http_filter.ts';
import type { WorkerContext } from '../../../../spi/worker_context.ts';

const ACCEPT = headerName('accept');
const GRPC_ACCEPT_ENCODING = headerName('grpc-accept-encoding');

const webTypes = new Set([grpcWebType, grpcWebProtoType, grpcWebTextType, grpcWebTextProtoType]);
const trailersFlag = 0x80;
/** Bytes of an answer that is no gRPC which become grpc-message. */
const mostMessageBytes = 16_384;
const invalidBase64 = 'Bad gRPC-web request, invalid base64 data.';

interface Config {
  readonly clusters: WorkerContext['clusters'];
  readonly stats: CallStats;
}

export default function create(_message: unknown, context: WorkerContext): () => StreamFilter {
  const config: Config = { clusters: context.clusters, stats: new CallStats(context.stats, 'grpc-web') };
  return () => new GrpcWebFilter(config);
}

class GrpcWebFilter implements StreamFilter {
  private readonly config: Config;
  private decoder!: DecoderFilterCallbacks;
  private encoder!: EncoderFilterCallbacks;
  private isWeb = false;
  private requestText: Base64Decoder | undefined;
  private responseText: MessageTextEncoder | undefined;
  private scope: CallScope | undefined;
  /** An answer that is no gRPC: its body becomes grpc-message. */
  private foreign: { readonly head: ResponseHead; readonly body: BodyBuffer } | undefined;

  constructor(config: Config) {
    this.config = config;
  }

  setDecoderCallbacks(callbacks: DecoderFilterCallbacks): void {
    this.decoder = callbacks;
  }

  setEncoderCallbacks(callbacks: EncoderFilterCallbacks): void {
    this.encoder = callbacks;
  }

  decodeHeaders(head: RequestHead): HeadersStatus {
    const { headers } = head;
    const type = headers.get(CONTENT_TYPE);
    if (type === undefined || !webTypes.has(type)) return HeadersStatus.Continue;
    this.isWeb = true;
    this.scope = this.findScope(head);
    headers.remove(CONTENT_LENGTH);
    if (isText(type)) this.requestText = new Base64Decoder();
    if (isText(headers.get(ACCEPT))) this.responseText = new MessageTextEncoder();
    headers.set(CONTENT_TYPE, grpcType);
    headers.set(TE, 'trailers');
    if (!headers.has(GRPC_ACCEPT_ENCODING)) headers.set(GRPC_ACCEPT_ENCODING, 'identity');
    return HeadersStatus.Continue;
  }

  decodeData(piece: BodyPiece, endStream: boolean): DataStatus {
    const { requestText } = this;
    if (requestText === undefined) return DataStatus.Continue;
    const output = Buffer.allocUnsafe(Base64Decoder.outputSize(piece.end - piece.start));
    const written = requestText.push(piece.bytes, piece.start, piece.end, output);
    if (written < 0 || (endStream && requestText.pending > 0)) {
      const details = written < 0 ? 'grpc_base_64_decode_failed' : 'grpc_base_64_decode_failed_bad_size';
      this.decoder.sendLocalReply(400, invalidBase64, details);
      return DataStatus.StopIterationNoBuffer;
    }
    put(piece, output, written);
    return DataStatus.Continue;
  }

  encodeHeaders(head: ResponseHead, endStream: boolean): HeadersStatus {
    if (!this.isWeb) return HeadersStatus.Continue;
    const { headers } = head;
    const type = headers.get(CONTENT_TYPE);
    const isGrpc = endStream
      ? headers.has(GRPC_STATUS)
      : head.status === 200 && (isGrpcType(type) || isWebAnswer(type));
    this.scope?.chargeStatus(headers.get(GRPC_STATUS));
    headers.remove(CONTENT_LENGTH);
    headers.set(CONTENT_TYPE, this.responseText === undefined ? grpcWebProtoType : grpcWebTextProtoType);
    if (endStream || isGrpc) return HeadersStatus.Continue;
    this.foreign = { head, body: new BodyBuffer() };
    return HeadersStatus.StopIteration;
  }

  encodeData(piece: BodyPiece, endStream: boolean): DataStatus {
    if (!this.isWeb) return DataStatus.Continue;
    if (this.foreign !== undefined) return this.holdForeign(piece, endStream);
    const { responseText } = this;
    if (responseText === undefined) return DataStatus.Continue;
    const output = Buffer.allocUnsafe(MessageTextEncoder.outputSize(piece.end - piece.start));
    let written = responseText.push(piece.bytes, piece.start, piece.end, output);
    if (endStream) written += responseText.end(output.subarray(written));
    put(piece, output, written);
    return DataStatus.Continue;
  }

  encodeTrailers(trailers: HeaderMap): TrailersStatus {
    if (!this.isWeb) return TrailersStatus.Continue;
    this.scope?.chargeStatus(trailers.get(GRPC_STATUS));
    if (this.foreign !== undefined) {
      this.finishForeign();
      return TrailersStatus.Continue;
    }
    const frame = trailersFrame(trailers);
    trailers.removeIf(() => true);
    const { responseText } = this;
    if (responseText === undefined) this.encoder.addEncodedData(frame);
    else {
      const rest = Buffer.allocUnsafe(4);
      const written = responseText.end(rest);
      const text = rest.toString('latin1', 0, written) + frame.toString('base64');
      this.encoder.addEncodedData(Buffer.from(text, 'latin1'));
    }
    return TrailersStatus.Continue;
  }

  private findScope(head: RequestHead): CallScope | undefined {
    const name = this.decoder.route?.selectCluster(head);
    const cluster = name === undefined ? undefined : this.config.clusters.get(name);
    const call = cluster === undefined ? undefined : parseMethodPath(head.path);
    return call === undefined ? undefined : this.config.stats.scope(cluster!.statsPrefix, call);
  }

  private holdForeign(piece: BodyPiece, endStream: boolean): DataStatus {
    const { body } = this.foreign!;
    body.add(piece.bytes, piece.start, Math.min(piece.end, piece.start + mostMessageBytes - body.size));
    if (!endStream) return DataStatus.StopIterationNoBuffer;
    this.finishForeign();
    piece.end = piece.start;
    return DataStatus.Continue;
  }

  private finishForeign(): void {
    const { head, body } = this.foreign!;
    this.foreign = undefined;
    const text = body.take()?.toString('latin1') ?? '';
    head.headers.set(GRPC_MESSAGE, encodeGrpcMessage(text));
    head.headers.set(GRPC_STATUS, String(httpToGrpcStatus(head.status)));
    head.headers.set(CONTENT_LENGTH, '0');
  }
}

function isText(type: string | undefined): boolean {
  return type === grpcWebTextType || type === grpcWebTextProtoType;
}

/** The host speaks gRPC-Web itself; a parameter does not count. */
function isWebAnswer(type: string | undefined): boolean {
  const bare = type?.split(';')[0].trimEnd().toLowerCase();
  return bare === grpcWebType || bare === grpcWebProtoType;
}

function trailersFrame(trailers: HeaderMap): Buffer {
  let text = '';
  for (let i = 0; i < trailers.names.length; i++) text += `${trailers.names[i].text}:${trailers.values[i]}\r\n`;
  const frame = Buffer.allocUnsafe(prefixBytes + text.length);
  writePrefix(frame, 0, text.length, trailersFlag);
  frame.write(text, prefixBytes, 'latin1');
  return frame;
}

function put(piece: BodyPiece, bytes: Buffer, length: number): void {
  piece.bytes = bytes;
  piece.start = 0;
  piece.end = length;
}
