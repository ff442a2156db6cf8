/** The shape of an admin endpoint: a path, its help and what answers. */
import type { AdminContext } from './context.ts';

export interface AdminRequest {
  /** Without the query. */
  readonly path: string;
  /** Of a name given twice the first counts, as for Envoy: use `get`. */
  readonly query: URLSearchParams;
}

export interface AdminReply {
  readonly status: number;
  readonly contentType: string;
  /** Pieces are asked for as fast as the client takes them. */
  readonly body: string | Iterable<string>;
  /** Called when the reply has been handed to the system or the client has gone. */
  readonly after?: () => void;
}

export interface EndpointParam {
  readonly name: string;
  readonly help: string;
}

export interface Endpoint {
  readonly path: string;
  readonly help: string;
  readonly params?: readonly EndpointParam[];
  /** Changes something: POST only. */
  readonly mutates?: boolean;
  /** Where the query is empty its parameters may come as the form in the request's body. */
  readonly takesForm?: boolean;
  handle(context: AdminContext, request: AdminRequest): AdminReply;
}

const TEXT = 'text/plain; charset=UTF-8';

export function text(body: string | Iterable<string>, status = 200): AdminReply {
  return { status, contentType: TEXT, body };
}

/** What is wrong with a request; Envoy's texts end with or without a line feed, each as it does. */
export function badRequest(body: string): AdminReply {
  return text(body, 400);
}

export function html(body: string): AdminReply {
  return { status: 200, contentType: 'text/html; charset=UTF-8', body };
}

/** JSON as protobuf prints it: one space a level, a line feed at the end. */
export function json(value: unknown): AdminReply {
  return { status: 200, contentType: 'application/json', body: `${JSON.stringify(value, null, 1)}\n` };
}
