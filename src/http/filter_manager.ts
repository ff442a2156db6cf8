/** Step 6 of the data path: takes a request through the HTTP filters and its answer back, as their statuses say. */
import type { Bytes } from '../../native-free/bytes/bytes.ts';
import type { HeaderMap, RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import { BodyBuffer } from '../common/body_buffer.ts';
import type { StreamInfo } from '../common/stream_info.ts';
import type { Route } from '../router/route_table.ts';
import {
  type BodyPiece,
  DataStatus,
  type DecoderFilterCallbacks,
  type EncoderFilterCallbacks,
  type FilterMaker,
  HeadersStatus,
  type StreamFilter,
  TrailersStatus,
} from '../spi/http_filter.ts';
import type { ActiveStream } from './active_stream.ts';

const noBytes = Buffer.alloc(0);

/** Where one filter stands in one direction. */
class Progress {
  /** The filter stopped the iteration and has not resumed it. */
  stopped = false;
  /** Data is kept for the filter without showing it. */
  stopAll = false;
  buffer: BodyBuffer | undefined;
  /** What is still to be handed on when the filter resumes. */
  endStream = false;
  trailers: HeaderMap | undefined;
  /** The buffer is over its limit and the producer paused. */
  pausing = false;
}

/** One filter of one stream, with the callbacks it was given. */
class FilterEntry implements DecoderFilterCallbacks, EncoderFilterCallbacks {
  readonly stream: ActiveStream;
  readonly filter: StreamFilter;
  readonly name: string;
  readonly index: number;
  readonly decoding = new Progress();
  encoding: Progress | undefined;

  constructor(stream: ActiveStream, filter: StreamFilter, name: string, index: number) {
    this.stream = stream;
    this.filter = filter;
    this.name = name;
    this.index = index;
  }

  get info(): StreamInfo {
    return this.stream.info;
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
  get bufferLimit(): number {
    return this.stream.bufferLimit;
  }
  get downstreamBlocked(): boolean {
    return this.stream.downstreamBlocked;
  }
  sendLocalReply(status: number, body: string, details: string, flag = -1, edit?: (headers: HeaderMap) => void): void {
    this.stream.sendLocalReply(status, body, details, flag, edit);
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
  chooseRouteAgain(): Route | undefined {
    return this.stream.chooseRouteAgain();
  }
  recreateStream(body: Buffer | undefined): void {
    this.stream.recreateStream(body);
  }
  encodeInformational(head: ResponseHead): boolean {
    return this.stream.encodeInformational(head);
  }
  encodeHeaders(head: ResponseHead, endStream: boolean): void {
    this.stream.response = head;
    this.stream.filters.encodeHeaders(head, endStream, this.stream.filters.last);
  }
  encodeData(bytes: Bytes, start: number, end: number, endStream: boolean): void {
    this.stream.filters.encodeData(bytes, start, end, endStream, this.stream.filters.last);
  }
  encodeTrailers(trailers: HeaderMap): void {
    this.stream.filters.encodeTrailers(trailers, this.stream.filters.last);
  }
  continueDecoding(): void {
    this.stream.filters.continueDecoding(this.index);
  }
  continueEncoding(): void {
    this.stream.filters.continueEncoding(this.index);
  }
}

export class FilterManager {
  private readonly stream: ActiveStream;
  private readonly entries: FilterEntry[] = [];
  private readonly piece: BodyPiece = { bytes: noBytes, start: 0, end: 0 };
  private destroyed = false;
  private requestEndsWithHeaders = false;
  private responseEndsWithHeaders = false;
  /** A local reply or a reset took over: what is under way must not go on. */
  private decodingOver = false;

  constructor(stream: ActiveStream, makers: readonly FilterMaker[]) {
    this.stream = stream;
    for (let index = 0; index < makers.length; index++) {
      const filter = makers[index].create();
      const entry = new FilterEntry(stream, filter, makers[index].name, index);
      this.entries.push(entry);
      filter.setDecoderCallbacks?.(entry);
      filter.setEncoderCallbacks?.(entry);
    }
  }

  /** Where encoding begins: the terminal filter's neighbour sees the answer first. */
  get last(): number {
    return this.entries.length - 1;
  }

  // === request, first filter to last ===

  decodeHeaders(head: RequestHead, endStream: boolean, from = 0): void {
    this.requestEndsWithHeaders = endStream;
    for (let i = from; i < this.entries.length; i++) {
      const { filter, decoding } = this.entries[i];
      if (filter.decodeHeaders === undefined) continue;
      const status = filter.decodeHeaders(head, endStream);
      if (this.decodingOver || this.destroyed) return;
      if (status === HeadersStatus.Continue) continue;
      decoding.stopped = true;
      decoding.stopAll = status !== HeadersStatus.StopIteration;
      return;
    }
  }

  decodeData(bytes: Bytes, start: number, end: number, endStream: boolean, from = 0): void {
    for (let i = from; i < this.entries.length; i++) {
      if (this.decodingOver || this.destroyed) return;
      const { filter, decoding } = this.entries[i];
      if (decoding.stopAll) {
        this.keepRequest(decoding, bytes, start, end, endStream);
        return;
      }
      if (filter.decodeData === undefined) {
        if (!decoding.stopped) continue;
        this.keepRequest(decoding, bytes, start, end, endStream);
        return;
      }
      const piece = this.lend(bytes, start, end);
      const status = filter.decodeData(piece, endStream);
      if (this.decodingOver || this.destroyed) return;
      // A filter may have put other bytes in place of those it was lent.
      ({ bytes, start, end } = piece);
      if (status === DataStatus.Continue) {
        if (!decoding.stopped) continue;
        decoding.stopped = false;
        this.decodeHeaders(this.stream.request!, false, i + 1);
        const held = this.takeRequest(decoding);
        if (held !== undefined) this.decodeData(held, 0, held.length, false, i + 1);
        continue;
      }
      decoding.stopped = true;
      decoding.endStream = endStream;
      if (status !== DataStatus.StopIterationNoBuffer) {
        this.keepRequest(decoding, bytes, start, end, endStream, status === DataStatus.StopIterationAndBuffer);
      }
      return;
    }
  }

  decodeTrailers(trailers: HeaderMap, from = 0): void {
    for (let i = from; i < this.entries.length; i++) {
      if (this.decodingOver || this.destroyed) return;
      const { filter, decoding } = this.entries[i];
      if (decoding.stopAll) {
        decoding.trailers = trailers;
        return;
      }
      const status = filter.decodeTrailers?.(trailers) ?? TrailersStatus.Continue;
      if (this.decodingOver || this.destroyed) return;
      if (status === TrailersStatus.StopIteration) {
        decoding.stopped = true;
        decoding.trailers = trailers;
        return;
      }
      if (decoding.stopped) {
        decoding.trailers = trailers;
        this.continueDecoding(i);
        return;
      }
    }
  }

  /** A filter resumes: headers, what was kept, and trailers go on behind it. */
  continueDecoding(index: number): void {
    const { decoding } = this.entries[index];
    if (!decoding.stopped || this.decodingOver || this.destroyed) return;
    const unseen = decoding.stopAll;
    decoding.stopped = false;
    decoding.stopAll = false;
    const ends = this.requestEndsWithHeaders;
    this.decodeHeaders(this.stream.request!, ends, index + 1);
    const { endStream, trailers } = decoding;
    const held = this.takeRequest(decoding);
    decoding.endStream = false;
    decoding.trailers = undefined;
    const next = unseen ? index : index + 1;
    if (held !== undefined || (endStream && !ends)) {
      const body = held ?? noBytes;
      this.decodeData(body, 0, body.length, endStream, next);
    }
    if (trailers !== undefined) this.decodeTrailers(trailers, next);
  }

  // === response, last filter to first ===

  encodeHeaders(head: ResponseHead, endStream: boolean, from: number): void {
    this.responseEndsWithHeaders = endStream;
    for (let i = from; i >= 0; i--) {
      const entry = this.entries[i];
      if (entry.filter.encodeHeaders === undefined) continue;
      const status = entry.filter.encodeHeaders(head, endStream);
      if (this.destroyed) return;
      if (status === HeadersStatus.Continue) continue;
      entry.encoding ??= new Progress();
      entry.encoding.stopped = true;
      entry.encoding.stopAll = status !== HeadersStatus.StopIteration;
      return;
    }
    this.stream.encodeHeadersToCodec(head, endStream);
  }

  encodeData(bytes: Bytes, start: number, end: number, endStream: boolean, from: number): void {
    for (let i = from; i >= 0; i--) {
      if (this.destroyed) return;
      const entry = this.entries[i];
      const { filter, encoding } = entry;
      if (encoding?.stopAll === true) {
        this.keepResponse(encoding, bytes, start, end, endStream);
        return;
      }
      if (filter.encodeData === undefined) {
        if (encoding === undefined || !encoding.stopped) continue;
        this.keepResponse(encoding, bytes, start, end, endStream);
        return;
      }
      const piece = this.lend(bytes, start, end);
      const status = filter.encodeData(piece, endStream);
      if (this.destroyed) return;
      ({ bytes, start, end } = piece);
      if (status === DataStatus.Continue) {
        if (encoding === undefined || !encoding.stopped) continue;
        encoding.stopped = false;
        this.encodeHeaders(this.stream.response!, false, i - 1);
        const held = encoding.buffer?.take();
        if (held !== undefined) this.encodeData(held, 0, held.length, false, i - 1);
        continue;
      }
      entry.encoding ??= new Progress();
      entry.encoding.stopped = true;
      entry.encoding.endStream = endStream;
      if (status !== DataStatus.StopIterationNoBuffer) this.keepResponse(entry.encoding, bytes, start, end, endStream);
      return;
    }
    this.stream.encodeDataToCodec(bytes, start, end, endStream);
  }

  encodeTrailers(trailers: HeaderMap, from: number): void {
    for (let i = from; i >= 0; i--) {
      if (this.destroyed) return;
      const { filter, encoding } = this.entries[i];
      if (encoding?.stopAll === true) {
        encoding.trailers = trailers;
        return;
      }
      const status = filter.encodeTrailers?.(trailers) ?? TrailersStatus.Continue;
      if (this.destroyed) return;
      if (encoding?.stopped === true || status === TrailersStatus.StopIteration) {
        const progress = encoding ?? new Progress();
        this.entries[i].encoding = progress;
        progress.stopped = true;
        progress.trailers = trailers;
        if (status === TrailersStatus.Continue) this.continueEncoding(i);
        return;
      }
    }
    this.stream.encodeTrailersToCodec(trailers);
  }

  continueEncoding(index: number): void {
    const { encoding } = this.entries[index];
    if (encoding === undefined || !encoding.stopped || this.destroyed) return;
    const unseen = encoding.stopAll;
    encoding.stopped = false;
    encoding.stopAll = false;
    const ends = this.responseEndsWithHeaders;
    this.encodeHeaders(this.stream.response!, ends, index - 1);
    const { endStream, trailers } = encoding;
    const held = encoding.buffer?.take();
    encoding.endStream = false;
    encoding.trailers = undefined;
    const next = unseen ? index : index - 1;
    if (held !== undefined || (endStream && !ends)) {
      const body = held ?? noBytes;
      this.encodeData(body, 0, body.length, endStream, next);
    }
    if (trailers !== undefined) this.encodeTrailers(trailers, next);
  }

  // === both ===

  /** A local reply or reset: no filter sees more of the request. */
  stopDecoding(): void {
    this.decodingOver = true;
  }

  onDownstreamBlocked(): void {
    for (const entry of this.entries) entry.filter.onDownstreamBlocked?.();
  }

  onDownstreamWritable(): void {
    for (const entry of this.entries) entry.filter.onDownstreamWritable?.();
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    for (const entry of this.entries) entry.filter.onDestroy?.();
  }

  private lend(bytes: Bytes, start: number, end: number): BodyPiece {
    const { piece } = this;
    piece.bytes = bytes;
    piece.start = start;
    piece.end = end;
    return piece;
  }

  private keepRequest(
    progress: Progress,
    bytes: Bytes,
    start: number,
    end: number,
    endStream: boolean,
    failOver = false,
  ): void {
    progress.endStream = endStream;
    progress.buffer ??= new BodyBuffer();
    progress.buffer.add(bytes, start, end);
    if (progress.buffer.size <= this.stream.bufferLimit) return;
    if (failOver) {
      this.stream.sendLocalReply(413, 'Payload Too Large', 'request_payload_too_large', -1, undefined);
    } else if (!progress.pausing) {
      progress.pausing = true;
      this.stream.pauseRequest();
    }
  }

  private takeRequest(progress: Progress): Buffer | undefined {
    if (progress.pausing) {
      progress.pausing = false;
      this.stream.resumeRequest();
    }
    return progress.buffer?.take();
  }

  private keepResponse(progress: Progress, bytes: Bytes, start: number, end: number, endStream: boolean): void {
    progress.endStream = endStream;
    progress.buffer ??= new BodyBuffer();
    progress.buffer.add(bytes, start, end);
    if (progress.buffer.size > this.stream.bufferLimit) {
      this.stream.sendLocalReply(500, 'Internal Server Error', 'response_payload_too_large', -1, undefined);
    }
  }
}
