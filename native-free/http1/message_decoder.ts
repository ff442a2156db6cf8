/** Step 1 to 3 of reading, shared by both roles: assembles a head over reads, then follows the body its framing promises. */
import type { Bytes } from '../bytes/bytes.ts';
import type { HeaderMap } from '../headers/header_map.ts';
import {
  CONNECTION,
  CONTENT_LENGTH,
  KEEP_ALIVE,
  PROXY_CONNECTION,
  TE,
  TRAILER,
  UPGRADE,
} from '../headers/well_known.ts';
import { LF } from './characters.ts';
import { type BodySink, ChunkedBody } from './chunked_body.ts';
import type { CodecError, Decoder, Framing, Http1Limits } from './codec.ts';
import { ERRORS } from './codec_errors.ts';
import { type FieldRules, FieldScanner } from './field_scanner.ts';
import { HeldBytes } from './held_bytes.ts';
import { NEED_MORE } from './line_scan.ts';

/** The scanner of a start line; positions are relative to the start of the message. */
interface StartLine {
  readonly error: CodecError;
  /** The head is complete with this line. */
  readonly endsHead: boolean;
  scan(bytes: Bytes, base: number, end: number): number;
  possible(bytes: Bytes, base: number, end: number): boolean;
}

interface MessageEvents {
  onBody(bytes: Bytes, start: number, end: number): void;
  onTrailers(trailers: HeaderMap): void;
  onMessageComplete(): void;
  onCodecError(error: CodecError): void;
}

export interface MessageDecoderOptions extends Http1Limits {
  /** Pass trailers on instead of dropping them. */
  enableTrailers?: boolean;
}

type State =
  /** Between messages. */
  | 'idle'
  | 'head'
  /** Content-Length bytes. */
  | 'length'
  | 'chunked'
  | 'trailers'
  /** A body that ends with the connection. */
  | 'close'
  /** Not HTTP any more. */
  | 'tunnel'
  /** Bytes after the last message are dropped unread. */
  | 'discard'
  | 'failed';

/** Fields that would change framing, routing or the connection if somebody merged them into the head. */
const NOT_A_TRAILER: ReadonlySet<unknown> = new Set([
  CONTENT_LENGTH,
  CONNECTION,
  PROXY_CONNECTION,
  KEEP_ALIVE,
  TE,
  TRAILER,
  UPGRADE,
]);

/** A small integer, so that the rules keep one shape. */
const MANY = 0x3fffffff;

export abstract class MessageDecoder implements Decoder, BodySink {
  paused = false;
  protected state: State = 'idle';
  protected readonly fields = new FieldScanner();
  /** Whether the read that completed a head or body held more bytes. */
  protected leftover = false;

  private readonly messageEvents: MessageEvents;
  private readonly options: MessageDecoderOptions;
  private readonly headRules: FieldRules;
  private readonly trailerRules: FieldRules;
  private readonly startLine: StartLine;
  private startLineDone = false;
  /** The lines of a head or trailer section that is not complete yet, when it spans reads. */
  private held: HeldBytes | undefined;
  private lengthLeft = 0;
  private chunkedBody: ChunkedBody | undefined;

  constructor(
    events: MessageEvents,
    options: MessageDecoderOptions,
    startLine: StartLine,
    underscores: FieldRules['underscores'],
  ) {
    this.messageEvents = events;
    this.options = options;
    this.startLine = startLine;
    const common = { underscores, preserveCase: options.preserveCase, onHeaderDropped: options.onHeaderDropped };
    this.headRules = { ...common, maxFields: options.maxHeaders, strictLineEnd: false };
    // Trailers that are dropped are bounded by their bytes alone.
    const maxTrailers = options.enableTrailers ? options.maxHeaders : MANY;
    this.trailerRules = { ...common, maxFields: maxTrailers, strictLineEnd: true, preserveCase: undefined };
  }

  get failed(): boolean {
    return this.state === 'failed';
  }

  get idle(): boolean {
    return this.state === 'idle';
  }

  /** A head has begun and not ended. */
  get inHead(): boolean {
    return this.state === 'head';
  }

  decode(bytes: Bytes, start: number, end: number): number {
    return this.decodeUpTo(bytes, start, end) - start;
  }

  finish(): void {
    switch (this.state) {
      case 'idle':
      case 'tunnel':
      case 'discard':
      case 'failed':
        return;
      case 'close':
        this.leftover = false;
        this.complete();
        return;
      default:
        this.fail(ERRORS.truncated);
    }
  }

  /** The first byte of a message may come: `beginHead`, or stay idle and say at which position. */
  protected abstract beginMessage(bytes: Bytes, start: number, end: number): number;

  /** The head is complete: tell it, then `beginBody`; or answer why it is refused. `text` starts where the message starts. */
  protected abstract onHead(text: string): CodecError | undefined;

  /** The state after a complete message. */
  protected abstract stateAfterMessage(): 'idle' | 'tunnel' | 'discard';

  /** Status as it goes into the local reply. */
  protected abstract scoped(error: CodecError): CodecError;

  protected beginHead(): void {
    this.state = 'head';
    this.startLineDone = false;
    this.fields.begin();
  }

  /** Follows a head that was told; `contentLength` counts for `length` only. */
  protected beginBody(framing: Framing, contentLength: number): void {
    switch (framing) {
      case 'none':
        this.complete();
        return;
      case 'length':
        this.lengthLeft = contentLength;
        this.state = 'length';
        return;
      case 'chunked':
        this.chunkedBody ??= new ChunkedBody();
        this.chunkedBody.begin();
        this.state = 'chunked';
        return;
      case 'close':
        this.state = 'close';
    }
  }

