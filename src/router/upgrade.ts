/** Requests that want their stream to become another protocol's, as the router sees them. */
import type { RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';
import { CONTENT_LENGTH, UPGRADE } from '../../native-free/headers/well_known.ts';
import type { DecoderFilterCallbacks } from '../spi/http_filter.ts';

export function isUpgrade(head: RequestHead): boolean {
  return head.method === 'CONNECT' || head.headers.has(UPGRADE);
}

/** RFC 6455 section 4.1: any other answer than 101 is a refusal; from 400 on it goes to the client as it is. */
export function refusesWebSocket(head: RequestHead, status: number): boolean {
  return status !== 101 && status < 400 && head.headers.get(UPGRADE)?.toLowerCase() === 'websocket';
}

/** Its body is not what the client waits for, and what the client sends is no request: Envoy tells status and headers only. */
export function refuseWebSocket(callbacks: DecoderFilterCallbacks, { status, headers }: ResponseHead): void {
  headers.remove(CONTENT_LENGTH);
  callbacks.sendLocalReply(status, '', 'websocket_handshake_unsuccessful', -1, (reply) => {
    for (let i = 0; i < headers.size; i++) reply.add(headers.names[i], headers.values[i]);
  });
}
