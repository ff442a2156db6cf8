/** Step 5 of the data path: what the connection manager changes in a request's headers before any filter sees them. */
import { randomUUID } from 'node:crypto';
import type { HeaderMap, RequestHead } from '../../native-free/headers/header_map.ts';
import {
  CONNECTION,
  EXPECT,
  TE,
  UPGRADE,
  VIA,
  X_ENVOY_EXTERNAL_ADDRESS,
  X_FORWARDED_FOR,
  X_FORWARDED_PROTO,
  X_REQUEST_ID,
} from '../../native-free/headers/well_known.ts';
import type { Address, ConnectionInfo } from '../common/stream_info.ts';
import type { HttpConnectionManagerConfig } from './config.ts';
import { HeaderRule, rulesIn } from './header_rules.ts';

/** Applies the manager's rules and answers the trusted address of the client. */
export function mutateRequestHeaders(
  head: RequestHead,
  config: HttpConnectionManagerConfig,
  connection: ConnectionInfo,
  upgrade: boolean,
): Address {
  const { headers } = head;
  const rules = rulesIn(headers);
  if ((rules & HeaderRule.HopByHop) !== 0) removeHopByHop(headers, upgrade);
  let drop = HeaderRule.Internal | HeaderRule.ClientCert;
  if (config.useRemoteAddress) drop |= HeaderRule.EdgeOnly;
  if ((rules & drop) !== 0) headers.removeFlagged(drop);
  const client = config.useRemoteAddress
    ? edgeAddress(headers, config, connection)
    : innerAddress(headers, config, connection);
  if (config.useRemoteAddress || !headers.has(X_FORWARDED_PROTO)) {
    const scheme = connection.tls === undefined ? 'http' : 'https';
    headers.set(X_FORWARDED_PROTO, scheme);
  }
  head.scheme = headers.get(X_FORWARDED_PROTO) === 'https' ? 'https' : 'http';
  if (config.via !== '') appendVia(headers, config.via);
  if (config.useRemoteAddress) headers.set(X_ENVOY_EXTERNAL_ADDRESS, client.ip);
  setRequestId(headers, config);
  return client;
}

/** True when the client waits for `100 Continue`; takes the header out. */
export function takeExpectContinue(headers: HeaderMap): boolean {
  const value = headers.get(EXPECT);
  if (value === undefined || value.toLowerCase() !== '100-continue') return false;
  headers.remove(EXPECT);
  return true;
}

/** Fields of this connection alone, and those that Connection names (RFC 9110 section 7.6.1); `te: trailers` may pass. */
function removeHopByHop(headers: HeaderMap, upgrade: boolean): void {
  const trailers =
    headers
      .get(TE)
      ?.split(',')
      .some((part) => part.trim().toLowerCase() === 'trailers') === true;
  const protocol = upgrade ? headers.get(UPGRADE) : undefined;
  const nominated = headers.getAll(CONNECTION);
  if (nominated !== undefined) {
    const list = nominated.split(',').map((part) => part.trim().toLowerCase());
    headers.removeIf((name) => list.includes(name.text));
  }
  headers.removeFlagged(HeaderRule.HopByHop);
  if (trailers) headers.add(TE, 'trailers');
  if (protocol !== undefined) {
    headers.add(CONNECTION, 'upgrade');
    headers.add(UPGRADE, protocol);
  }
}

/** At the edge the peer is the client, unless trusted hops stand before us; it is appended to X-Forwarded-For. */
function edgeAddress(headers: HeaderMap, config: HttpConnectionManagerConfig, connection: ConnectionInfo): Address {
  const peer = connection.remoteAddress;
  // Envoy puts its own address for a client on the same machine.
  const appended = isLoopback(peer.ip) ? config.localAddress : peer.ip;
  const before = headers.getAll(X_FORWARDED_FOR);
  const trusted = config.xffNumTrustedHops > 0 ? addressFromRight(before, config.xffNumTrustedHops) : undefined;
  if (!config.skipXffAppend) headers.set(X_FORWARDED_FOR, before === undefined ? appended : `${before},${appended}`);
  return trusted ?? peer;
}

function isLoopback(ip: string): boolean {
  return ip === '127.0.0.1' || ip === '::1';
}

/** Behind another proxy the client is the last address of X-Forwarded-For that is not a trusted hop. */
function innerAddress(headers: HeaderMap, config: HttpConnectionManagerConfig, connection: ConnectionInfo): Address {
  const forwarded = headers.getAll(X_FORWARDED_FOR);
  if (forwarded === undefined) return connection.remoteAddress;
  return addressFromRight(forwarded, config.xffNumTrustedHops + 1) ?? connection.remoteAddress;
}

/** The `position`th address from the right, 1 being the last; undefined when there are fewer or it is no address. */
function addressFromRight(list: string | undefined, position: number): Address | undefined {
  if (list === undefined) return undefined;
  const parts = list.split(',');
  const text = parts[parts.length - position]?.trim();
  if (text === undefined || !looksLikeAddress.test(text)) return undefined;
  return { ip: text, port: 0, text: text.includes(':') ? `[${text}]:0` : `${text}:0` };
}

const looksLikeAddress = /^(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*)$/;

function appendVia(headers: HeaderMap, via: string): void {
  const before = headers.getAll(VIA);
  headers.set(VIA, before === undefined ? via : `${before}, ${via}`);
}

/** Keeps the client's id where it is trusted, else makes one; character 15 tells tracing `4`, not traced. */
function setRequestId(headers: HeaderMap, config: HttpConnectionManagerConfig): void {
  if (!config.generateRequestId) return;
  const keep = !config.useRemoteAddress || config.preserveExternalRequestId;
  if (keep && headers.has(X_REQUEST_ID)) return;
  headers.set(X_REQUEST_ID, randomUUID());
}
