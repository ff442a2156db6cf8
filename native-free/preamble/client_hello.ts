/** The first message of a TLS client (RFC 8446 section 4.1.2), read from its records without being answered. */

/** What a client says before anything is agreed on. */
export interface ClientHello {
  /** legacy_version of the message. */
  readonly version: number;
  readonly cipherSuites: readonly number[];
  /** In the order sent; the content lies in `message`. */
  readonly extensions: readonly HelloExtension[];
  /** The body of the handshake message. */
  readonly message: Uint8Array;
  /** As sent; empty without the extension. */
  readonly serverName: string;
  /** Protocols offered by ALPN (RFC 7301), in the client's order; undefined without a well-formed list. */
  readonly alpn: readonly string[] | undefined;
}

export interface HelloExtension {
  readonly type: number;
  readonly start: number;
  readonly end: number;
}

export const HelloStatus = { More: 0, Found: 1, NotTls: 2, TooLarge: 3 } as const;
export type HelloStatus = (typeof HelloStatus)[keyof typeof HelloStatus];

/** Why bytes are no ClientHello, in BoringSSL's words. */
export type HelloProblem =
  | 'WRONG_VERSION_NUMBER'
  | 'HTTP_REQUEST'
  | 'HTTPS_PROXY_REQUEST'
  | 'UNEXPECTED_RECORD'
  | 'ENCRYPTED_LENGTH_TOO_LONG'
  | 'TOO_MANY_EMPTY_FRAGMENTS'
  | 'UNEXPECTED_MESSAGE'
  | 'EXCESSIVE_MESSAGE_SIZE'
  | 'DECODE_ERROR';

export const ExtensionType = {
  ServerName: 0,
  SupportedGroups: 10,
  EcPointFormats: 11,
  SignatureAlgorithms: 13,
  Alpn: 16,
  SupportedVersions: 43,
} as const;

const recordHeader = 5;
const messageHeader = 4;
const handshakeRecord = 22;
const clientHelloMessage = 1;
/** Of the plain text of a record (RFC 8446 section 5.1), and of a message where no certificate is expected. */
const mostInRecord = 16_384;
const mostEmptyRecords = 32;

/** Takes the bytes of a connection piece by piece until it knows; holds at most one message. */
export class ClientHelloReader {
  /** Bytes of whole records that were read, or of what showed that this is no TLS. */
  consumed = 0;
  hello: ClientHello | undefined;
  /** After `NotTls`. */
  problem: HelloProblem = 'WRONG_VERSION_NUMBER';
  private readonly limit: number;
  private seen = 0;
  private readonly header = new Uint8Array(recordHeader);
  private headerUsed = 0;
  private recordLeft = 0;
  private emptyRecords = 0;
  private message = new Uint8Array(512);
  private messageUsed = 0;

  /** More than `limit` bytes are not looked at. */
  constructor(limit: number) {
    this.limit = limit;
  }

  /** The next bytes; after anything but `More` the reader has ended. */
  push(bytes: Uint8Array, start: number, end: number): HelloStatus {
    const last = Math.min(end, start + this.limit - this.seen);
    this.seen += last - start;
    for (let at = start; at < last; ) {
      if (this.headerUsed < recordHeader) {
        this.header[this.headerUsed++] = bytes[at++];
        if (this.headerUsed === recordHeader && !this.beginRecord()) return HelloStatus.NotTls;
        continue;
      }
      const taken = Math.min(this.recordLeft, last - at);
      this.keep(bytes, at, at + taken);
      at += taken;
      this.recordLeft -= taken;
      if (this.recordLeft > 0) break;
      this.consumed += this.headerUsed + ((this.header[3] << 8) | this.header[4]);
      this.headerUsed = 0;
      const status = this.endRecord();
      if (status !== HelloStatus.More) return status;
    }
    return this.seen >= this.limit ? HelloStatus.TooLarge : HelloStatus.More;
  }

  private beginRecord(): boolean {
    const { header } = this;
    const length = (header[3] << 8) | header[4];
    this.recordLeft = length;
    const problem = this.recordProblem(length);
    if (problem !== undefined) this.problem = problem;
    if (length === 0) this.headerUsed = 0;
    if (length === 0 || problem !== undefined) this.consumed += recordHeader;
    return problem === undefined;
  }

  private recordProblem(length: number): HelloProblem | undefined {
    const { header } = this;
    const text = latin1(header, 0, recordHeader);
    if (/^(?:GET |POST |HEAD |PUT )/.test(text)) return 'HTTP_REQUEST';
    if (text === 'CONNE') return 'HTTPS_PROXY_REQUEST';
    if (header[1] !== 3) return 'WRONG_VERSION_NUMBER';
    if (length > mostInRecord) return 'ENCRYPTED_LENGTH_TOO_LONG';
    if (header[0] !== handshakeRecord) return 'UNEXPECTED_RECORD';
    return length === 0 && ++this.emptyRecords > mostEmptyRecords ? 'TOO_MANY_EMPTY_FRAGMENTS' : undefined;
  }

  private keep(bytes: Uint8Array, start: number, end: number): void {
    const size = this.messageUsed + end - start;
    if (size > this.message.length) {
      const larger = new Uint8Array(Math.max(size, 2 * this.message.length));
      larger.set(this.message.subarray(0, this.messageUsed));
      this.message = larger;
    }
    this.message.set(bytes.subarray(start, end), this.messageUsed);
    this.messageUsed = size;
  }

