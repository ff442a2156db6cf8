/** Step 5 of the data path: x-request-id as the UUID extension makes and keeps it. */
import { randomUUID } from 'node:crypto';
import type { HeaderMap } from '../../native-free/headers/header_map.ts';
import { X_REQUEST_ID } from '../../native-free/headers/well_known.ts';
import type { HttpConnectionManagerConfig } from './config.ts';

/** Where a UUID has its version: Envoy notes there why a request is traced, and `4` means that it is not. */
const reasonAt = 14;
const uuidLength = 36;

/** Keeps the client's id, unless it comes from outside and nobody asked for that. */
export function setRequestId(headers: HeaderMap, edge: boolean, config: HttpConnectionManagerConfig): void {
  const present = headers.get(X_REQUEST_ID);
  if (present === undefined || present === '' || (edge && !config.preserveExternalRequestId)) {
    headers.set(X_REQUEST_ID, randomUUID());
  } else if (edge && config.packTraceReason && present.length === uuidLength && present[reasonAt] !== '4') {
    headers.set(X_REQUEST_ID, `${present.slice(0, reasonAt)}4${present.slice(reasonAt + 1)}`);
  }
}
