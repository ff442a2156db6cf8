/** The writing half of the HTTP/1 codec, both roles: heads, chunk frames and trailers as latin1 text for one write. */
import type { HeaderMap } from '../headers/header_map.ts';
import type { HeaderSpelling } from '../headers/header_spelling.ts';
import { CONTENT_LENGTH, HOST, TRANSFER_ENCODING } from '../headers/well_known.ts';
import type { Framing } from './codec.ts';
import { reasonPhrase } from './reason_phrases.ts';

const END = '\r\n\r\n';
const EMPTY_END = '\r\ncontent-length: 0\r\n\r\n';
const CHUNKED_END = '\r\ntransfer-encoding: chunked\r\n\r\n';

/** Index 0 is status 100. */
const STATUS_LINES_11: readonly string[] = statusLines('HTTP/1.1');
const STATUS_LINES_10: readonly string[] = statusLines('HTTP/1.0');

function statusLines(protocol: string): string[] {
  return Array.from({ length: 900 }, (_, i) => `${protocol} ${100 + i} ${reasonPhrase(100 + i)}`);
}

/**
 * A request head with its empty line, `host` first. CONNECT's target is the authority. The framing decides what is said
 * about the body: `chunked` appends `transfer-encoding: chunked` and writes no content-length; `empty` appends
 * `content-length: 0`; every other one leaves the
 * map's content-length. The values must be clean (see `sanitizeValue`). `spelling` is the connection's, for maps without one.
 */
export function encodeRequestHead(
  method: string,
  path: string,
  authority: string,
  headers: HeaderMap,
  framing: Framing,
  spelling: HeaderSpelling | undefined = headers.spelling,
): string {
  const target = method === 'CONNECT' ? authority : path;
  if (spelling !== undefined) {
    const line = `${method} ${target} HTTP/1.1`;
    return withSpelledFields(
      `${line}${(headers.spelling ?? spelling).wire(HOST)}${authority}`,
      headers,
      framing,
      spelling,
    );
  }
  return withFields(`${method} ${target} HTTP/1.1\r\nhost: ${authority}`, headers, framing);
}

/** A response head with its empty line, under the same rules. `status` is 100 to 999. */
export function encodeResponseHead(
  status: number,
  headers: HeaderMap,
  framing: Framing,
  protocol: 'HTTP/1.0' | 'HTTP/1.1' = 'HTTP/1.1',
  spelling: HeaderSpelling | undefined = headers.spelling,
): string {
  const lines = protocol === 'HTTP/1.1' ? STATUS_LINES_11 : STATUS_LINES_10;
  if (spelling !== undefined) {
    const reason = headers.spelling?.reason;
    const line = reason ? `${protocol} ${status} ${reason}` : lines[status - 100];
    return withSpelledFields(line, headers, framing, spelling);
  }
  return withFields(lines[status - 100], headers, framing);
}

/** A transfer-encoding in the map is never written: the framing is its only source. */
function withFields(startLine: string, headers: HeaderMap, framing: Framing): string {
  const { names, values } = headers;
  const dropLength = framing === 'chunked' || framing === 'close';
  let out = startLine;
  for (let i = 0; i < names.length; i++) {
    const name = names[i];
    if (name === TRANSFER_ENCODING || (dropLength && name === CONTENT_LENGTH)) continue;
    out += name.wire + values[i];
  }
  if (framing === 'empty') return out + EMPTY_END;
  return out + (framing === 'chunked' ? CHUNKED_END : END);
}

/** As `withFields`; the map's own spelling goes before the connection's. */
function withSpelledFields(startLine: string, headers: HeaderMap, framing: Framing, otherwise: HeaderSpelling): string {
  const { names, values } = headers;
  const spelling = headers.spelling ?? otherwise;
  const dropLength = framing === 'chunked' || framing === 'close';
  let out = startLine;
  for (let i = 0; i < names.length; i++) {
    const name = names[i];
    if (name === TRANSFER_ENCODING || (dropLength && name === CONTENT_LENGTH)) continue;
    out += spelling.wire(name) + values[i];
  }
  if (framing === 'empty') return `${out}${spelling.wire(CONTENT_LENGTH)}0${END}`;
  return out + (framing === 'chunked' ? `${spelling.wire(TRANSFER_ENCODING)}chunked${END}` : END);
}

/** What goes before a chunk's data; `size` > 0, since a chunk of none would end the body. */
export function chunkHeader(size: number): string {
  return `${size.toString(16)}\r\n`;
}

/** What goes behind a chunk's data. */
export const chunkEnd = '\r\n';

/** The end of a chunked body without trailers. */
export const lastChunk = '0\r\n\r\n';

/** The end of a chunked body with trailers: the last chunk, the fields and the empty line. Envoy spells these in lower case always. */
export function encodeTrailers(trailers: HeaderMap): string {
  const { names, values } = trailers;
  let out = '0';
  for (let i = 0; i < names.length; i++) out += names[i].wire + values[i];
  return out + END;
}
