/** Step 8 of the data path: the name a request's host is asked for in TLS (auto_sni) and must prove (auto_san_validation). */
import type { RequestHead } from '../../native-free/headers/header_map.ts';
import { headerName } from '../../native-free/headers/header_name.ts';
import { ipVersion } from '../common/address.ts';

/** The host of the request, or of the header that goes before it; undefined for IP literals, which TLS has no names for. */
export function serverNameOf({ authority, headers }: RequestHead, header: string): string | undefined {
  const overriding = header === '' ? undefined : headers.get(headerName(header));
  const host = hostOf(overriding || authority);
  return host === '' || ipVersion(host) !== 0 ? undefined : host;
}

/** Without port and brackets. */
function hostOf(authority: string): string {
  if (authority.startsWith('[')) return authority.slice(1, authority.indexOf(']'));
  const colon = authority.lastIndexOf(':');
  return colon < 0 ? authority : authority.slice(0, colon);
}
