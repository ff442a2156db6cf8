/** The one place on the client's side where an answer of our own is made: status, body and headers as Envoy writes them. */
import { HeaderMap, type RequestHead, type ResponseHead } from '../../native-free/headers/header_map.ts';
import { CONTENT_LENGTH, CONTENT_TYPE, GRPC_MESSAGE, GRPC_STATUS } from '../../native-free/headers/well_known.ts';

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
  /** latin1; empty for a gRPC request, a HEAD request, 204 and 304. */
  readonly body: string;
}

/** `edit` adds what comes before the content headers, e.g. `location` or `x-envoy-overloaded`. */
export function makeLocalReply(
  request: RequestHead | undefined,
  status: number,
  body: string,
  edit: (head: ResponseHead) => void,
): LocalReply {
  const headers = new HeaderMap();
  const head: ResponseHead = { status, protocol: 'HTTP/1.1', headers };
  edit(head);
  if (request !== undefined && isGrpc(request)) {
    headers.set(CONTENT_TYPE, 'application/grpc');
    headers.set(GRPC_STATUS, grpcStatusOf(status));
    if (body !== '') headers.set(GRPC_MESSAGE, percentEncode(body));
    head.status = 200;
    return { head, body: '' };
  }
  const sends = body !== '' && status !== 204 && status !== 304;
  if (sends) {
    headers.set(CONTENT_LENGTH, String(Buffer.byteLength(body)));
    if (!headers.has(CONTENT_TYPE)) headers.set(CONTENT_TYPE, 'text/plain');
  }
  const isHead = request?.method === 'HEAD';
  return { head, body: sends && !isHead ? body : '' };
}

function isGrpc(request: RequestHead): boolean {
  const type = request.headers.get(CONTENT_TYPE);
  if (type === undefined || !type.startsWith('application/grpc')) return false;
  return type.length === 16 || type[16] === '+' || type[16] === ';';
}

/** Percent encoding of grpc-message (gRPC over HTTP/2, "Responses"): printable ASCII but `%` stays. */
function percentEncode(text: string): string {
  let encoded = '';
  for (const byte of Buffer.from(text)) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}
