/** envoy.filters.http.grpc_json_transcoder: lets clients that speak JSON over HTTP call gRPC services by google.api.http rules. */
import type { Bytes } from '../../../../../native-free/bytes/bytes.ts';
import { grpcType, isGrpcType } from '../../../../../native-free/grpc/content_type.ts';
import { grpcToHttpStatus, invalidGrpcStatus, parseGrpcStatus } from '../../../../../native-free/grpc/status.ts';
import type { HeaderMap, RequestHead, ResponseHead } from '../../../../../native-free/headers/header_map.ts';
import { headerName } from '../../../../../native-free/headers/header_name.ts';
import {
  CONTENT_LENGTH,
  CONTENT_TYPE,
  GRPC_MESSAGE,
  GRPC_STATUS,
  TE,
  TRAILER,
  X_ENVOY_ORIGINAL_PATH,
} from '../../../../../native-free/headers/well_known.ts';
import type { envoy } from '../../../../api/envoy_types.ts';
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
import { BufferedBytes } from './buffered_bytes.ts';
import type { TranscodedMethod } from './methods.ts';
import { makeRequestTranslator, type RequestTranslator } from './request_translator.ts';
import { ResponseTranslator } from './response_translator.ts';
import { statusMessage } from './status_details.ts';
import { TranscoderConfig } from './transcoder_config.ts';

type Message = envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder;

const X_ENVOY_ORIGINAL_METHOD = headerName('x-envoy-original-method');
const GRPC_STATUS_DETAILS = headerName('grpc-status-details-bin');

const failed = 'grpc_json_transcode_failure';
const failedEarly = 'early_grpc_json_transcode_failure';
const requestTooLarge = "Request rejected because the transcoder's internal buffer size exceeds the configured limit.";
const responseTooLarge =
  "Response not transcoded because the transcoder's internal buffer size exceeds the configured limit.";

export default function create(message: Message, context: WorkerContext, statPrefix: string): () => StreamFilter {
  const config = new TranscoderConfig(message);
  const ofRoutes = new WeakMap<Message, TranscoderConfig>();
  const configOf = (route: Message | undefined): TranscoderConfig => {
    if (route === undefined) return config;
    let own = ofRoutes.get(route);
    if (own === undefined) {
      own = new TranscoderConfig(route);
      ofRoutes.set(route, own);
    }
    return own;
  };
  const requestGauge = context.stats.gauge(`http.${statPrefix}.transcoder_request_buffer_bytes`);
  const responseGauge = context.stats.gauge(`http.${statPrefix}.transcoder_response_buffer_bytes`);
  return () => new JsonTranscoderFilter(configOf, new BufferedBytes(requestGauge), new BufferedBytes(responseGauge));
}

class JsonTranscoderFilter implements StreamFilter {
  private readonly configOf: (route: Message | undefined) => TranscoderConfig;
  private readonly requestBytes: BufferedBytes;
  private readonly responseBytes: BufferedBytes;
  private decoder!: DecoderFilterCallbacks;
  private encoder!: EncoderFilterCallbacks;
  private config!: TranscoderConfig;
  /** Undefined: the request or its answer passes as it is. */
  private method: TranscodedMethod | undefined;
  private request: RequestTranslator | undefined;
  private response: ResponseTranslator | undefined;
  private responseHead: ResponseHead | undefined;
  private hasBody = false;
  /** Bytes that the manager holds behind headers that wait. */
  private passedBytes = 0;

  constructor(
    configOf: (route: Message | undefined) => TranscoderConfig,
    requestBytes: BufferedBytes,
    responseBytes: BufferedBytes,
  ) {
    this.configOf = configOf;
    this.requestBytes = requestBytes;
    this.responseBytes = responseBytes;
  }

  setDecoderCallbacks(callbacks: DecoderFilterCallbacks): void {
    this.decoder = callbacks;
  }

  setEncoderCallbacks(callbacks: EncoderFilterCallbacks): void {
    this.encoder = callbacks;
  }

  decodeHeaders(head: RequestHead, endStream: boolean): HeadersStatus {
    const { decoder } = this;
    this.config = this.configOf(decoder.perRouteConfig as Message | undefined);
    const type = head.headers.get(CONTENT_TYPE);
    if (this.config.disabled || isGrpcType(type)) return HeadersStatus.Continue;
    const found = this.config.find(head);
    if ('reason' in found) return this.passOrRefuse(found.reason, found.text);
    this.method = found.method;
    this.request = makeRequestTranslator(found, this.config, type ?? '');
    makeGrpc(head, found.method);
    if (!this.config.message.matchIncomingRequestRoute) decoder.clearRouteCache();
    if (!endStream) return HeadersStatus.Continue;
    this.request.finish();
    if (this.refuseRequest(failedEarly)) return HeadersStatus.StopIteration;
    const message = this.request.take();
    if (message !== undefined) decoder.addDecodedData(message);
    return HeadersStatus.Continue;
  }

