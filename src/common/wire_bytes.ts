/** Bytes of HTTP/1 messages as they stand on the wire, for access logs; counted only where a format asks for them. */
import type { HeaderMap, RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import { CONTENT_LENGTH } from '../../native-free/headers/well_known.ts';
import { reasonPhrase } from '../../native-free/http1/reason_phrases.ts';

/** One side of a stream. Header bytes are Envoy's: received ones with three bytes for `: ` and the line end, sent ones with four. */
export class WireBytes {
  headerReceived = 0;
  headerSent = 0;
  wireReceived = 0;
  wireSent = 0;
  /** The body in each direction goes in chunks. */
  private chunksReceived = false;
  private chunksSent = false;

  requestReceived(head: RequestHead, ends: boolean): void {
    const fields = requestFields(head, ends);
    this.chunksReceived = isChunked(head.headers, ends);
    this.headerReceived += fields.bytes - fields.count;
    this.wireReceived += requestLineBytes(head) + fields.bytes + lineEnd;
  }

  requestSent(head: RequestHead, ends: boolean): void {
    const fields = requestFields(head, ends);
    this.chunksSent = isChunked(head.headers, ends);
    this.headerSent += fields.bytes;
    this.wireSent += requestLineBytes(head) + fields.bytes + lineEnd;
  }

  responseReceived(head: ResponseHead, ends: boolean): void {
    const fields = responseFields(head, ends);
    this.chunksReceived = isChunked(head.headers, ends);
    this.headerReceived += fields.bytes - fields.count;
    this.wireReceived += statusLineBytes(head) + fields.bytes + lineEnd;
  }

  /** An answer without a body says so by `content-length: 0`; one to HEAD, that a body would come in chunks. */
  responseSent(head: ResponseHead, ends: boolean, toHead: boolean): void {
    const { status, headers } = head;
    const bodiless = status < 200 || status === 204 || status === 304;
    const addsLength = ends && !bodiless && !headers.has(CONTENT_LENGTH);
    const added = toHead ? chunkedBytes : emptyLengthBytes;
    const bytes = responseFields(head, ends).bytes + (addsLength ? added : 0);
    this.chunksSent = isChunked(head.headers, ends);
    this.headerSent += bytes;
    this.wireSent += statusLineBytes(head) + bytes + lineEnd;
  }

  bodyReceived(bytes: number, ends: boolean): void {
    this.wireReceived += this.chunksReceived ? chunkBytes(bytes, ends) : bytes;
  }

  bodySent(bytes: number, ends: boolean): void {
    this.wireSent += this.chunksSent ? chunkBytes(bytes, ends) : bytes;
  }
}

/** Set for good when a format with such an operator is compiled. */
export const wireBytes = { counted: false };

const lineEnd = 2;
const emptyLengthBytes = 'content-length: 0\r\n'.length;
const chunkedBytes = 'transfer-encoding: chunked\r\n'.length;
const lastChunkBytes = '0\r\n\r\n'.length;

function isChunked(headers: HeaderMap, ends: boolean): boolean {
  return !ends && !headers.has(CONTENT_LENGTH);
}

/** A piece of a body as one chunk. */
function chunkBytes(bytes: number, ends: boolean): number {
  const chunk = bytes === 0 ? 0 : bytes.toString(16).length + 2 * lineEnd + bytes;
  return ends ? chunk + lastChunkBytes : chunk;
}

interface Fields {
  readonly bytes: number;
  readonly count: number;
}

/** Host and Transfer-Encoding are no part of the map. */
function requestFields(head: RequestHead, ends: boolean): Fields {
  const fields = responseFields(head, ends);
  return { bytes: fields.bytes + 'host: \r\n'.length + head.authority.length, count: fields.count + 1 };
}

function responseFields({ headers }: { headers: HeaderMap }, ends: boolean): Fields {
  const { names, values } = headers;
  let bytes = 0;
  for (let i = 0; i < names.length; i++) bytes += names[i].text.length + values[i].length + 4;
  return isChunked(headers, ends)
    ? { bytes: bytes + chunkedBytes, count: names.length + 1 }
    : { bytes, count: names.length };
}

function requestLineBytes(head: RequestHead): number {
  return head.method.length + head.path.length + '  HTTP/1.1\r\n'.length;
}

function statusLineBytes(head: ResponseHead): number {
  return 'HTTP/1.1 200 \r\n'.length + reasonPhrase(head.status).length;
}
