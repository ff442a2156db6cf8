/** What the tests of the HTTP/2 codec share: frames by hand, frames made readable, and owners that write down what they hear. */
import type { Bytes } from '../../native-free/bytes/bytes.ts';
import { HeaderMap, type RequestHead, type ResponseHead } from '../../native-free/headers/header_map.ts';
import { headerName } from '../../native-free/headers/header_name.ts';
import { ClientCodec } from '../../native-free/http2/client_codec.ts';
import type {
  ErrorCode,
  Http2Codec,
  Http2ConnectionEvents,
  Http2Error,
  Http2Options,
  Http2ServerEvents,
  Http2Stream,
  Http2StreamReceiver,
} from '../../native-free/http2/codec.ts';
import { CLIENT_PREFACE } from '../../native-free/http2/preface.ts';
import { ServerCodec } from '../../native-free/http2/server_codec.ts';

export const OPTIONS: Http2Options = {
  maxConcurrentStreams: 100,
  initialStreamWindowSize: 65_535,
  initialConnectionWindowSize: 65_535,
  hpackTableSize: 4096,
  maxHeaderBytes: 60 * 1024,
  maxHeaders: 100,
  allowConnect: true,
  streamBufferLimit: 65_536,
  headersWithUnderscores: 'ALLOW',
  streamErrorOnInvalidMessage: false,
  maxOutboundFrames: 10_000,
  maxOutboundControlFrames: 1000,
  maxConsecutiveInboundFramesWithEmptyPayload: 1,
  maxInboundPriorityFramesPerStream: 100,
  maxInboundWindowUpdateFramesPerDataFrameSent: 10,
  maxHeaderFieldBytes: 65_536,
  streamResetBurst: 1000,
  streamResetRate: 33,
  customSettings: [],
};

/** `:method GET`, `:scheme http`, `:path /`, `:authority h`; without a table. */
export const GET = Uint8Array.of(0x82, 0x86, 0x84, 0x01, 1, 0x68);
export const POST = Uint8Array.of(0x83, 0x86, 0x84, 0x01, 1, 0x68);
/** `:status 200`. */
export const OK = Uint8Array.of(0x88);
export const PREFACE = Buffer.from(CLIENT_PREFACE);

export const DATA = 0;
export const HEADERS = 1;
export const PRIORITY = 2;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;
export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;
export const PADDED = 8;

const NAMES = 'DATA HEADERS PRIORITY RST_STREAM SETTINGS PUSH_PROMISE PING GOAWAY WINDOW_UPDATE CONTINUATION'.split(
  ' ',
);

export function frame(type: number, flags: number, id: number, payload: Uint8Array | readonly number[] = []): Buffer {
  const bytes = Buffer.from(payload);
  const header = Buffer.alloc(9);
  header.writeUIntBE(bytes.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(id, 5);
  return Buffer.concat([header, bytes]);
}

export function uint32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => void bytes.writeUInt32BE(value >>> 0, 4 * i));
  return bytes;
}

export function setting(id: number, value: number): Buffer {
  return Buffer.concat([Buffer.of(id >>> 8, id & 255), uint32(value)]);
}

/** A request without a body, or the head of one with it. */
export function request(id: number, endStream = true): Buffer {
  return frame(HEADERS, END_HEADERS | (endStream ? END_STREAM : 0), id, endStream ? GET : POST);
}

export interface Frame {
  type: number;
  flags: number;
  id: number;
  payload: Buffer;
}

export function framesOf(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUIntBE(at, 3);
    const payload = bytes.subarray(at + 9, at + 9 + length);
    frames.push({ type: bytes[at + 3], flags: bytes[at + 4], id: bytes.readUInt32BE(at + 5), payload });
    at += 9 + length;
  }
  return frames;
}

/** E.g. `DATA 1 5 END`, `RST_STREAM 1 8`, `WINDOW_UPDATE 0 100`, `GOAWAY 1 0`. */
export function readable({ type, flags, id, payload }: Frame): string {
  const end = (flags & END_STREAM) !== 0 ? ' END' : '';
  switch (type) {
    case DATA:
      return `DATA ${id} ${payload.length}${end}`;
    case HEADERS:
      return `HEADERS ${id}${end}`;
    case RST_STREAM:
    case WINDOW_UPDATE:
      return `${NAMES[type]} ${id} ${payload.readUInt32BE(0)}`;
    case GOAWAY:
      return `GOAWAY ${payload.readUInt32BE(0)} ${payload.readUInt32BE(4)}`;
    case SETTINGS:
    case PING:
      return (flags & ACK) !== 0 ? `${NAMES[type]} ACK` : NAMES[type];
    default:
      return `${NAMES[type]} ${id}`;
  }
}

export function requestHead(method = 'GET', path = '/', fields: Record<string, string> = {}): RequestHead {
  return { method, path, authority: 'h', scheme: 'http', protocol: 'HTTP/2', headers: map(fields) };
}

export function responseHead(status = 200, fields: Record<string, string> = {}): ResponseHead {
  return { status, protocol: 'HTTP/2', headers: map(fields) };
}

