/** The one place on the client's side where an answer of our own is made: status, body and headers as Envoy writes them. */
import { grpcType } from '../../native-free/grpc/content_type.ts';
import { encodeGrpcMessage } from '../../native-free/grpc/percent_encoding.ts';
import { httpToGrpcStatus } from '../../native-free/grpc/status.ts';
import { HeaderMap, type ResponseHead } from '../../native-free/headers/header_map.ts';
import { CONTENT_LENGTH, CONTENT_TYPE, GRPC_MESSAGE, GRPC_STATUS } from '../../native-free/headers/well_known.ts';
import type { RewrittenBody } from './local_reply_config.ts';

export interface LocalReply {
  readonly head: ResponseHead;
  /** One char a byte; empty for a gRPC request, a HEAD request, 204 and 304. */
  readonly body: string;
}

/** What a reply depends on of its request. */
export interface RepliedRequest {
  readonly isHead: boolean;
  readonly isGrpc: boolean;
  /** Undefined: told from the HTTP status. */
  readonly grpcStatus: number | undefined;
}

/** Changes a reply before it is framed: the head in place; the body and its type are the result. */
export type RewriteReply = (head: ResponseHead, body: string) => RewrittenBody;

/**
 * `edit` adds what comes before the content headers, e.g. `location` or `x-envoy-overloaded`; `body` has one char a byte.
 * The order and what overwrites what are Envoy's (Utility::prepareLocalReply).
 */
export function makeLocalReply(
  request: RepliedRequest,
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
  if (request.isGrpc) {
    headers.set(CONTENT_TYPE, grpcType);
    if (!headers.has(GRPC_STATUS))
      headers.set(GRPC_STATUS, String(request.grpcStatus ?? httpToGrpcStatus(head.status)));
    // The line end of a JSON format has no place in a header.
    const text = made.contentType === 'application/json' ? made.body.replace(/\n$/, '') : made.body;
    if (text !== '' && !request.isHead) headers.set(GRPC_MESSAGE, encodeGrpcMessage(text));
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
  return { head, body: request.isHead ? '' : made.body };
}
