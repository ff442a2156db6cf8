/** The header a proxy puts in front of a connection to tell whose it is: PROXY protocol, versions 1 and 2, written. */
import { parseIpv4, parseIpv6 } from '../ip/ipv6.ts';
import { type ProxyEndpoint, type ProxyTlv, v2Signature } from './proxy_protocol.ts';

/** `PROXY TCP4 …` with its end of line; both ends of one IP version. */
export function proxyV1Header(source: ProxyEndpoint, destination: ProxyEndpoint): string {
  const family = source.ip.includes(':') ? 'TCP6' : 'TCP4';
  return `PROXY ${family} ${source.ip} ${destination.ip} ${source.port} ${destination.port}\r\n`;
}

/** What a header can hold behind its addresses. */
const most = 65_535;

/** TLVs that do not fit are left out; `complete` tells. */
export function proxyV2Header(
  source: ProxyEndpoint,
  destination: ProxyEndpoint,
  tlvs: readonly ProxyTlv[],
): { readonly bytes: Uint8Array; readonly complete: boolean } {
  const addresses = [...addressBytes(source.ip), ...addressBytes(destination.ip)];
  const ports = [source.port >> 8, source.port & 255, destination.port >> 8, destination.port & 255];
  let length = addresses.length + ports.length;
  const fitting = tlvs.filter(({ value }) => {
    const fits = length + 3 + value.length <= most;
    if (fits) length += 3 + value.length;
    return fits;
  });
  const bytes = new Uint8Array(v2Signature.length + 4 + length);
  const family = addresses.length === 8 ? 0x11 : 0x21;
  bytes.set([...v2Signature, 0x21, family, length >> 8, length & 255, ...addresses, ...ports]);
  let at = bytes.length - length + addresses.length + ports.length;
  for (const { type, value } of fitting) {
    bytes.set([type, value.length >> 8, value.length & 255], at);
    bytes.set(value, at + 3);
    at += 3 + value.length;
  }
  return { bytes, complete: fitting.length === tlvs.length };
}

/** For connections that are the proxy's own, such as health checks. */
export function proxyV2LocalHeader(): Uint8Array {
  return Uint8Array.from([...v2Signature, 0x20, 0, 0, 0]);
}

function addressBytes(ip: string): readonly number[] {
  return parseIpv4(ip) ?? [...(parseIpv6(ip) ?? new Uint8Array(4))];
}