export function map(fields: Record<string, string>): HeaderMap {
  const headers = new HeaderMap();
  for (const [name, value] of Object.entries(fields)) headers.add(headerName(name), value);
  return headers;
}

/** Writes down all it hears. */
abstract class Owner implements Http2ConnectionEvents {
  log: string[] = [];
  outputs = 0;
  error: Http2Error | undefined;
  abstract readonly codec: Http2Codec;

  onOutput(): void {
    this.outputs++;
  }
  onSettings(): void {}
  onGoAway(last: number, code: ErrorCode): void {
    this.log.push(`goaway ${last} ${code}`);
  }
  onPingAck(): void {
    this.log.push('pong');
  }
  onIdle(): void {
    this.log.push('idle');
  }
  onCount(counter: string): void {
    this.log.push(`count ${counter}`);
  }
  onConnectionError(error: Http2Error): void {
    this.error = error;
    this.log.push(`error ${error.code} ${error.counter}`.trimEnd());
  }

  send(...pieces: Uint8Array[]): void {
    const bytes = Buffer.concat(pieces);
    this.codec.receive(bytes, 0, bytes.length);
  }

  /** All that leaves now. */
  bytes(): Buffer {
    const pieces: Buffer[] = [];
    this.codec.flush((bytes, start, end) => {
      pieces.push(Buffer.from(bytes.subarray(start, end)));
      return true;
    });
    return Buffer.concat(pieces);
  }

  frames(): string[] {
    return framesOf(this.bytes()).map(readable);
  }

  /** What was heard since the last time. */
  heard(): string[] {
    const { log } = this;
    this.log = [];
    return log;
  }
}

export class Receiver implements Http2StreamReceiver {
  readonly owner: { log: string[] };
  readonly id: number;
  received = 0;
  constructor(owner: { log: string[] }, id: number) {
    this.owner = owner;
    this.id = id;
  }
  onInformational(head: ResponseHead): void {
    this.owner.log.push(`${this.id} informational ${head.status}`);
  }
  onResponse(head: ResponseHead, endStream: boolean): void {
    this.owner.log.push(`${this.id} response ${head.status}${endStream ? ' END' : ''}`);
  }
  onData(_bytes: Bytes, start: number, end: number, endStream: boolean): void {
    this.received += end - start;
    this.owner.log.push(`${this.id} data ${end - start}${endStream ? ' END' : ''}`);
  }
  onTrailers(trailers: HeaderMap): void {
    this.owner.log.push(`${this.id} trailers ${trailers.names.map((name, i) => `${name.text}=${trailers.values[i]}`)}`);
  }
  onReset(code: ErrorCode, remote: boolean, error: Http2Error | undefined): void {
    this.owner.log.push(`${this.id} reset ${code}${remote ? ' remote' : ''}${error === undefined ? '' : ' refused'}`);
  }
  onBlocked(): void {
    this.owner.log.push(`${this.id} blocked`);
  }
  onWritable(): void {
    this.owner.log.push(`${this.id} writable`);
  }
  onComplete(): void {
    this.owner.log.push(`${this.id} complete`);
  }
}

export class Server extends Owner implements Http2ServerEvents {
  readonly codec: ServerCodec;
  readonly streams = new Map<number, Http2Stream>();

  constructor(options: Partial<Http2Options> = {}) {
    super();
    this.codec = new ServerCodec(this, { ...OPTIONS, ...options });
  }

  /** Has seen a client's first frames; what it says to them is thrown away. */
  static started(options: Partial<Http2Options> = {}, ...settings: Buffer[]): Server {
    const server = new Server(options);
    server.send(PREFACE, frame(SETTINGS, 0, 0, Buffer.concat(settings)), frame(SETTINGS, ACK, 0));
    server.bytes();
    return server;
  }

  onRequest(stream: Http2Stream, head: RequestHead, endStream: boolean): void {
    this.streams.set(stream.id, stream);
    stream.receiver = new Receiver(this, stream.id);
    this.log.push(`${stream.id} ${head.method} ${head.path}${endStream ? ' END' : ''}`);
  }

  onRequestRefused(error: Http2Error): void {
    this.log.push(`refused ${error.details}`);
  }
}

export class Client extends Owner {
  readonly codec: ClientCodec;

  constructor(options: Partial<Http2Options> = {}) {
    super();
    this.codec = new ClientCodec(this, { ...OPTIONS, ...options });
  }

  /** Has seen a server's SETTINGS; what it says to them is thrown away. */
  static started(options: Partial<Http2Options> = {}, ...settings: Buffer[]): Client {
    const client = new Client(options);
    client.send(frame(SETTINGS, 0, 0, Buffer.concat(settings)), frame(SETTINGS, ACK, 0));
    client.bytes();
    return client;
  }

  open(head = requestHead(), endStream = true): Http2Stream | undefined {
    const receiver = new Receiver(this, this.nextId);
    const stream = this.codec.open(receiver, head, endStream);
    if (stream !== undefined) this.nextId = stream.id + 2;
    return stream;
  }
  private nextId = 1;
}
