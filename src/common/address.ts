/** Socket addresses as text, in Envoy's forms: `1.2.3.4:80`, `[::1]:80`, `/run/a.sock`, `@abstract`. */
import type { envoy } from '../api/envoy_types.ts';
import type { Address } from './stream_info.ts';

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** 4 or 6 for an IP literal (a zone as in `fe80::1%eth0` is allowed), 0 for everything else. */
export function ipVersion(text: string): 0 | 4 | 6 {
  if (IPV4.test(text)) return 4;
  if (!text.includes(':')) return 0;
  return URL.canParse(`http://[${text.replace(/%[\w.-]+$/, '')}]/`) ? 6 : 0;
}

/** An IP address with port; an IPv4 address mapped into IPv6 becomes the IPv4 address, as a dual-stack listener sees it. */
export function ipAddress(ip: string, port: number): Address {
  const plain = MAPPED.exec(ip)?.[1] ?? ip;
  return { ip: plain, port, text: formatIp(plain, port) };
}

/** `ip:port`, IPv6 in brackets. */
export function formatIp(ip: string, port: number): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** A UNIX socket; a path beginning with `@` is in Linux' abstract namespace. */
export function pipeAddress(path: string): Address {
  return { ip: '', port: 0, text: path };
}

/** True when the address is a UNIX socket. */
export function isPipe(address: Address): boolean {
  return address.ip === '';
}

/** Reads any of the forms above; undefined for names, ports above 65535 and everything else. */
export function parseAddress(text: string): Address | undefined {
  if (text.startsWith('/') || text.startsWith('@')) return pipeAddress(text);
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  if (match === null || Number(match[3]) > 65535) return undefined;
  const version = match[1] === undefined ? 4 : 6;
  const ip = match[1] ?? match[2];
  return ipVersion(ip) === version ? ipAddress(ip, Number(match[3])) : undefined;
}

/** An IPv6 socket takes no IPv4 unless `ipv4_compat` says so. */
export function isIpv6Only(message: envoy.config.core.v3.Address | undefined): boolean {
  const address = message?.address;
  return address?.case === 'socketAddress' && address.value.address.includes(':') && !address.value.ipv4Compat;
}

/** The address a configuration message names; a socket address must be an IP literal here. */
export function addressOfMessage(message: envoy.config.core.v3.Address | undefined): Address {
  const address = message?.address;
  if (address?.case === 'pipe') return pipeAddress(address.value.path);
  if (address?.case !== 'socketAddress') return pipeAddress('');
  const { portSpecifier } = address.value;
  return ipAddress(address.value.address, portSpecifier.case === 'portValue' ? portSpecifier.value : 0);
}
