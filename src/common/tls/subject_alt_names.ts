/** The subject alternative names of a certificate, and whether a DNS name is one of them. */
import type { X509Certificate } from 'node:crypto';

export interface SubjectAltNames {
  readonly dns: readonly string[];
  readonly uri: readonly string[];
  readonly email: readonly string[];
  readonly ip: readonly string[];
}

const none: SubjectAltNames = { dns: [], uri: [], email: [], ip: [] };

/** Node writes them as `DNS:a, URI:b`, with a value that could be mistaken quoted as JSON. A value with NUL in it is left out. */
export function subjectAltNames(certificate: X509Certificate): SubjectAltNames {
  const text = certificate.subjectAltName;
  if (text === undefined) return none;
  const names = { dns: [] as string[], uri: [] as string[], email: [] as string[], ip: [] as string[] };
  for (const [, type, quoted, plain] of text.matchAll(/([A-Za-z ]+):(?:("(?:[^"\\]|\\.)*")|([^,]*))(?:, |$)/g)) {
    const value = quoted === undefined ? plain : unquote(quoted);
    if (value.includes('\0')) continue;
    if (type === 'DNS') names.dns.push(value);
    else if (type === 'URI') names.uri.push(value);
    else if (type === 'email') names.email.push(value);
    else if (type === 'IP Address') names.ip.push(ipText(value));
  }
  return names;
}

function unquote(text: string): string {
  try {
    return JSON.parse(text) as string;
  } catch {
    return '\0';
  }
}

/** OpenSSL spells IPv6 addresses out in capitals: `0:0:0:0:0:0:0:1`. */
function ipText(ip: string): string {
  if (!ip.includes(':')) return ip;
  try {
    return new URL(`http://[${ip}]`).hostname.slice(1, -1);
  } catch {
    return ip;
  }
}

/** RFC 6125 section 6.4.3 as Envoy has it: `*.` stands for exactly one label. */
export function dnsNameMatches(name: string, pattern: string): boolean {
  const wanted = name.toLowerCase();
  const offered = pattern.toLowerCase();
  if (wanted === offered) return true;
  if (!offered.startsWith('*.')) return false;
  const dot = wanted.indexOf('.');
  return dot > 0 && wanted.slice(dot) === offered.slice(1);
}
