/** Step 5 of the data path: requests the connection manager answers itself because of their host, path or upgrade. */
import type { RequestHead } from '../../native-free/headers/header_map.ts';
import { CONNECTION, HTTP2_SETTINGS, LOCATION, UPGRADE } from '../../native-free/headers/well_known.ts';
import { HTTP } from '../common/stats/layouts.ts';
import type { ActiveStream } from './active_stream.ts';
import type { HttpConnectionManagerConfig } from './config.ts';
import { normalizeRequestPath } from './path_normalize.ts';

/** Sends the refusal, if one is due, and tells whether it did. */
export function refuseRequest(stream: ActiveStream, head: RequestHead, config: HttpConnectionManagerConfig): boolean {
  if (head.authority === '') return refuse(stream, 400, 'missing_host_header');
  if (head.method === 'CONNECT') {
    // Whatever the answer: what follows on this connection is not to be read as requests.
    stream.manager.closeAfterResponse();
    return false;
  }
  if (head.path[0] !== '/') {
    config.stats[HTTP.slot.downstream_rq_non_relative_path]++;
    stream.sendLocalReply(404, '', 'absolute_path_rejected', -1, undefined);
    return true;
  }
  if (!normalizePath(stream, head, config)) return true;
  return refuseUpgrade(stream, head);
}

/** False when the path is refused. */
function normalizePath(stream: ActiveStream, head: RequestHead, config: HttpConnectionManagerConfig): boolean {
  // A fragment has no place in a request target (RFC 9112 section 3.2): Envoy refuses it whatever the options.
  const fragment = head.path.includes('#');
  if (!fragment && !config.normalizePath && !config.mergeSlashes && config.escapedSlashes < 2) return true;
  const result = fragment ? 'reject' : normalizeRequestPath(head.path, config);
  if (typeof result === 'object') {
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
  config.stats[HTTP.slot.downstream_rq_failed_path_normalization]++;
  refuse(stream, 400, 'path_normalization_failed');
  return false;
}

/** No upgrade is configured: h2c is ignored and served as HTTP/1.1 (RFC 9110 section 7.8), any other is refused. */
function refuseUpgrade(stream: ActiveStream, head: RequestHead): boolean {
  const upgrade = head.headers.get(UPGRADE);
  if (upgrade === undefined || head.headers.get(CONNECTION)?.toLowerCase().includes('upgrade') !== true) return false;
  if (upgrade.toLowerCase() === 'h2c') {
    head.headers.remove(HTTP2_SETTINGS);
    return false;
  }
  return refuse(stream, 403, 'upgrade_failed');
}

function refuse(stream: ActiveStream, status: number, details: string): true {
  stream.manager.closeAfterResponse();
  stream.sendLocalReply(status, '', details, -1, undefined);
  return true;
}
