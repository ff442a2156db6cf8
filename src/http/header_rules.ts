/** Which header names the connection manager treats specially, as bits on the names: one pass over a map finds them all. */
import type { HeaderMap } from '../../native-free/headers/header_map.ts';
import type { HeaderName } from '../../native-free/headers/header_name.ts';
import * as names from '../../native-free/headers/well_known.ts';

export const HeaderRule = {
  /** Belongs to one connection (RFC 9110 section 7.6.1): never forwarded. */
  HopByHop: 1,
  /** Set by Envoy for Envoy: from an external client it is removed, whatever the address mode. */
  Internal: 2,
  /** Removed from external clients only where the manager is an edge (`use_remote_address`). */
  EdgeOnly: 4,
  Expect: 8,
  ClientCert: 16,
  Referer: 32,
  /** Not on a name: some name of the map occurs more than once. */
  Repeated: 1 << 20,
} as const;

const mark = (rule: number, ...list: { flags: number }[]) => {
  for (const name of list) name.flags |= rule;
};

mark(
  HeaderRule.HopByHop,
  names.CONNECTION,
  names.KEEP_ALIVE,
  names.PROXY_CONNECTION,
  names.UPGRADE,
  names.TRANSFER_ENCODING,
  names.TE,
);
mark(
  HeaderRule.Internal,
  names.X_ENVOY_INTERNAL,
  names.X_ENVOY_RETRY_ON,
  names.X_ENVOY_RETRY_GRPC_ON,
  names.X_ENVOY_MAX_RETRIES,
  names.X_ENVOY_UPSTREAM_ALT_STAT_NAME,
  names.X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS,
  names.X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS,
  names.X_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE,
  names.X_ENVOY_UPSTREAM_STREAM_DURATION_MS,
  names.X_ENVOY_EXPECTED_RQ_TIMEOUT_MS,
  names.X_ENVOY_FORCE_TRACE,
  names.X_ENVOY_IP_TAGS,
  names.X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT,
  names.X_ENVOY_RETRIABLE_STATUS_CODES,
  names.X_ENVOY_RETRIABLE_HEADER_NAMES,
  names.X_ENVOY_ORIGINAL_URL,
);
mark(
  HeaderRule.EdgeOnly,
  names.X_ENVOY_ORIGINAL_PATH,
  names.X_ENVOY_ORIGINAL_HOST,
  names.X_ENVOY_DECORATOR_OPERATION,
  names.X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER,
  names.X_ENVOY_DOWNSTREAM_SERVICE_NODE,
);
mark(HeaderRule.Expect, names.EXPECT);
mark(HeaderRule.ClientCert, names.X_FORWARDED_CLIENT_CERT);
mark(HeaderRule.Referer, names.REFERER);

let pass = 0;

/** All rules that some name of the map is under, and whether a name repeats. */
export function rulesIn(headers: HeaderMap): number {
  let rules = 0;
  const list = headers.names;
  pass = (pass + 1) & 0x3fff_ffff;
  for (let i = 0; i < list.length; i++) {
    const name = list[i];
    rules |= name.flags;
    if (name.seen === pass) rules |= HeaderRule.Repeated;
    name.seen = pass;
  }
  return rules;
}

/** Repeated fields of a name that Envoy keeps as one value become one field, where the first stood, joined by `,`. */
export function joinRepeated(headers: HeaderMap, inline: ReadonlySet<HeaderName>): void {
  const list = headers.names;
  for (let i = 0; i < list.length; i++) {
    const name = list[i];
    if (inline.has(name) && list.indexOf(name, i + 1) >= 0) headers.set(name, joined(headers, name));
  }
}

/** Unlike `getAll`: an empty value adds nothing, not even its comma. */
function joined(headers: HeaderMap, name: HeaderName): string {
  return headers.values.filter((value, i) => headers.names[i] === name && value !== '').join(',');
}
