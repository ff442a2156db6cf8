/** Step 6 of the data path: one filter of one stream: where it stands, and the callbacks it was given. */
import type { Bytes } from '../../native-free/bytes/bytes.ts';
import type { HeaderMap, RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import type { BodyBuffer } from '../common/body_buffer.ts';
import type { StreamInfo } from '../common/stream_info.ts';
import type { Route } from '../router/route_table.ts';
import {
  type DecoderFilterCallbacks,
  type EncoderFilterCallbacks,
  HeadersStatus,
  type StreamFilter,
} from '../spi/http_filter.ts';
import type { ActiveStream } from './active_stream.ts';

const noConfigs: readonly unknown[] = [];

/** Where one filter stands in one direction. */
export class Progress {
  /** The filter stopped the iteration and has not resumed it. */
  stopped = false;
  /** Data is kept for the filter without showing it. */
  stopAll = false;
  /** The headers wait behind this filter too, not only data. */
  private headersHeld = false;
  buffer: BodyBuffer | undefined;
  /** What is still to be handed on when the filter resumes. */
  endStream = false;
  trailers: HeaderMap | undefined;
  /** The buffer is over its limit and the producer paused. */
  pausing = false;

  /** The filter stopped at the headers. */
  stop(status: HeadersStatus): void {
    this.stopped = true;
    this.headersHeld = true;
    this.stopAll = status !== HeadersStatus.StopIteration;
  }

  /** Whether the headers have still to go on; they do now. */
  takeHeaders(): boolean {
    const held = this.headersHeld;
    this.headersHeld = false;
    return held;
  }
}

export class FilterEntry implements DecoderFilterCallbacks, EncoderFilterCallbacks {
  readonly stream: ActiveStream;
  readonly info: StreamInfo;
  readonly filter: StreamFilter;
  readonly name: string;
  readonly index: number;
  readonly decoding = new Progress();
  encoding: Progress | undefined;

  constructor(stream: ActiveStream, filter: StreamFilter, name: string, index: number) {
    this.stream = stream;
    this.info = stream.info;
    this.filter = filter;
    this.name = name;
    this.index = index;
  }

  get request(): RequestHead {
    return this.stream.request!;
  }
  get response(): ResponseHead | undefined {
    return this.stream.response;
  }
  set response(head: ResponseHead | undefined) {
    this.stream.response = head;
  }
  get responseTrailers(): HeaderMap | undefined {
    return this.stream.responseTrailers;
  }
  get localReplyBody(): string {
    return this.stream.localReplyBody;
  }
  get route(): Route | undefined {
    return this.stream.route;
  }
  get perRouteConfig(): unknown {
    return this.stream.route?.perFilterConfig(this.name);
  }
  get perRouteConfigs(): readonly unknown[] {
    // A request that is refused before it comes to the filters has no route, as in Envoy.
    const route = this.stream.filters.started ? this.stream.route : undefined;
    return route?.perFilterConfigs(this.name) ?? noConfigs;
  }
  get bufferLimit(): number {
    return this.stream.bufferLimit;
  }
  get downstreamBlocked(): boolean {
    return this.stream.downstreamBlocked;
  }
  sendLocalReply(
    status: number,
    body: string,
    details: string,
    flag = -1,
    edit?: (headers: HeaderMap) => void,
    grpcStatus?: number,
  ): void {
    this.stream.sendLocalReply(status, body, details, flag, edit, grpcStatus);
  }
  resetStream(details: string): void {
    this.stream.resetStream(details);
  }
  setIdleTimeout(milliseconds: number): void {
    this.stream.setIdleTimeout(milliseconds);
  }
  pauseRequest(): void {
    this.stream.pauseRequest();
  }
  resumeRequest(): void {
    this.stream.resumeRequest();
  }
  clearRouteCache(): void {
    this.stream.clearRouteCache();
  }
  requestRouteConfigUpdate(done: () => void): boolean {
    return this.stream.requestRouteConfigUpdate(done);
  }
  chooseRouteAgain(): Route | undefined {
    return this.stream.chooseRouteAgain();
  }
  recreateStream(body: Buffer | undefined): void {
    this.stream.recreateStream(body);
  }
  addDecodedData(bytes: Bytes): void {
    this.stream.filters.addBody(bytes);
  }
  addEncodedData(bytes: Bytes): void {
    this.stream.filters.addBody(bytes);
  }
  addEncodedTrailers(trailers: HeaderMap): void {
    this.stream.filters.addTrailers(trailers);
  }
  injectEncodedData(bytes: Bytes, start: number, end: number, endStream: boolean): void {
    this.stream.filters.injectEncodedData(bytes, start, end, endStream, this.index);
  }
  pauseResponse(): void {
    this.stream.filters.pauseResponse();
  }
  resumeResponse(): void {
    this.stream.filters.resumeResponse();
  }
  encodeInformational(head: ResponseHead): boolean {
    return this.stream.encodeInformational(head);
  }
  encodeHeaders(head: ResponseHead, endStream: boolean): void {
    const { filters } = this.stream;
    if (filters.answered) return;
    this.stream.response = head;
    filters.encodeHeaders(head, endStream, filters.last);
  }
  encodeData(bytes: Bytes, start: number, end: number, endStream: boolean): void {
    const { filters } = this.stream;
    if (!filters.answered) filters.encodeData(bytes, start, end, endStream, filters.last);
  }
  encodeTrailers(trailers: HeaderMap): void {
    const { filters } = this.stream;
    if (!filters.answered) filters.encodeTrailers(trailers, filters.last);
  }
  continueDecoding(): void {
    this.stream.filters.continueDecoding(this.index);
  }
  continueEncoding(): void {
    this.stream.filters.continueEncoding(this.index);
  }
}
