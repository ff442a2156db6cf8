/** Step 5 of the data path, on the way back: what the connection manager changes in an answer's headers. */
import type { RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import { CONNECTION, DATE, SERVER, UPGRADE, VIA, X_REQUEST_ID } from '../../native-free/headers/well_known.ts';
import { httpDate } from '../common/clock.ts';
import type { HttpConnectionManagerConfig } from './config.ts';
import { HeaderRule, rulesIn } from './header_rules.ts';

/** Order of what is added: date, server, via, x-request-id, connection. */
export function mutateResponseHeaders(
  head: ResponseHead,
  request: RequestHead | undefined,
  config: HttpConnectionManagerConfig,
  close: boolean,
): void {
  const { headers } = head;
  if ((rulesIn(headers) & HeaderRule.HopByHop) !== 0) {
    const upgrade = head.status === 101 ? headers.get(UPGRADE) : undefined;
    headers.removeFlagged(HeaderRule.HopByHop);
    if (upgrade !== undefined) {
      headers.add(CONNECTION, 'Upgrade');
      headers.add(UPGRADE, upgrade);
    }
  }
  if (!headers.has(DATE)) headers.add(DATE, httpDate());
  setServer(head, config);
  if (config.via !== '') {
    const before = headers.getAll(VIA);
    headers.set(VIA, before === undefined ? config.via : `${before}, ${config.via}`);
  }
  if (config.alwaysSetRequestId) {
    const id = request?.headers.get(X_REQUEST_ID);
    if (id !== undefined) headers.set(X_REQUEST_ID, id);
  }
  if (close) headers.add(CONNECTION, 'close');
}

function setServer(head: ResponseHead, config: HttpConnectionManagerConfig): void {
  if (config.serverTransformation === 'pass_through') return;
  if (config.serverTransformation === 'append_if_absent' && head.headers.has(SERVER)) return;
  head.headers.set(SERVER, config.serverName);
}
