/** The one place on the client's side where an answer of our own is made: status, body and headers as Envoy writes them. */
import { HeaderMap, type RequestHead, type ResponseHead } from '../../native-free/headers/header_map.ts';
import { CONTENT_LENGTH, CONTENT_TYPE, GRPC_MESSAGE, GRPC_STATUS } from '../../native-free/headers/well_known.ts';
import type { RewrittenBody } from './local_reply_config.ts';

/** gRPC status of an HTTP status (Envoy's httpToGrpcStatus). */
function grpcStatusOf(status: number): string {
  switch (status) {
    case 400:
      return '13';
    case 401:
      return '16';
    case 403:
      return '7';
    case 404:
      return '12';
    case 429:
    case 502:
    case 503:
    case 504:
      return '14';
    default:
      return '2';
  }
}

export interface LocalReply {
  readonly head: ResponseHead;
  /** One char a byte; empty for a gRPC request, a HEAD request, 204 and 304. */
  readonly body: string;
}

/** Changes a reply before it is framed: the head in place; the body and its type are the result. */
export type RewriteReply = (head: ResponseHead, body: string) => RewrittenBody;

/**
 * `edit` adds what comes before the content headers, e.g. `location` or `x-envoy-overloaded`; `body` has one char a byte.
 * The order and what overwrites what are Envoy's (Utility::prepareLocalReply).
 */
export function makeLocalReply(
  request: RequestHead | undefined,
  status: number,
  body: string,
  edit: (head: ResponseHead) => void,
  rewrite: RewriteReply | undefined,
): LocalReply {
  const headers = new HeaderMap();
  const head: ResponseHead = { status, protocol: 'HTTP/1.1', headers };
  edit(head);
  const typeBefore = headers.get(CONTENT_TYPE);
  const made = rewrite === undefined ? { body, contentType: 'text/plain' } : rewrite(head, body);
  if (request !== undefined && isGrpc(request)) {
    headers.set(CONTENT_TYPE, 'application/grpc');
    if (!headers.has(GRPC_STATUS)) headers.set(GRPC_STATUS, grpcStatusOf(head.status));
    // The line end of a JSON format has no place in a header.
    const text = made.contentType === 'application/json' ? made.body.replace(/\n$/, '') : made.body;
    if (text !== '' && request.method !== 'HEAD') headers.set(GRPC_MESSAGE, percentEncode(text));
    headers.remove(CONTENT_LENGTH);
    head.status = 200;
    return { head, body: '' };
  }
  if (made.body === '') {
    headers.remove(CONTENT_LENGTH);
    headers.remove(CONTENT_TYPE);
    return { head, body: '' };
  }
  if (head.status === 204 || head.status === 304) return { head, body: '' };
  headers.set(CONTENT_LENGTH, String(made.body.length));
  const customType = headers.get(CONTENT_TYPE) !== typeBefore;
  if (!headers.has(CONTENT_TYPE) || (made.body !== body && !customType)) headers.set(CONTENT_TYPE, made.contentType);
  return { head, body: request?.method === 'HEAD' ? '' : made.body };
}

function isGrpc(request: RequestHead): boolean {
  const type = request.headers.get(CONTENT_TYPE);
  if (type === undefined || !type.startsWith('application/grpc')) return false;
  return type.length === 16 || type[16] === '+' || type[16] === ';';
}

/** Percent encoding of grpc-message (gRPC over HTTP/2, "Responses"): printable ASCII but `%` stays. */
function percentEncode(text: string): string {
  let encoded = '';
  for (const byte of Buffer.from(text, 'latin1')) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}
