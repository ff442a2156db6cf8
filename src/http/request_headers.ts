/** Step 5 of the data path: what the connection manager changes in a request's headers before any filter sees them. */
import type { HeaderMap, RequestHead } from '../../native-free/headers/header_map.ts';
import type { HeaderName } from '../../native-free/headers/header_name.ts';
import {
  CONNECTION,
  EXPECT,
  REFERER,
  TE,
  UPGRADE,
  USER_AGENT,
  VIA,
  X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER,
  X_ENVOY_DOWNSTREAM_SERVICE_NODE,
  X_ENVOY_EXTERNAL_ADDRESS,
  X_ENVOY_INTERNAL,
  X_FORWARDED_FOR,
  X_FORWARDED_PORT,
  X_FORWARDED_PROTO,
} from '../../native-free/headers/well_known.ts';
import { inlineRequestHeaders } from '../common/inline_headers.ts';
import type { Address, ConnectionInfo } from '../common/stream_info.ts';
import type { HttpConnectionManagerConfig } from './config.ts';
import { addressFromRight, appendForwardedFor } from './forwarded_for.ts';
import { HeaderRule, joinRepeated, rulesIn } from './header_rules.ts';
import { isValidReferer } from './referer.ts';
import { setRequestId } from './request_id.ts';

/** The client as a request's headers and its connection tell. */
export interface Client {
  readonly address: Address;
  readonly internal: boolean;
}

/**
 * Applies the manager's rules and answers the trusted address of the client; a number instead is the status of a refusal.
 * The order is Envoy's, and with it the order of what is added.
 */
export function mutateRequestHeaders(
  head: RequestHead,
  config: HttpConnectionManagerConfig,
  connection: ConnectionInfo,
  upgrade: boolean,
): Address | number {
  const { headers } = head;
  const rules = rulesIn(headers);
  if ((rules & HeaderRule.Repeated) !== 0) joinRepeated(headers, inlineRequestHeaders);
  if ((rules & HeaderRule.HopByHop) !== 0) removeHopByHop(headers, upgrade);
  if ((rules & HeaderRule.Internal) !== 0) headers.remove(X_ENVOY_INTERNAL);
  if ((rules & HeaderRule.Referer) !== 0 && !isValidReferer(headers.get(REFERER)!)) headers.remove(REFERER);
  const client = config.useRemoteAddress
    ? edgeClient(headers, config, connection)
    : innerClient(headers, config, connection);
  if (typeof client === 'number') return client;
  setForwardedProto(head, config, connection);
  const edge = config.useRemoteAddress && !client.internal;
  if (client.internal) headers.set(X_ENVOY_INTERNAL, 'true');
  removeUntrusted(head, rules, client.internal, edge, config);
  if (config.userAgent !== '') addUserAgent(headers, config);
  if (config.via !== '') appendVia(headers, config.via);
  if (edge && client.address.ip !== '') headers.set(X_ENVOY_EXTERNAL_ADDRESS, client.address.ip);
  if (config.generateRequestId) setRequestId(headers, edge, config);
  config.forwardClientCert?.apply(headers, connection.tls);
  return client.address;
}

/** True when the client waits for `100 Continue`; takes the header out. */
export function takeExpectContinue(headers: HeaderMap): boolean {
  const value = headers.getAll(EXPECT);
  if (value === undefined || value.toLowerCase() !== '100-continue') return false;
  headers.remove(EXPECT);
  return true;
}

/** Fields of this connection alone, and those that Connection names (RFC 9110 section 7.6.1); `te: trailers` may pass, and all that asks for an upgrade. */
function removeHopByHop(headers: HeaderMap, upgrade: boolean): void {
  const nominated = upgrade ? undefined : headers.getAll(CONNECTION);
  // What most clients send, if anything.
  if (!upgrade && (nominated === undefined || nominated === 'keep-alive') && !headers.has(TE)) {
    headers.removeFlagged(HeaderRule.HopByHop);
    return;
  }
  const list = nominated?.split(',').map((part) => part.trim().toLowerCase());
  const trailers = allowsTrailers(headers.get(TE), list?.includes('te') === true);
  if (list !== undefined) headers.removeIf((name) => list.includes(name.text));
  const spares = (name: HeaderName) =>
    (upgrade && (name === CONNECTION || name === UPGRADE)) || (trailers && name === TE);
  headers.removeIf((name) => (name.flags & HeaderRule.HopByHop) !== 0 && !spares(name));
  if (trailers) headers.set(TE, 'trailers');
}