  decodeData(piece: BodyPiece, endStream: boolean): DataStatus {
    const { request } = this;
    if (request === undefined) return DataStatus.Continue;
    request.push(piece.bytes, piece.start, piece.end);
    this.requestBytes.set(request.held);
    if (request.held > (this.config.message.maxRequestBodySize ?? this.decoder.bufferLimit)) {
      this.stop();
      this.decoder.sendLocalReply(413, requestTooLarge, `${failed}{request_buffer_size_limit_reached}`);
      return DataStatus.StopIterationNoBuffer;
    }
    if (endStream) request.finish();
    if (this.refuseRequest(failed)) return DataStatus.StopIterationNoBuffer;
    put(piece, request.take());
    return DataStatus.Continue;
  }

  decodeTrailers(): TrailersStatus {
    const { request } = this;
    if (request === undefined) return TrailersStatus.Continue;
    request.finish();
    if (this.refuseRequest(failed)) return TrailersStatus.StopIteration;
    const message = request.take();
    if (message !== undefined) this.decoder.addDecodedData(message);
    return TrailersStatus.Continue;
  }

  encodeHeaders(head: ResponseHead, endStream: boolean): HeadersStatus {
    const { method, config } = this;
    if (method === undefined) return HeadersStatus.Continue;
    const { headers } = head;
    const isGrpc = endStream ? headers.has(GRPC_STATUS) : head.status === 200 && isGrpcType(headers.get(CONTENT_TYPE));
    if (!isGrpc) {
      this.method = undefined;
      return HeadersStatus.Continue;
    }
    this.responseHead = head;
    this.response = new ResponseTranslator(method, config, this.responseLimit);
    const { serverStreaming } = method;
    const type = serverStreaming && config.streamForm === 'sse' ? 'text/event-stream' : 'application/json';
    if (!endStream || serverStreaming) headers.set(CONTENT_TYPE, type);
    if (endStream) {
      this.endResponse(headers);
      return HeadersStatus.Continue;
    }
    headers.remove(CONTENT_LENGTH);
    // The type of an HttpBody and the status of a single message are not known yet.
    return serverStreaming && method.responseHttpBody === undefined
      ? HeadersStatus.Continue
      : HeadersStatus.StopIteration;
  }

  encodeData(piece: BodyPiece, endStream: boolean): DataStatus {
    const { method, response } = this;
    if (method === undefined || response === undefined) return DataStatus.Continue;
    this.hasBody = true;
    const fits = response.push(piece.bytes, piece.start, piece.end);
    const limit = this.responseLimit;
    this.responseBytes.set(response.waiting);
    if (!fits || response.waiting > limit) {
      this.stop();
      this.encoder.sendLocalReply(500, responseTooLarge, `${failed}{response_buffer_size_limit_reached}`);
      return DataStatus.StopIterationNoBuffer;
    }
    if (this.refuseResponse()) return DataStatus.StopIterationNoBuffer;
    if (method.responseHttpBody !== undefined) return this.passHttpBody(piece, method);
    if (!method.serverStreaming && !endStream) return DataStatus.StopIterationNoBuffer;
    if (endStream) response.finish();
    this.pass(piece, response.take());
    return DataStatus.Continue;
  }

  encodeTrailers(trailers: HeaderMap): TrailersStatus {
    if (this.method === undefined || this.responseHead === undefined) return TrailersStatus.Continue;
    this.endResponse(trailers);
    return this.method === undefined ? TrailersStatus.StopIteration : TrailersStatus.Continue;
  }

  onDestroy(): void {
    this.requestBytes.set(0);
    this.responseBytes.set(0);
  }

  private passOrRefuse(reason: 'unknown_method' | 'unknown_parameters', text: string): HeadersStatus {
    const validation = this.config.message.requestValidationOptions;
    if (reason === 'unknown_method') {
      if (validation?.rejectUnknownMethod !== true) return HeadersStatus.Continue;
      this.decoder.sendLocalReply(404, text, `${failedEarly}{NOT_FOUND}`);
    } else {
      if (validation?.rejectUnknownQueryParameters !== true) return HeadersStatus.Continue;
      this.decoder.sendLocalReply(400, text, `${failedEarly}{INVALID_ARGUMENT}`);
    }
    return HeadersStatus.StopIteration;
  }

  private get responseLimit(): number {
    return this.config.message.maxResponseBodySize ?? this.encoder.bufferLimit;
  }

