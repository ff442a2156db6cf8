/** Step 6 of the data path: takes a request through the HTTP filters and its answer back, as their statuses say. */
import type { Bytes } from '../../native-free/bytes/bytes.ts';
import type { HeaderMap, RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import { BodyBuffer } from '../common/body_buffer.ts';
import { type BodyPiece, DataStatus, type FilterMaker, HeadersStatus, TrailersStatus } from '../spi/http_filter.ts';
import type { ActiveStream } from './active_stream.ts';
import { FilterEntry, Progress } from './filter_entry.ts';

const noBytes = Buffer.alloc(0);

export class FilterManager {
  private readonly stream: ActiveStream;
  private readonly entries: FilterEntry[] = [];
  private readonly piece: BodyPiece = { bytes: noBytes, start: 0, end: 0 };
  private destroyed = false;
  private requestEndsWithHeaders = false;
  private responseEndsWithHeaders = false;
  /** The request has passed the manager's own checks. */
  started = false;
  /** A local reply or a reset took over: what is under way must not go on. */
  private decodingOver = false;
  /** An answer has begun its way through the filters. */
  private encodingStarted = false;
  /** Raised by each local reply: a loop that was under way then ends. */
  private replies = 0;
  /** The answer went past the filters: nothing that they still hold is sent. */
  private bypassed = false;
  /** What a filter adds in the callback that runs at present. */
  private added: BodyBuffer | undefined;
  private addedTrailers: HeaderMap | undefined;
  /** Filters that take the answer slower than it comes. */
  private pauses = 0;

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
    this.started = true;
    this.requestEndsWithHeaders = endStream;
    for (let i = from; i < this.entries.length; i++) {
      const { filter, decoding } = this.entries[i];
      if (filter.decodeHeaders === undefined) continue;
      const status = filter.decodeHeaders(head, endStream);
      if (this.decodingOver || this.destroyed) return;
      const added = this.takeAdded();
      if (status === HeadersStatus.Continue) {
        if (added === undefined) continue;
        this.decodeHeaders(head, false, i + 1);
        this.decodeData(added, 0, added.length, endStream, i + 1);
        return;
      }
      decoding.stop(status);
      if (added !== undefined) {
        this.requestEndsWithHeaders = false;
        this.keepRequest(decoding, added, 0, added.length, endStream);
      }
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
        if (decoding.takeHeaders()) this.decodeHeaders(this.stream.request!, false, i + 1);
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
      const added = this.takeAdded();
      if (added !== undefined) {
        if (decoding.stopped || status === TrailersStatus.StopIteration)
          this.keepRequest(decoding, added, 0, added.length, false);
        else this.decodeData(added, 0, added.length, false, i + 1);
      }
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
    if (decoding.takeHeaders()) this.decodeHeaders(this.stream.request!, ends, index + 1);
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
    this.encodingStarted = true;
    this.responseEndsWithHeaders = endStream;
    const { replies } = this;
    for (let i = from; i >= 0; i--) {
      const entry = this.entries[i];
      if (entry.filter.encodeHeaders === undefined) continue;
      const status = entry.filter.encodeHeaders(head, endStream);
      if (this.destroyed || this.replies !== replies) return;
      const added = this.takeAdded();
      const trailers = this.takeTrailers();
      const more = added !== undefined || trailers !== undefined;
      if (status === HeadersStatus.Continue) {
        if (!more) continue;
        this.encodeHeaders(head, false, i - 1);
        if (added !== undefined) this.encodeData(added, 0, added.length, endStream && trailers === undefined, i - 1);
        if (trailers !== undefined) this.encodeTrailers(trailers, i - 1);
        return;
      }
      entry.encoding ??= new Progress();
      entry.encoding.stop(status);
      if (!more) return;
      this.responseEndsWithHeaders = false;
      entry.encoding.trailers = trailers;
      const ends = endStream && trailers === undefined;
      this.keepResponse(entry.encoding, added ?? noBytes, 0, added?.length ?? 0, ends);
      return;
    }
    this.stream.encodeHeadersToCodec(head, endStream);
  }

  encodeData(bytes: Bytes, start: number, end: number, endStream: boolean, from: number): void {
    const { replies } = this;
    for (let i = from; i >= 0; i--) {
      if (this.destroyed || this.replies !== replies) return;
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
      if (this.destroyed || this.replies !== replies) return;
      ({ bytes, start, end } = piece);
      const trailers = this.takeTrailers();
      if (status === DataStatus.Continue) {
        if (encoding?.stopped === true) this.releaseResponse(encoding, i);
        if (trailers === undefined) continue;
        this.encodeData(bytes, start, end, false, i - 1);
        if (this.replies === replies) this.encodeTrailers(trailers, i - 1);
        return;
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
    const { replies } = this;
    for (let i = from; i >= 0; i--) {
      if (this.destroyed || this.replies !== replies) return;
      const { filter, encoding } = this.entries[i];
      if (encoding?.stopAll === true) {
        encoding.trailers = trailers;
        return;
      }
      const status = filter.encodeTrailers?.(trailers) ?? TrailersStatus.Continue;
      if (this.destroyed || this.replies !== replies) return;
      const added = this.takeAdded();
      if (encoding?.stopped === true || status === TrailersStatus.StopIteration) {
        const progress = encoding ?? new Progress();
        this.entries[i].encoding = progress;
        progress.stopped = true;
        if (added !== undefined) this.keepResponse(progress, added, 0, added.length, false);
        progress.trailers = trailers;
        if (status === TrailersStatus.Continue) this.continueEncoding(i);
        return;
      }
      if (added !== undefined) this.encodeData(added, 0, added.length, false, i - 1);
    }
    if (this.destroyed || this.replies !== replies) return;
    this.stream.encodeTrailersToCodec(trailers);
  }

  continueEncoding(index: number): void {
    const { encoding } = this.entries[index];
    if (encoding === undefined || !encoding.stopped || this.destroyed || this.bypassed) return;
    const unseen = encoding.stopAll;
    encoding.stopped = false;
    encoding.stopAll = false;
    const ends = this.responseEndsWithHeaders;
    if (encoding.takeHeaders()) this.encodeHeaders(this.stream.response!, ends, index - 1);
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

  /** Bytes that a filter took go on from the one before it. */
  injectEncodedData(bytes: Bytes, start: number, end: number, endStream: boolean, index: number): void {
    if (!this.destroyed && !this.bypassed) this.encodeData(bytes, start, end, endStream, index - 1);
  }

  /** The answer of the router; a local reply has taken its place when there was one. */
  get answered(): boolean {
    return this.replies > 0;
  }

  /**
   * An answer of our own begins. True when it must go past the filters, since they have seen the headers of another one
   * already, as in Envoy.
   */
  startLocalReply(): boolean {
    this.replies++;
    this.added = undefined;
    this.addedTrailers = undefined;
    this.bypassed = this.encodingStarted;
    return this.bypassed;
  }

  /** Body bytes behind what the callback that runs at present was shown; they are copied. */
  addBody(bytes: Bytes): void {
    this.added ??= new BodyBuffer();
    this.added.add(bytes, 0, bytes.length);
  }

  addTrailers(trailers: HeaderMap): void {
    this.addedTrailers = trailers;
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
    if (this.pauses > 0) return;
    for (const entry of this.entries) entry.filter.onDownstreamWritable?.();
  }

  pauseResponse(): void {
    this.pauses++;
    if (this.pauses === 1 && !this.destroyed) this.onDownstreamBlocked();
  }

  resumeResponse(): void {
    this.pauses--;
    if (this.pauses === 0 && !this.destroyed && !this.stream.downstreamBlocked) this.onDownstreamWritable();
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    for (const entry of this.entries) entry.filter.onDestroy?.();
  }

  private takeAdded(): Buffer | undefined {
    if (this.added === undefined) return undefined;
    const bytes = this.added.take();
    this.added = undefined;
    return bytes;
  }

  private takeTrailers(): HeaderMap | undefined {
    if (this.addedTrailers === undefined) return undefined;
    const trailers = this.addedTrailers;
    this.addedTrailers = undefined;
    return trailers;
  }

  /** The filter lets go what it held, before the piece at hand. */
  private releaseResponse(encoding: Progress, index: number): void {
    encoding.stopped = false;
    if (encoding.takeHeaders()) this.encodeHeaders(this.stream.response!, false, index - 1);
    const held = encoding.buffer?.take();
    if (held !== undefined) this.encodeData(held, 0, held.length, false, index - 1);
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
