/** The header a proxy puts in front of a connection to tell whose it is: PROXY protocol, versions 1 and 2, read. */
import type { Bytes } from '../bytes/bytes.ts';
import { formatIpv6, parseIpv4, parseIpv6 } from '../ip/ipv6.ts';
import { crc32c } from './crc32c.ts';

export interface ProxyEndpoint {
  /** In canonical text. */
  readonly ip: string;
  readonly port: number;
}

/** A type-length-value of a version 2 header. */
export interface ProxyTlv {
  readonly type: number;
  readonly value: Uint8Array;
  /** Where the value lies in the header that was read. */
  readonly start?: number;
}

export interface ProxyHeader {
  /** The connection is the proxy's own (LOCAL), or its ends are not told (UNKNOWN): the real ones hold. */
  readonly local: boolean;
  readonly source: ProxyEndpoint | undefined;
  readonly destination: ProxyEndpoint | undefined;
  readonly tlvs: readonly ProxyTlv[];
  /** False when there is a checksum among the TLVs that is not the header's. */
  readonly intact: boolean;
  /** Bytes of the whole header. */
  readonly length: number;
}

export const ProxyStatus = { More: 0, Done: 1, Error: 2 } as const;
export type ProxyStatus = (typeof ProxyStatus)[keyof typeof ProxyStatus];

export const v2Signature: readonly number[] = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10];
const v1Signature = [80, 82, 79, 88, 89, 32];
const v2Fixed = 16;
/** The longest line is 107 bytes; Envoy looks this far for its end. */
const mostInV1 = 108;
const crcType = 3;

/** Whether bytes may still become a header of a version. */
export function mayBeProxyHeader(bytes: Uint8Array, length: number, version: 1 | 2): boolean {
  return begins(bytes, length, version === 1 ? v1Signature : v2Signature);
}

/** Reads one header from the bytes at the beginning of a connection; give all there are each time. */
export class ProxyProtocolReader {
  /** 0 until it is known, then 1 or 2. */
  version: 0 | 1 | 2 = 0;
  header: ProxyHeader | undefined;
  /** Bytes that are needed at most, as far as is known. */
  wanted: number = v2Fixed + 216;
  private searched = 1;

  /** `bytes` from their first to `length`. The header is at most 64 KiB and 16 bytes. */
  read(bytes: Bytes, length: number): ProxyStatus {
    if (length >= v2Fixed && this.version === 0) {
      if (begins(bytes, length, v2Signature)) this.version = 2;
      else if (!begins(bytes, length, v1Signature)) return ProxyStatus.Error;
    }
    return this.version === 2 ? this.readV2(bytes, length) : this.readV1(bytes, length);
  }

  private readV1(bytes: Bytes, length: number): ProxyStatus {
    // Two bytes of the other version's signature, not the end of an empty line.
    if (bytes[0] === 13 && bytes[1] === 10) return ProxyStatus.More;
    const end = Math.min(length, mostInV1 + 1);
    for (; this.searched < end; this.searched++) {
      if (bytes[this.searched] !== 10 || bytes[this.searched - 1] !== 13) continue;
      this.version = 1;
      this.header = parseV1(bytes.latin1Slice(0, this.searched - 1), this.searched + 1);
      return this.header === undefined ? ProxyStatus.Error : ProxyStatus.Done;
    }
    return this.searched > mostInV1 ? ProxyStatus.Error : ProxyStatus.More;
  }

  private readV2(bytes: Bytes, length: number): ProxyStatus {
    const command = bytes[12];
    const family = bytes[13];
    const rest = (bytes[14] << 8) | bytes[15];
    const local = (command & 15) === 0;
    if (command >> 4 !== 2 || (!local && (command & 15) !== 1)) return ProxyStatus.Error;
    const addresses = local ? 0 : addressBytes(family);
    if (addresses === undefined || rest < addresses) return ProxyStatus.Error;
    this.wanted = v2Fixed + rest;
    if (length < this.wanted) return ProxyStatus.More;
    this.header = local ? ends(this.wanted) : parseV2(bytes, addresses, this.wanted);
    return this.header === undefined ? ProxyStatus.Error : ProxyStatus.Done;
  }
}

function begins(bytes: Uint8Array, length: number, signature: readonly number[]): boolean {
  const count = Math.min(length, signature.length);
  for (let i = 0; i < count; i++) if (bytes[i] !== signature[i]) return false;
  return true;
}

