/** Records what an HTTP/1 decoder tells, as lines of text, for any way of cutting the bytes into reads. */
import type { HeaderMap, RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import type {
  CodecError,
  Decoder,
  Framing,
  RequestDecoderEvents,
  RequestDecoderOptions,
  ResponseDecoderEvents,
} from '../../native-free/http1/codec.ts';
import { Http1RequestDecoder } from '../../native-free/http1/request_decoder.ts';
import { Http1ResponseDecoder, type ResponseDecoderOptions } from '../../native-free/http1/response_decoder.ts';

export const REQUEST_OPTIONS: RequestDecoderOptions = {
  maxHeadBytes: 60 * 1024,
  maxHeaders: 100,
  acceptHttp10: false,
  defaultHostForHttp10: '',
  enableTrailers: false,
  allowAbsoluteUrl: true,
  headersWithUnderscores: 'ALLOW',
};

export const RESPONSE_OPTIONS: ResponseDecoderOptions = {
  maxHeadBytes: 80 * 1024,
  maxHeaders: 100,
  enableTrailers: false,
};

export function describeHeaders(headers: HeaderMap): string {
  return headers.names.map((name, i) => `${name.text}=${headers.values[i]}`).join('|');
}

/** Body pieces are joined, since only their sum does not depend on the reads. */
export class EventRecorder implements RequestDecoderEvents, ResponseDecoderEvents {
  readonly lines: string[] = [];
  requests: { head: RequestHead; framing: Framing; body: string }[] = [];
  responses: { head: ResponseHead; framing: Framing; body: string }[] = [];
  private body = '';

  onRequestHead(head: RequestHead, framing: Framing, contentLength: number, keepAlive: boolean): void {
    this.requests.push({ head, framing, body: '' });
    const { method, path, authority, scheme, protocol } = head;
    const target = `${method} ${path} ${scheme === '' ? '' : `${scheme}:`}${authority} ${protocol}`;
    this.tell(`${target} ${framing} ${contentLength} ${keepAlive ? 'keep' : 'close'} ${describeHeaders(head.headers)}`);
  }

  onInformational(head: ResponseHead): void {
    this.tell(`informational ${head.status} ${describeHeaders(head.headers)}`);
  }

  onResponseHead(head: ResponseHead, framing: Framing, contentLength: number, keepAlive: boolean): void {
    this.responses.push({ head, framing, body: '' });
    const line = `${head.protocol} ${head.status} ${framing} ${contentLength} ${keepAlive ? 'keep' : 'close'}`;
    this.tell(`${line} ${describeHeaders(head.headers)}`);
  }

  onBody(bytes: Uint8Array, start: number, end: number): void {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
    this.body += text;
    const message = this.requests.at(-1) ?? this.responses.at(-1);
    if (message !== undefined) message.body += text;
  }

  onTrailers(trailers: HeaderMap): void {
    this.tell(`trailers ${describeHeaders(trailers)}`);
  }

  onMessageComplete(): void {
    this.tell('complete');
  }

  onCodecError(error: CodecError): void {
    this.tell(`error ${error.status} ${error.details}`);
  }

  tell(line: string): void {
    this.flush();
    this.lines.push(line.trimEnd());
  }

  flush(): void {
    if (this.body !== '') this.lines.push(`body ${this.body}`);
    this.body = '';
  }
}

/** Feeds `bytes` cut at `cuts`, each piece in memory of its own that is overwritten afterwards: bytes are only lent. */
export function feed(decoder: Decoder, bytes: Buffer, cuts: readonly number[]): void {
  let start = 0;
  for (const cut of [...cuts, bytes.length]) {
    const piece = Buffer.from(bytes.subarray(start, cut));
    decoder.decode(piece, 0, piece.length);
    piece.fill(0);
    start = cut;
  }
}

/** What a request decoder tells of a connection's bytes, FIN included when `fin`. */
export function recordRequests(
  input: string | Buffer,
  cuts: readonly number[],
  options: Partial<RequestDecoderOptions> = {},
  fin = false,
): EventRecorder {
  const recorder = new EventRecorder();
  const decoder = new Http1RequestDecoder(recorder, { ...REQUEST_OPTIONS, ...options });
  feed(decoder, toBytes(input), cuts);
  if (fin) decoder.finish();
  recorder.flush();
  return recorder;
}

/** What a response decoder tells; `surplus` is the last line when bytes were left over. */
export function recordResponse(
  input: string | Buffer,
  cuts: readonly number[],
  how: { method?: string; upgrade?: boolean; fin?: boolean; options?: Partial<ResponseDecoderOptions> } = {},
): EventRecorder {
  const recorder = new EventRecorder();
  const decoder = new Http1ResponseDecoder(recorder, { ...RESPONSE_OPTIONS, ...how.options });
  decoder.expect(how.method ?? 'GET', how.upgrade);
  feed(decoder, toBytes(input), cuts);
  if (how.fin) decoder.finish();
  recorder.flush();
  if (decoder.surplus) recorder.tell('surplus');
  return recorder;
}

export function toBytes(input: string | Buffer): Buffer {
  return typeof input === 'string' ? Buffer.from(input, 'latin1') : input;
}

/** Every way to cut that the tests try: byte by byte, and in two at each place (a few places of long inputs). */
export function* allCuts(length: number): Generator<number[]> {
  yield Array.from({ length: length - 1 }, (_, i) => i + 1);
  const step = length > 4096 ? 1997 : 1;
  for (let cut = 1; cut < length; cut += step) yield [cut];
}
