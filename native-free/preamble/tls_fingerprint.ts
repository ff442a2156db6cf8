/** What JA3 and JA4 say of a TLS client, as the texts that are hashed; the hashes themselves are the caller's. */
import { type ClientHello, ExtensionType, latin1, u16List } from './client_hello.ts';

/** The text whose MD5 is the JA3 fingerprint. Envoy leaves reserved values (RFC 8701) in the list of groups. */
export function ja3Text(hello: ClientHello): string {
  const { message } = hello;
  const groups = contentOf(hello, ExtensionType.SupportedGroups);
  const formats = contentOf(hello, ExtensionType.EcPointFormats);
  return [
    hello.version,
    hello.cipherSuites.filter(isMeant).join('-'),
    extensionTypes(hello).join('-'),
    groups === undefined ? '' : u16List(message, groups.start + 2, groups.end).join('-'),
    formats === undefined ? '' : [...message.subarray(formats.start + 1, formats.end)].join('-'),
  ].join(',');
}

/** The parts of a JA4 fingerprint: `prefix_` and the first 12 hex digits of the SHA-256 of each list; empty lists hash to zeros. */
export interface Ja4Parts {
  readonly prefix: string;
  readonly ciphers: string;
  readonly extensions: string;
}

export function ja4Parts(hello: ClientHello): Ja4Parts {
  const ciphers = hello.cipherSuites.filter(isMeant);
  const types = extensionTypes(hello);
  const named = contentOf(hello, ExtensionType.ServerName) === undefined ? 'i' : 'd';
  const hashed = types.filter((type) => type !== ExtensionType.ServerName && type !== ExtensionType.Alpn);
  const algorithms = contentOf(hello, ExtensionType.SignatureAlgorithms);
  const signed = algorithms === undefined ? [] : u16List(hello.message, algorithms.start + 2, algorithms.end);
  const signature = hashed.length === 0 || signed.length === 0 ? '' : `_${hexList(signed)}`;
  return {
    prefix: `t${version(hello)}${named}${twoDigits(ciphers.length)}${twoDigits(types.length)}${alpnLetters(hello)}`,
    ciphers: hexList(sorted(ciphers)),
    extensions: hexList(sorted(hashed)) + signature,
  };
}

/** Not one of the values reserved to keep implementations honest (RFC 8701). */
function isMeant(id: number): boolean {
  return (id & 0x0f0f) !== 0x0a0a || id >> 8 !== (id & 0xff);
}

function extensionTypes({ extensions }: ClientHello): number[] {
  return extensions.map(({ type }) => type).filter(isMeant);
}

function contentOf({ extensions }: ClientHello, type: number): { start: number; end: number } | undefined {
  return extensions.find((extension) => extension.type === type);
}

const versions: Readonly<Record<number, string>> = { 772: '13', 771: '12', 770: '11', 769: '10' };

/** The highest that is supported. */
function version(hello: ClientHello): string {
  const supported = contentOf(hello, ExtensionType.SupportedVersions);
  if (supported === undefined) return versions[hello.version] ?? '00';
  const end = supported.start + 1 + hello.message[supported.start];
  if (supported.start === supported.end || end > supported.end) return '00';
  const highest = Math.max(0, ...u16List(hello.message, supported.start + 1, end).filter(isMeant));
  return versions[highest === 0 ? hello.version : highest] ?? '00';
}

/** First and last character of the first protocol; where one is no letter or digit, its first and last hex digit. */
function alpnLetters(hello: ClientHello): string {
  const alpn = contentOf(hello, ExtensionType.Alpn);
  if (alpn === undefined || alpn.end - alpn.start < 4) return '00';
  const length = hello.message[alpn.start + 2];
  const start = alpn.start + 3;
  if (length === 0 || start + length > alpn.end) return '00';
  const first = hello.message[start];
  const last = hello.message[start + length - 1];
  const letters = latin1(hello.message, start, start + 1) + latin1(hello.message, start + length - 1, start + length);
  return /^[0-9A-Za-z]{2}$/.test(letters) ? letters : (first >> 4).toString(16) + (last & 15).toString(16);
}

function twoDigits(count: number): string {
  return String(Math.min(count, 99)).padStart(2, '0');
}

function hexList(ids: readonly number[]): string {
  return ids.map((id) => id.toString(16).padStart(4, '0')).join(',');
}

function sorted(ids: readonly number[]): number[] {
  return [...ids].sort((a, b) => a - b);
}
