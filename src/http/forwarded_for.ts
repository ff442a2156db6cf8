/** Step 5 of the data path: addresses in X-Forwarded-For, and whose word on them counts. */
import type { HeaderMap } from '../../native-free/headers/header_map.ts';
import { X_FORWARDED_FOR } from '../../native-free/headers/well_known.ts';
import { formatIp, ipVersion } from '../common/address.ts';
import type { CidrRanges } from '../common/cidr.ts';
import type { Address } from '../common/stream_info.ts';

/** A client's address as found out, and whether it may make the client an internal one. */
export interface DetectedAddress {
  readonly address: Address;
  /** It was all that X-Forwarded-For said: nobody stood in between. */
  readonly alone: boolean;
}

/** The `position`th address from the right, 1 being the last; undefined when there are fewer or it is no address. */
export function addressFromRight(headers: HeaderMap, position: number): DetectedAddress | undefined {
  const list = headers.getAll(X_FORWARDED_FOR);
  if (list === undefined) return undefined;
  const parts = list.split(',');
  const address = clientAddress(parts[parts.length - position]);
  return address === undefined ? undefined : { address, alone: parts.length === 1 };
}

/** The last address that is not one of these proxies, or the first of all when every one is. */
export function lastUntrustedAddress(headers: HeaderMap, proxies: CidrRanges): DetectedAddress | undefined {
  const parts = headers.getAll(X_FORWARDED_FOR)?.split(',') ?? [];
  for (let i = parts.length - 1; i >= 0; i--) {
    const address = clientAddress(parts[i]);
    if (address === undefined) return undefined;
    if (i === 0 || !proxies.includes(address.ip)) return { address, alone: parts.length === 1 };
  }
  return undefined;
}

/** Appended without a blank, as Envoy does; its own address stands for a client on the same machine. */
export function appendForwardedFor(headers: HeaderMap, peer: Address, ownAddress: string): void {
  if (peer.ip === '') return;
  const appended = peer.ip === '127.0.0.1' || peer.ip === '::1' ? ownAddress : peer.ip;
  const before = headers.getAll(X_FORWARDED_FOR);
  headers.set(X_FORWARDED_FOR, before === undefined || before === '' ? appended : `${before},${appended}`);
}

/** A literal IP address, blanks around it aside; port 0, since nobody knows it. */
export function clientAddress(text: string | undefined): Address | undefined {
  const ip = text?.trim();
  if (ip === undefined || ipVersion(ip) === 0) return undefined;
  return { ip, port: 0, text: formatIp(ip, 0) };
}
