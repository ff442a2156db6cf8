/** Step 5 of the data path, on the way back: what the connection manager changes in an answer's headers. */
import type { RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import {
  CONNECTION,
  DATE,
  SERVER,
  UPGRADE,
  VIA,
  X_ENVOY_FORCE_TRACE,
  X_REQUEST_ID,
} from '../../native-free/headers/well_known.ts';
import { connectionOptions } from '../../native-free/http1/connection_options.ts';
import { httpDate } from '../common/clock.ts';
import { inlineResponseHeaders } from '../common/inline_headers.ts';
import type { HttpConnectionManagerConfig } from './config.ts';
import { HeaderRule, joinRepeated, rulesIn } from './header_rules.ts';

/** Order of what is added: date, server, x-request-id, via, connection. */
export function mutateResponseHeaders(
  head: ResponseHead,
  request: RequestHead | undefined,
  config: HttpConnectionManagerConfig,
  upgrade: boolean,
  connection: '' | 'close' | 'keep-alive',
): void {
  const { headers } = head;
  const rules = rulesIn(headers);
  if ((rules & HeaderRule.Repeated) !== 0) joinRepeated(headers, inlineResponseHeaders);
  if ((rules & HeaderRule.HopByHop) !== 0) {
    // Both sides of an upgrade see each other's word as it is.
    if (upgrade && headers.has(UPGRADE) && connectionOptions(headers).upgrade) {
      headers.removeIf((name) => (name.flags & HeaderRule.HopByHop) !== 0 && name !== CONNECTION && name !== UPGRADE);
    } else headers.removeFlagged(HeaderRule.HopByHop);
  }
  if (!headers.has(DATE)) headers.add(DATE, httpDate());
  setServer(head, config);
  if (config.alwaysSetRequestId || request?.headers.has(X_ENVOY_FORCE_TRACE)) {
    const id = request?.headers.get(X_REQUEST_ID);
    if (id !== undefined) headers.set(X_REQUEST_ID, id);
  }
  if (config.via !== '') {
    const before = headers.getAll(VIA);
    headers.set(VIA, before === undefined ? config.via : `${before}, ${config.via}`);
  }
  if (connection !== '') headers.set(CONNECTION, connection);
}

function setServer(head: ResponseHead, config: HttpConnectionManagerConfig): void {
  if (config.serverTransformation === 'pass_through') return;
  if (config.serverTransformation === 'append_if_absent' && head.headers.has(SERVER)) return;
  head.headers.set(SERVER, config.serverName);
}
