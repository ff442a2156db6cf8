/** Step 5 of the data path: requests the connection manager answers itself because of their host or path. */
import type { RequestHead } from '../../native-free/headers/header_map.ts';
import { CONTENT_TYPE, LOCATION } from '../../native-free/headers/well_known.ts';
import { HTTP } from '../common/stats/layouts.ts';
import type { ActiveStream } from './active_stream.ts';
import type { HttpConnectionManagerConfig } from './config.ts';
import { normalizeRequestPath, refusedPath } from './path_normalize.ts';

/** Sends the refusal, if one is due, and tells whether it did. */
export function refuseRequest(stream: ActiveStream, head: RequestHead, config: HttpConnectionManagerConfig): boolean {
  if (head.authority === '') return refuse(stream, 400, 'missing_host_header');
  // What a QUERY asks is in its content, which nobody can read without a type.
  if (head.method === 'QUERY' && !head.headers.get(CONTENT_TYPE)) {
    stream.sendLocalReply(400, '', 'query_missing_content_type', -1, undefined);
    return true;
  }
  if (head.method === 'CONNECT') {
    // The port stays: CONNECT has to name one.
    if (config.stripTrailingHostDot) head.authority = withoutTrailingDot(head.authority);
    return false;
  }
  if (head.path[0] !== '/') {
    config.stats[HTTP.slot.downstream_rq_non_relative_path]++;
    stream.sendLocalReply(404, '', 'absolute_path_rejected', -1, undefined);
    return true;
  }
  if (!normalizePath(stream, head, config)) return true;
  if (config.stripTrailingHostDot) head.authority = withoutTrailingDot(head.authority);
  if (config.stripHostPort !== 'none') stripHostPort(stream, head, config);
  return false;
}

/** `h.` → `h`, `h.:80` → `h:80`. */
function withoutTrailingDot(host: string): string {
  const dot = host.lastIndexOf('.');
  if (dot < 0) return host;
  return dot === host.length - 1 || host[dot + 1] === ':' ? host.slice(0, dot) + host.slice(dot + 1) : host;
}

/** Before any virtual host is looked for; `matching`: only the port the connection came to. */
function stripHostPort(stream: ActiveStream, head: RequestHead, config: HttpConnectionManagerConfig): void {
  const match = /^(.*):(\d+)$/.exec(head.authority);
  // The colons of an IPv6 address are within its brackets.
  if (match === null || (head.authority[0] === '[' && !match[1].endsWith(']'))) return;
  if (config.stripHostPort === 'any' || Number(match[2]) === stream.manager.info.localAddress.port) {
    head.authority = match[1];
  }
}

/** False when the path is refused. */
function normalizePath(stream: ActiveStream, head: RequestHead, config: HttpConnectionManagerConfig): boolean {
  // A fragment has no place in a request target (RFC 9112 section 3.2): Envoy refuses it whatever the options.
  const fragment = head.path.includes('#');
  if (!fragment && !config.normalizePath && !config.mergeSlashes && config.escapedSlashes < 2) return true;
  const result = fragment ? 'reject' : normalizeRequestPath(head.path, config);
  if (typeof result === 'object') {
    head.path = result.redirect;
    config.stats[HTTP.slot.downstream_rq_redirected_with_normalized_path]++;
    stream.sendLocalReply(307, '', 'path_normalization_failed', -1, (headers) =>
      headers.set(LOCATION, result.redirect),
    );
    return false;
  }
  if (result !== 'reject') {
    head.path = result;
    return true;
  }
  if (!fragment) head.path = refusedPath(head.path, config);
  config.stats[HTTP.slot.downstream_rq_failed_path_normalization]++;
  refuse(stream, 400, 'path_normalization_failed');
  return false;
}

function refuse(stream: ActiveStream, status: number, details: string): true {
  const { manager } = stream;
  if (!manager.config.streamErrorOnInvalidMessage) manager.closeAfterResponse();
  stream.sendLocalReply(status, '', details, -1, undefined);
  return true;
}