  private refuseRequest(details: string): boolean {
    this.requestBytes.set(this.request!.held);
    const { fault } = this.request!;
    if (fault === undefined) return false;
    this.stop();
    this.decoder.sendLocalReply(400, fault, `${details}{INVALID_ARGUMENT}`);
    return true;
  }

  private refuseResponse(): boolean {
    if (!this.response!.failed) return false;
    this.stop();
    if (this.response!.contentType !== undefined) this.encoder.resetStream(failed);
    else this.encoder.sendLocalReply(502, this.response!.failure, `${failed}{INVALID_ARGUMENT}`);
    return true;
  }

  /** Nothing of this exchange is transcoded any more. */
  private stop(): void {
    this.method = undefined;
    this.request = undefined;
  }

  private passHttpBody(piece: BodyPiece, method: TranscodedMethod): DataStatus {
    const { contentType } = this.response!;
    const { headers } = this.responseHead!;
    this.pass(piece, this.response!.take());
    if (contentType === undefined) return DataStatus.StopIterationAndBuffer;
    headers.set(CONTENT_TYPE, contentType);
    return method.serverStreaming ? DataStatus.Continue : DataStatus.StopIterationAndBuffer;
  }

  private pass(piece: BodyPiece, bytes: Buffer | undefined): void {
    put(piece, bytes);
    this.passedBytes += bytes?.length ?? 0;
    this.responseBytes.set(this.response!.waiting);
  }

  /** The status is known: `last` is the trailers, or the headers of an answer without a body. */
  private endResponse(last: HeaderMap): void {
    const { method, response, responseHead } = this;
    const head = responseHead!;
    const trailersOnly = head.headers === last;
    const text = last.get(GRPC_STATUS);
    const status = text === undefined ? undefined : parseGrpcStatus(text);
    if (status !== undefined && this.convertStatus(status, last, head, trailersOnly)) return;
    response!.finish();
    if (!method!.serverStreaming && this.refuseResponse()) return;
    const rest = response!.take();
    if (rest !== undefined) this.encoder.addEncodedData(rest);
    if (method!.serverStreaming && !trailersOnly) return;
    head.status = status === undefined || status === invalidGrpcStatus ? 503 : grpcToHttpStatus(status);
    if (!trailersOnly) {
      if (status !== undefined && status !== invalidGrpcStatus) head.headers.set(GRPC_STATUS, String(status));
      const message = last.get(GRPC_MESSAGE);
      if (message !== undefined) head.headers.set(GRPC_MESSAGE, message);
    }
    this.dropTrailerField(head);
    if (!method!.serverStreaming) {
      head.headers.set(CONTENT_LENGTH, String(this.passedBytes + (rest?.length ?? 0)));
    }
  }

  /** convert_grpc_status: an error without a body becomes a body. */
  private convertStatus(status: number, last: HeaderMap, head: ResponseHead, trailersOnly: boolean): boolean {
    if (!this.config.message.convertGrpcStatus || this.hasBody) return false;
    if (status === 0 || status === invalidGrpcStatus) return false;
    const details = last.get(GRPC_STATUS_DETAILS);
    const json = this.config.printStatus(statusMessage(status, last.get(GRPC_MESSAGE), details));
    if (json === undefined) return false;
    const { headers } = head;
    head.status = grpcToHttpStatus(status);
    if (trailersOnly) {
      for (const name of [GRPC_STATUS, GRPC_MESSAGE, GRPC_STATUS_DETAILS]) headers.remove(name);
    }
    this.dropTrailerField(head);
    headers.set(CONTENT_TYPE, 'application/json');
    const body = Buffer.from(json);
    headers.set(CONTENT_LENGTH, String(body.length));
    this.encoder.addEncodedData(body);
    return true;
  }

  private dropTrailerField({ headers }: ResponseHead): void {
    const { protocol } = this.encoder.info;
    if (protocol === 'HTTP/1.0' || protocol === 'HTTP/1.1') headers.remove(TRAILER);
  }
}

function makeGrpc(head: RequestHead, method: TranscodedMethod): void {
  const { headers } = head;
  headers.remove(CONTENT_LENGTH);
  headers.set(CONTENT_TYPE, grpcType);
  headers.set(X_ENVOY_ORIGINAL_PATH, head.path);
  headers.add(X_ENVOY_ORIGINAL_METHOD, head.method);
  head.path = method.path;
  head.method = 'POST';
  headers.set(TE, 'trailers');
}

const nothing: Bytes = Buffer.alloc(0);

function put(piece: BodyPiece, bytes: Bytes = nothing): void {
  piece.bytes = bytes;
  piece.start = 0;
  piece.end = bytes.length;
}
