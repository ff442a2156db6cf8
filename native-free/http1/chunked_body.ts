/** Step 2 of reading a message whose body comes in chunks (RFC 9112 section 7.1): sizes, extensions and data, up to the last chunk. */
import type { Bytes } from '../bytes/bytes.ts';
import { CR, HEX_VALUE, HTAB, LF, SEMICOLON, SP, VALUE_BYTE } from './characters.ts';
import type { CodecError } from './codec.ts';
import { ERRORS } from './codec_errors.ts';

/** Bytes of one chunk's size and extensions; Envoy has no bound. */
const MAX_CHUNK_LINE = 4096;
/** Bytes of all extensions of a message; Envoy has no bound. */
const MAX_EXTENSIONS = 16384;

/** Where the data goes, and who may stop it. */
export interface BodySink {
  readonly paused: boolean;
  onChunkData(bytes: Bytes, start: number, end: number): void;
}

type State =
  | 'size'
  /** Blanks behind the size, which old servers pad with. */
  | 'blank'
  | 'extension'
  | 'size-lf'
  | 'data'
  | 'data-cr'
  | 'data-lf'
  /** The last chunk's line is read; trailers come next. */
  | 'ended';

export class ChunkedBody {
  /** Why the body was refused. */
  error: CodecError | undefined;
  private state: State = 'size';
  /** The chunk's size while its line is read, then what is left of its data. */
  private left = 0;
  private digits = 0;
  private lineBytes = 0;
  private extensionBytes = 0;

  get ended(): boolean {
    return this.state === 'ended';
  }

  begin(): void {
    this.error = undefined;
    this.extensionBytes = 0;
    this.beginChunk();
  }

  /** The position behind what was taken: all, unless the body ended, was refused, or the sink paused. */
  decode(bytes: Bytes, start: number, end: number, sink: BodySink): number {
    let pos = start;
    while (pos < end) {
      if (this.state === 'data') {
        const stop = Math.min(end, pos + this.left);
        this.left -= stop - pos;
        if (this.left === 0) this.state = 'data-cr';
        sink.onChunkData(bytes, pos, stop);
        pos = stop;
        if (sink.paused) return pos;
        continue;
      }
      const error = this.take(bytes[pos]);
      if (error !== undefined) {
        this.error = error;
        return pos;
      }
      pos++;
      if (this.state === 'ended') return pos;
    }
    return pos;
  }

  private beginChunk(): void {
    this.state = 'size';
    this.left = 0;
    this.digits = 0;
    this.lineBytes = 0;
  }

  /** One byte that is not data; answers why it is wrong. */
  private take(byte: number): CodecError | undefined {
    switch (this.state) {
      case 'size':
        return this.takeSize(byte);
      case 'blank':
      case 'extension':
        return this.takeExtension(byte);
      case 'size-lf':
        if (byte !== LF) return ERRORS.chunkExtension;
        this.state = this.left === 0 ? 'ended' : 'data';
        return undefined;
      case 'data-cr':
        if (byte !== CR) return ERRORS.chunkEnd;
        this.state = 'data-lf';
        return undefined;
      default:
        if (byte !== LF) return ERRORS.chunkEnd;
        this.beginChunk();
        return undefined;
    }
  }

  private takeSize(byte: number): CodecError | undefined {
    const digit = HEX_VALUE[byte];
    if (++this.lineBytes > MAX_CHUNK_LINE) return ERRORS.chunkLineTooLong;
    if (digit < 16) {
      this.digits++;
      this.left = this.left * 16 + digit;
      return this.left > Number.MAX_SAFE_INTEGER ? ERRORS.chunkSize : undefined;
    }
    if (this.digits === 0) return ERRORS.chunkSize;
    if (byte === CR) this.state = 'size-lf';
    else if (byte === SEMICOLON) this.state = 'extension';
    else if (byte === SP || byte === HTAB) this.state = 'blank';
    else return ERRORS.chunkSize;
    return undefined;
  }

  private takeExtension(byte: number): CodecError | undefined {
    if (byte === CR) {
      this.state = 'size-lf';
      return undefined;
    }
    if (++this.lineBytes > MAX_CHUNK_LINE) return ERRORS.chunkLineTooLong;
    if (VALUE_BYTE[byte] === 0) return ERRORS.chunkExtension;
    if (this.state === 'extension') return ++this.extensionBytes > MAX_EXTENSIONS ? ERRORS.chunkLineTooLong : undefined;
    if (byte === SEMICOLON) this.state = 'extension';
    else if (byte !== SP && byte !== HTAB) return ERRORS.chunkSize;
    return undefined;
  }
}