/** Envoy reads the value in any case only where Connection names it. */
function allowsTrailers(te: string | undefined, anyCase: boolean): boolean {
  if (te === undefined) return false;
  const value = anyCase ? te.toLowerCase() : te;
  return value.split(',').some((part) => part.trim() === 'trailers');
}

/** At the edge the peer is the client, unless trusted hops stand before us; it is appended to X-Forwarded-For. */
function edgeClient(headers: HeaderMap, config: HttpConnectionManagerConfig, connection: ConnectionInfo): Client {
  const peer = connection.remoteAddress;
  const hops = config.xffNumTrustedHops;
  const alone = config.internalAddresses !== undefined && !headers.has(X_FORWARDED_FOR);
  const address = (hops > 0 ? addressFromRight(headers, hops)?.address : undefined) ?? peer;
  if (!config.skipXffAppend) appendForwardedFor(headers, peer, config.localAddress);
  return { address, internal: alone && config.internalAddresses!.includes(address) };
}

/** Behind another proxy the client is who the extensions find, by default the last address of X-Forwarded-For. */
function innerClient(
  headers: HeaderMap,
  config: HttpConnectionManagerConfig,
  connection: ConnectionInfo,
): Client | number {
  const peer = connection.remoteAddress;
  const { originalIp, internalAddresses } = config;
  for (let i = 0; i < originalIp.length; i++) {
    const detection = originalIp[i];
    const found = detection.detect(headers, peer);
    if (found === undefined && detection.rejectStatus !== 0) return detection.rejectStatus;
    if (detection.appendsForwardedFor(peer)) appendForwardedFor(headers, peer, config.localAddress);
    if (found === undefined) continue;
    const { address } = found;
    return { address, internal: found.alone && internalAddresses?.includes(address) === true };
  }
  return { address: peer, internal: false };
}

/** Who stands right before the client may say how it came; others are believed only behind another proxy. */
function setForwardedProto(head: RequestHead, config: HttpConnectionManagerConfig, connection: ConnectionInfo): void {
  const { headers } = head;
  const overwrites = config.useRemoteAddress && config.xffNumTrustedHops === 0;
  const secure = connection.tls !== undefined;
  if (overwrites || !headers.has(X_FORWARDED_PROTO)) headers.set(X_FORWARDED_PROTO, secure ? 'https' : 'http');
  if (config.appendXForwardedPort && connection.localAddress.ip !== '') {
    if (overwrites || !headers.has(X_FORWARDED_PORT)) {
      headers.set(X_FORWARDED_PORT, String(connection.localAddress.port));
    }
  }
  if (config.schemeToSet !== '') headers.set(X_FORWARDED_PROTO, config.schemeToSet);
  const proto = headers.get(X_FORWARDED_PROTO)!.toLowerCase();
  if (config.schemeToSet !== '') head.scheme = config.schemeToSet;
  // What the client itself says stays, even if it does not agree.
  else if (head.scheme !== '') return;
  else if (proto === 'https' || proto === 'http') head.scheme = proto;
  else head.scheme = secure ? 'https' : 'http';
}

/** Only clients of ours steer the proxy by x-envoy headers. */
function removeUntrusted(
  head: RequestHead,
  rules: number,
  internal: boolean,
  edge: boolean,
  config: HttpConnectionManagerConfig,
): void {
  const { headers } = head;
  let drop: number = config.forwardClientCert === undefined ? HeaderRule.ClientCert : 0;
  if (!internal) drop |= HeaderRule.Internal;
  if (edge) drop |= HeaderRule.EdgeOnly;
  if ((rules & drop) !== 0) headers.removeFlagged(drop);
  const routes = config.scopedRoutes === undefined ? config.routes.table : config.scopedRoutes.tableFor(head);
  const internalOnly = routes?.internalOnlyHeaders;
  if (!internal && internalOnly !== undefined && internalOnly.length > 0) {
    for (const name of internalOnly) headers.remove(name);
  }
}

/** The name of this proxy's cluster stands for a client that gives none, and says who sent the request on. */
function addUserAgent(headers: HeaderMap, config: HttpConnectionManagerConfig): void {
  headers.set(X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER, config.userAgent);
  if ((headers.get(USER_AGENT) ?? '') === '') headers.set(USER_AGENT, config.userAgent);
  if (config.nodeName !== '') headers.set(X_ENVOY_DOWNSTREAM_SERVICE_NODE, config.nodeName);
}

function appendVia(headers: HeaderMap, via: string): void {
  const before = headers.getAll(VIA);
  headers.set(VIA, before === undefined ? via : `${before}, ${via}`);
}
