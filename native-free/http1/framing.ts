/** How a body ends: the one place that decides it, for a message that is read and for one that is written. */
import type { HeaderMap } from '../headers/header_map.ts';
import { CONTENT_LENGTH } from '../headers/well_known.ts';
import type { CodecError, Framing } from './codec.ts';
import { ERRORS } from './codec_errors.ts';

/** What the field scanner noted about framing. */
export interface FramingFields {
  readonly lengths: number;
  /** Value of the only Content-Length when it is valid, else -1. */
  readonly contentLength: number;
  readonly codings: number;
  readonly chunked: boolean;
}

/** RFC 9112 section 6.3 for a request, without its leniencies; the order of the refusals is Envoy's. */
export function receivedRequestFraming(method: string, fields: FramingFields): Framing | CodecError {
  const connect = method === 'CONNECT';
  if (connect && fields.lengths > 0 && fields.contentLength !== 0) return ERRORS.connectBody;
  const error = framingError(fields, connect);
  if (error !== undefined) return error;
  if (fields.chunked) return 'chunked';
  return fields.contentLength > 0 ? 'length' : 'none';
}

/**
 * RFC 9112 section 6.3 for a response that is not a tunnel's: `requestMethod` is the method it answers. Chunks are taken from
 * HTTP/1.0, too, as Envoy does: there are hosts that send them, and their connections are not used again.
 */
export function receivedResponseFraming(
  requestMethod: string,
  status: number,
  fields: FramingFields,
): Framing | CodecError {
  const error = framingError(fields, false);
  if (error !== undefined) return error;
  if (neverHasBody(status)) {
    if (fields.codings > 0) return ERRORS.bodilessEncoding;
    return fields.contentLength > 0 ? ERRORS.bodilessLength : 'none';
  }
  if (requestMethod === 'HEAD' || status === 304) return 'none';
  if (fields.chunked) return 'chunked';
  if (fields.lengths === 0) return 'close';
  return fields.contentLength > 0 ? 'length' : 'none';
}

function framingError(fields: FramingFields, refuseCoding: boolean): CodecError | undefined {
  if (fields.lengths === 0 && fields.codings === 0) return undefined;
  if (fields.lengths > 0 && fields.codings > 0) return ERRORS.lengthAndEncoding;
  if (fields.codings > 0) {
    return fields.codings > 1 || !fields.chunked || refuseCoding ? ERRORS.transferEncoding : undefined;
  }
  return fields.contentLength < 0 ? ERRORS.contentLength : undefined;
}

/** From such a head on the connection belongs to another protocol (RFC 9110 sections 7.8 and 9.3.6). */
export function opensTunnel(requestMethod: string, status: number): boolean {
  return status === 101 || (requestMethod === 'CONNECT' && status >= 200 && status < 300);
}

/** 1xx and 204 carry neither a body nor a word about its length (RFC 9110 section 8.6). */
export function neverHasBody(status: number): boolean {
  return status < 200 || status === 204;
}

/**
 * Chooses the framing of a request to be written and completes its headers: without a body, methods that usually have one
 * say `content-length: 0`, as Envoy does. `upgrade`: what follows the head is no body.
 */
export function requestFramingToSend(method: string, headers: HeaderMap, endStream: boolean, upgrade = false): Framing {
  if (endStream) {
    if (!headers.has(CONTENT_LENGTH) && !usuallyBodiless(method)) headers.add(CONTENT_LENGTH, '0');
    return 'none';
  }
  if (upgrade || method === 'CONNECT') return 'none';
  return headers.has(CONTENT_LENGTH) ? 'length' : 'chunked';
}

function usuallyBodiless(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'DELETE' || method === 'TRACE' || method === 'CONNECT';
}

/**
 * Chooses the framing of a response to be written and completes its headers. `none` also for a response whose body must
 * not be sent (HEAD, 1xx, 204, 304). `close` for a tunnel, and towards HTTP/1.0, which knows no chunks: close the connection then.
 */
export function responseFramingToSend(
  requestMethod: string,
  status: number,
  headers: HeaderMap,
  endStream: boolean,
  http10: boolean,
): Framing {
  if (opensTunnel(requestMethod, status)) return 'close';
  if (neverHasBody(status)) {
    headers.remove(CONTENT_LENGTH);
    return 'none';
  }
  if (status === 304) return 'none';
  // To HEAD without a length Envoy says, for want of better knowledge, that a body would come in chunks.
  if (requestMethod === 'HEAD') return headers.has(CONTENT_LENGTH) || http10 ? 'none' : 'chunked';
  if (headers.has(CONTENT_LENGTH)) return endStream ? 'none' : 'length';
  if (endStream) return 'empty';
  return http10 ? 'close' : 'chunked';
}