/** Streams and datagrams over IPv4 or IPv6; Envoy takes no others (UNIX sockets, unspecified). */
function addressBytes(family: number): number | undefined {
  const transport = family & 15;
  if (transport !== 1 && transport !== 2) return undefined;
  if (family >> 4 === 1) return 12;
  return family >> 4 === 2 ? 36 : undefined;
}

function ends(length: number): ProxyHeader {
  return { local: true, source: undefined, destination: undefined, tlvs: [], intact: true, length };
}

/** `PROXY TCP4 1.2.3.4 5.6.7.8 1000 80`, without the line's end. */
function parseV1(line: string, length: number): ProxyHeader | undefined {
  const [signature, family, ...rest] = line.trimEnd().split(' ');
  if (signature !== 'PROXY') return undefined;
  if (family === 'UNKNOWN') return ends(length);
  if ((family !== 'TCP4' && family !== 'TCP6') || rest.length !== 4) return undefined;
  const read = family === 'TCP4' ? ipv4Text : ipv6Text;
  const source = endpoint(read(rest[0]), rest[2]);
  const destination = endpoint(read(rest[1]), rest[3]);
  if (source === undefined || destination === undefined) return undefined;
  return { local: false, source, destination, tlvs: [], intact: true, length };
}

function endpoint(ip: string | undefined, portText: string): ProxyEndpoint | undefined {
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : 65_536;
  return ip === undefined || port > 65_535 || !isUnicast(ip) ? undefined : { ip, port };
}

function ipv4Text(text: string): string | undefined {
  return parseIpv4(text)?.join('.');
}

function ipv6Text(text: string): string | undefined {
  const bytes = parseIpv6(text);
  return bytes === undefined ? undefined : formatIpv6(bytes);
}

/** A TCP connection has no other ends. */
function isUnicast(ip: string): boolean {
  if (ip.includes(':')) return ip !== '::' && !/^ff[\da-f]{2}:/.test(ip);
  const first = Number(ip.slice(0, ip.indexOf('.')));
  return ip !== '0.0.0.0' && ip !== '255.255.255.255' && (first < 224 || first > 239);
}

function parseV2(bytes: Bytes, addresses: number, length: number): ProxyHeader | undefined {
  const size = addresses === 12 ? 4 : 16;
  const text = (at: number) => (size === 4 ? bytes.subarray(at, at + 4).join('.') : formatIpv6(bytes, at));
  const port = (at: number) => (bytes[at] << 8) | bytes[at + 1];
  const source = { ip: text(v2Fixed), port: port(v2Fixed + 2 * size) };
  const destination = { ip: text(v2Fixed + size), port: port(v2Fixed + 2 * size + 2) };
  if (!isUnicast(source.ip) || !isUnicast(destination.ip)) return undefined;
  const tlvs = parseTlvs(bytes, v2Fixed + addresses, length);
  if (tlvs === undefined) return undefined;
  return { local: false, source, destination, tlvs, intact: checksumHolds(bytes, tlvs, length), length };
}

/** Undefined when one does not fit into the header. */
function parseTlvs(bytes: Bytes, start: number, end: number): ProxyTlv[] | undefined {
  const tlvs: ProxyTlv[] = [];
  for (let at = start; at < end; ) {
    if (at + 3 > end) return undefined;
    const value = at + 3;
    const type = bytes[at];
    at = value + ((bytes[at + 1] << 8) | bytes[at + 2]);
    if (at > end) return undefined;
    tlvs.push({ type, value: Uint8Array.prototype.slice.call(bytes, value, at), start: value });
  }
  return tlvs;
}

/** PP2_TYPE_CRC32C: over the whole header, with zeros where it lies itself. */
function checksumHolds(bytes: Uint8Array, tlvs: readonly ProxyTlv[], length: number): boolean {
  const checksum = tlvs.find(({ type }) => type === crcType);
  if (checksum === undefined) return true;
  const { value, start = 0 } = checksum;
  if (value.length !== 4) return false;
  const told = ((value[0] << 24) | (value[1] << 16) | (value[2] << 8) | value[3]) >>> 0;
  const copy = Uint8Array.prototype.slice.call(bytes, 0, length);
  copy.fill(0, start, start + 4);
  return crc32c(copy, 0, length) === told;
}
