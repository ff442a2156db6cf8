/** Ranges of IP addresses, as configuration gives them (trusted proxies, internal clients); control and data side. */
import type { envoy } from '../api/envoy_types.ts';
import { ipVersion } from './address.ts';

type CidrRangeMessage = Pick<envoy.config.core.v3.CidrRange, 'addressPrefix' | 'prefixLen'>;

interface Range {
  readonly version: 4 | 6;
  /** The bits of the prefix, the rest shifted out. */
  readonly prefix: bigint;
  readonly shift: bigint;
}

/** A set of ranges; `1.2.3.4` and its mapped form `::ffff:1.2.3.4` are two different addresses here. */
export class CidrRanges {
  private readonly ranges: readonly Range[];

  /** Ranges that are none (see `cidrProblem`) are left out. */
  constructor(messages: readonly CidrRangeMessage[]) {
    this.ranges = messages.map(compileRange).filter((range) => range !== undefined);
  }

  /** `ip` without port; false for a UNIX socket's empty one and for what is no address. */
  includes(ip: string): boolean {
    const { ranges } = this;
    if (ranges.length === 0) return false;
    const version = ipVersion(ip);
    if (version === 0) return false;
    const bits = ipBits(ip, version);
    for (let i = 0; i < ranges.length; i++) {
      const range = ranges[i];
      if (range.version === version && bits >> range.shift === range.prefix) return true;
    }
    return false;
  }
}

/** Why a range cannot be used, in Envoy's words; undefined when it can. */
export function cidrProblem(message: CidrRangeMessage): string | undefined {
  const { addressPrefix: prefix, prefixLen = 0 } = message;
  if (prefix === '' || ipVersion(prefix) !== 0) return undefined;
  return `invalid ip/mask combo '${prefix}/${prefixLen}' (format is <ip>/<# mask bits>)`;
}

function compileRange(message: CidrRangeMessage): Range | undefined {
  const version = ipVersion(message.addressPrefix);
  if (version === 0) return undefined;
  const width = version === 4 ? 32 : 128;
  // A length beyond the address counts as the whole of it, as in Envoy.
  const shift = BigInt(width - Math.min(message.prefixLen ?? 0, width));
  return { version, prefix: ipBits(message.addressPrefix, version) >> shift, shift };
}

/** The address as a number of 32 or 128 bits; a zone is ignored. */
export function ipBits(ip: string, version: 4 | 6): bigint {
  if (version === 4) return BigInt(ipv4Number(ip));
  const [plain] = ip.split('%', 1);
  const dotted = plain.lastIndexOf(':') + 1;
  const quad = plain.includes('.') ? ipv4Number(plain.slice(dotted)) : undefined;
  const tail = quad === undefined ? '' : `${(quad >>> 16).toString(16)}:${(quad & 0xffff).toString(16)}`;
  const [head, rest] = (quad === undefined ? plain : plain.slice(0, dotted) + tail).split('::');
  const before = head === '' ? [] : head.split(':');
  const after = rest === undefined || rest === '' ? [] : rest.split(':');
  const zeros = rest === undefined ? [] : new Array<string>(8 - before.length - after.length).fill('0');
  return [...before, ...zeros, ...after].reduce((bits, group) => (bits << 16n) | BigInt(`0x${group}`), 0n);
}

function ipv4Number(ip: string): number {
  return ip.split('.').reduce((number, part) => number * 256 + Number(part), 0);
}

/** The network of an address in CIDR notation: `10.1.2.3` of 16 bits is `10.1.0.0/16`; more bits than there are count as all. */
export function networkOf(ip: string, bits: number): string {
  const version = ipVersion(ip);
  if (version === 0) return ip;
  const width = version === 4 ? 32 : 128;
  const length = Math.min(bits, width);
  const shift = BigInt(width - length);
  const network = (ipBits(ip, version) >> shift) << shift;
  return `${version === 4 ? ipv4Text(Number(network)) : ipv6Text(network)}/${length}`;
}

function ipv4Text(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
}

/** The shortest spelling (RFC 5952). */
function ipv6Text(value: bigint): string {
  const groups = value.toString(16).padStart(32, '0').match(/.{4}/g)!;
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}
