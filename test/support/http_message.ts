/** A plain HTTP/1 message reader for tests, written apart from the proxy's own codec so that one cannot hide the other's faults. */

export interface HttpMessage {
  /** Request line or status line. */
  startLine: string;
  /** As on the wire: names keep their case, order and repetition. */
  headers: [name: string, value: string][];
  /** The head with its final empty line. */
  head: string;
  body: Buffer;
  trailers: [name: string, value: string][];
  /** False when the peer closed before the message was whole. */
  complete: boolean;
}

/** The first value of a header, whatever its case. */
export function header(message: { headers: [string, string][] }, name: string): string | undefined {
  return message.headers.find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];
}

/** How the body of a message is delimited, as its reader decides it from the head. */
export type BodyRule = (startLine: string, get: (name: string) => string | undefined) => number | 'chunked' | 'close';

export const requestBody: BodyRule = (_line, get) =>
  get('transfer-encoding') !== undefined ? 'chunked' : Number(get('content-length') ?? 0);

/** Body rule of a response to a request with this method. */
export function responseBody(method: string): BodyRule {
  return (line, get) => {
    const status = Number(line.slice(9, 12));
    if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return 0;
    if (get('transfer-encoding') !== undefined) return 'chunked';
    const length = get('content-length');
    return length === undefined ? 'close' : Number(length);
  };
}

/** Bytes received and not yet understood; a connection has one. */
export class MessageBuffer {
  private chunks: Buffer[] = [];
  length = 0;
  private head: { message: HttpMessage; size: number; rule: ReturnType<BodyRule> } | undefined;

  push(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.length += chunk.length;
  }

  /** Everything received and not yet taken, without taking it. */
  peek(): Buffer {
    if (this.chunks.length !== 1) this.chunks = [Buffer.concat(this.chunks)];
    return this.chunks[0];
  }

  /** Takes everything. */
  drain(): Buffer {
    const all = this.peek();
    this.chunks = [];
    this.length = 0;
    return all;
  }

  /** Called once for each head, before the body is there. */
  takeHead(rule: BodyRule): HttpMessage | undefined {
    if (this.head !== undefined) return undefined;
    const bytes = this.peek();
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0) return undefined;
    const message = parseHead(bytes.toString('latin1', 0, end + 4));
    this.head = { message, size: end + 4, rule: rule(message.startLine, (name) => header(message, name)) };
    return message;
  }

  /** The next whole message, or undefined while bytes are missing. `closed`: the peer has sent its FIN. */
  takeMessage(rule: BodyRule, closed: boolean): HttpMessage | undefined {
    this.takeHead(rule);
    if (this.head === undefined) return undefined;
    const { message, size, rule: body } = this.head;
    let used = -1;
    if (typeof body === 'number') {
      if (this.length >= size + body) used = size + body;
      if (used >= 0) message.body = this.peek().subarray(size, used);
    } else if (body === 'chunked') {
      used = readChunked(this.peek(), size, message);
    } else if (closed) {
      used = this.length;
      message.body = this.peek().subarray(size);
    }
    if (used < 0) return closed ? this.giveUp(message, size) : undefined;
    message.complete = true;
    this.take(used);
    return message;
  }

  private giveUp(message: HttpMessage, size: number): HttpMessage {
    message.body = this.peek().subarray(size);
    this.take(this.length);
    return message;
  }

  private take(count: number): void {
    const rest = this.peek().subarray(count);
    this.chunks = [rest];
    this.length = rest.length;
    this.head = undefined;
  }
}

function parseHead(head: string): HttpMessage {
  const [startLine, ...lines] = head.slice(0, -4).split('\r\n');
  return { startLine, headers: lines.map(parseField), head, body: Buffer.alloc(0), trailers: [], complete: false };
}

function parseField(line: string): [string, string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon), line.slice(colon + 1).trim()];
}

/** Fills body and trailers; returns where the message ends, or -1 while bytes are missing. */
function readChunked(bytes: Buffer, start: number, message: HttpMessage): number {
  const pieces: Buffer[] = [];
  let at = start;
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return -1;
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    if (Number.isNaN(size)) throw new Error(`bad chunk size at byte ${at}`);
    at = lineEnd + 2;
    if (size === 0) break;
    if (bytes.length < at + size + 2) return -1;
    pieces.push(bytes.subarray(at, at + size));
    at += size + 2;
  }
  message.trailers = [];
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return -1;
    const line = bytes.toString('latin1', at, lineEnd);
    at = lineEnd + 2;
    if (line === '') break;
    message.trailers.push(parseField(line));
  }
  message.body = Buffer.concat(pieces);
  return at;
}