  protected fail(error: CodecError): void {
    this.state = 'failed';
    this.held = undefined;
    this.messageEvents.onCodecError(this.scoped(error));
  }

  /** For ChunkedBody. */
  onChunkData(bytes: Bytes, start: number, end: number): void {
    this.messageEvents.onBody(bytes, start, end);
  }

  private complete(): void {
    this.state = this.stateAfterMessage();
    this.messageEvents.onMessageComplete();
  }

  /** The position behind the last byte taken. */
  private decodeUpTo(bytes: Bytes, start: number, end: number): number {
    let pos = start;
    while (pos < end && !this.paused) {
      switch (this.state) {
        case 'idle':
          pos = this.beginMessage(bytes, pos, end);
          if (this.state === 'idle') return pos;
          break;
        case 'head':
        case 'trailers':
          pos = this.readLines(bytes, pos, end);
          break;
        case 'length':
          pos = this.readLength(bytes, pos, end);
          break;
        case 'chunked':
          pos = this.readChunks(bytes, pos, end);
          break;
        case 'close':
        case 'tunnel':
          this.messageEvents.onBody(bytes, pos, end);
          return end;
        case 'discard':
          return end;
        default:
          return pos;
      }
    }
    return pos;
  }

  private readLength(bytes: Bytes, pos: number, end: number): number {
    const stop = Math.min(end, pos + this.lengthLeft);
    this.lengthLeft -= stop - pos;
    this.messageEvents.onBody(bytes, pos, stop);
    if (this.lengthLeft === 0) {
      this.leftover = stop < end;
      this.complete();
    }
    return stop;
  }

  private readChunks(bytes: Bytes, pos: number, end: number): number {
    const body = this.chunkedBody!;
    const stop = body.decode(bytes, pos, end, this);
    if (body.error !== undefined) {
      this.fail(body.error);
    } else if (body.ended) {
      this.state = 'trailers';
      this.startLineDone = true;
      this.fields.begin();
    }
    return stop;
  }

  /** A head or trailer section: scanned where it lies when it is whole, else gathered line by line. */
  private readLines(bytes: Bytes, pos: number, end: number): number {
    if (this.held !== undefined) return this.readHeldLines(bytes, pos, end, this.held);
    const limit = Math.min(end, pos + this.options.maxHeadBytes);
    const after = this.scanLines(bytes, pos, pos, limit);
    if (after >= 0) {
      this.leftover = after < end;
      this.linesDone(bytes, pos, after);
      return after;
    }
    if (this.state === 'failed') return pos;
    if (end > limit) {
      this.fail(ERRORS.headersTooLarge);
      return pos;
    }
    this.held = new HeldBytes();
    this.held.append(bytes, pos, end);
    return end;
  }

  /** Takes up to the next LF and scans only then, so that dripping bytes are looked at once each. */
  private readHeldLines(bytes: Bytes, start: number, end: number, held: HeldBytes): number {
    let pos = start;
    while (pos < end) {
      const stop = Math.min(end, pos + this.options.maxHeadBytes - held.length);
      let lineEnd = pos;
      while (lineEnd < stop && bytes[lineEnd] !== LF) lineEnd++;
      const whole = lineEnd < stop;
      if (whole) lineEnd++;
      held.append(bytes, pos, lineEnd);
      pos = lineEnd;
      if (whole) {
        const after = this.scanLines(held.bytes, 0, this.fields.resume, held.length);
        if (after >= 0) {
          this.held = undefined;
          this.leftover = pos < end;
          this.linesDone(held.bytes, 0, after);
          return pos;
        }
        if (this.state === 'failed') return pos;
      } else if (!this.startLineDone && !this.startLine.possible(held.bytes, 0, held.length)) {
        this.fail(this.startLine.error);
        return pos;
      } else if (pos < end) {
        this.fail(ERRORS.headersTooLarge);
        return pos;
      }
    }
    return pos;
  }

  /** The position behind the section, or -1: more bytes are needed, or `failed`. */
  private scanLines(bytes: Bytes, base: number, from: number, end: number): number {
    let pos = from;
    if (!this.startLineDone) {
      pos = this.startLine.scan(bytes, base, end);
      if (pos < 0) {
        if (pos !== NEED_MORE) this.fail(this.startLine.error);
        return -1;
      }
      this.startLineDone = true;
      if (this.startLine.endsHead) return pos;
    }
    const rules = this.state === 'head' ? this.headRules : this.trailerRules;
    pos = this.fields.scan(bytes, base, pos, end, rules);
    if (pos < 0 && pos !== NEED_MORE) this.fail(this.fields.error);
    return pos < 0 ? -1 : pos;
  }

  private linesDone(bytes: Bytes, base: number, end: number): void {
    if (this.state === 'head') {
      const error = this.onHead(bytes.latin1Slice(base, end));
      if (error !== undefined) this.fail(error);
      return;
    }
    // The usual case is an empty section: just the CRLF.
    const trailers = this.fields.take(this.options.enableTrailers ? bytes.latin1Slice(base, end) : '');
    if (this.options.enableTrailers) {
      trailers.removeIf((name) => NOT_A_TRAILER.has(name));
      if (trailers.size > 0) this.messageEvents.onTrailers(trailers);
    }
    this.complete();
  }
}