  private endRecord(): HelloStatus {
    const { message, messageUsed } = this;
    if (messageUsed < messageHeader) return HelloStatus.More;
    const length = (message[1] << 16) | (message[2] << 8) | message[3];
    if (message[0] !== clientHelloMessage) return this.refuse('UNEXPECTED_MESSAGE');
    if (length > mostInRecord) return this.refuse('EXCESSIVE_MESSAGE_SIZE');
    if (messageUsed < messageHeader + length) return HelloStatus.More;
    this.hello = parseClientHello(message.subarray(messageHeader, messageHeader + length));
    return this.hello === undefined ? this.refuse('DECODE_ERROR') : HelloStatus.Found;
  }

  private refuse(problem: HelloProblem): HelloStatus {
    this.problem = problem;
    return HelloStatus.NotTls;
  }
}

/** The body of a ClientHello message; undefined when it breaks the syntax, or names no version and compression we could take. */
export function parseClientHello(message: Uint8Array): ClientHello | undefined {
  const cursor = new Cursor(message);
  const version = cursor.u16();
  cursor.skip(32);
  if (cursor.skip(cursor.u8()) > 32) return undefined;
  const suites = cursor.block(cursor.u16());
  const compression = cursor.block(cursor.u8());
  if (cursor.failed || suites.end - suites.start < 2 || (suites.end - suites.start) % 2 !== 0) return undefined;
  if (version < 0x0301 || version >> 8 !== 3 || !message.subarray(compression.start, compression.end).includes(0))
    return undefined;
  const extensions = cursor.atEnd ? [] : parseExtensions(message, cursor);
  if (extensions === undefined) return undefined;
  const serverName = readServerName(message, extensionOf(extensions, ExtensionType.ServerName));
  if (serverName === undefined) return undefined;
  const alpn = readAlpn(message, extensionOf(extensions, ExtensionType.Alpn));
  return { version, cipherSuites: u16List(message, suites.start, suites.end), extensions, message, serverName, alpn };
}

function extensionOf(extensions: readonly HelloExtension[], type: number): HelloExtension | undefined {
  return extensions.find((extension) => extension.type === type);
}

/** Numbers of two bytes, up to the last whole one. */
export function u16List(bytes: Uint8Array, start: number, end: number): number[] {
  const list: number[] = [];
  for (let i = start; i + 1 < end; i += 2) list.push((bytes[i] << 8) | bytes[i + 1]);
  return list;
}

function parseExtensions(message: Uint8Array, cursor: Cursor): HelloExtension[] | undefined {
  if (cursor.u16() !== message.length - cursor.at || cursor.failed) return undefined;
  const extensions: HelloExtension[] = [];
  const types = new Set<number>();
  while (!cursor.atEnd) {
    const type = cursor.u16();
    const content = cursor.block(cursor.u16());
    if (cursor.failed || types.has(type)) return undefined;
    types.add(type);
    extensions.push({ type, ...content });
  }
  return extensions;
}

/** RFC 6066 section 3: one host name. Undefined when it breaks the syntax. */
function readServerName(message: Uint8Array, extension: HelloExtension | undefined): string | undefined {
  if (extension === undefined) return '';
  const cursor = new Cursor(message, extension.start, extension.end);
  const list = cursor.u16();
  const type = cursor.u8();
  const name = cursor.block(cursor.u16());
  const length = name.end - name.start;
  if (cursor.failed || !cursor.atEnd || list !== length + 3 || type !== 0 || length === 0 || length > 255)
    return undefined;
  return message.subarray(name.start, name.end).includes(0) ? undefined : latin1(message, name.start, name.end);
}

function readAlpn(message: Uint8Array, extension: HelloExtension | undefined): string[] | undefined {
  if (extension === undefined) return undefined;
  const cursor = new Cursor(message, extension.start, extension.end);
  const list = cursor.u16();
  if (cursor.failed || list < 2 || list !== extension.end - cursor.at) return undefined;
  const protocols: string[] = [];
  while (!cursor.atEnd) {
    const name = cursor.block(cursor.u8());
    if (cursor.failed || name.start === name.end) return undefined;
    protocols.push(latin1(message, name.start, name.end));
  }
  return protocols;
}

/** Bytes as characters of the same number. */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  return String.fromCharCode(...bytes.subarray(start, end));
}

/** Reads numbers and blocks; past the end it answers zero and remembers. */
class Cursor {
  at: number;
  failed = false;
  private readonly bytes: Uint8Array;
  private readonly end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
  }

  get atEnd(): boolean {
    return this.failed || this.at === this.end;
  }

  u8(): number {
    return this.has(1) ? this.bytes[this.at++] : 0;
  }

  u16(): number {
    if (!this.has(2)) return 0;
    this.at += 2;
    return (this.bytes[this.at - 2] << 8) | this.bytes[this.at - 1];
  }

  skip(length: number): number {
    if (this.has(length)) this.at += length;
    return length;
  }

  block(length: number): { start: number; end: number } {
    const start = this.at;
    this.skip(length);
    return { start, end: this.at };
  }

  private has(length: number): boolean {
    if (!this.failed && this.at + length <= this.end) return true;
    this.failed = true;
    return false;
  }
}
