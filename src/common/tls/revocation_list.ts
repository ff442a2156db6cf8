/** Certificate revocation lists (RFC 5280 section 5), as far as is needed to look one certificate up. */
import type { X509Certificate } from 'node:crypto';
import { childrenOf, type Element, elementAt, tag, timeOf } from './der.ts';

export class RevocationLists {
  private readonly byIssuer = new Map<string, RevocationList>();

  /** `pem` may hold lists of several issuers. Throws a RangeError on what is no list. */
  constructor(pem: string) {
    for (const [, base64] of pem.matchAll(/-----BEGIN X509 CRL-----([\s\S]+?)-----END X509 CRL-----/g)) {
      const list = parseList(Buffer.from(base64, 'base64'));
      this.byIssuer.set(list.issuer, list);
    }
  }

  /** What OpenSSL would say of the certificate; undefined when it stands on no list and its issuer has one that holds. */
  problemOf(certificate: X509Certificate, now: number): { code: string; text: string } | undefined {
    const list = this.byIssuer.get(issuerOf(certificate.raw));
    if (list === undefined) return { code: 'UNABLE_TO_GET_CRL', text: 'unable to get certificate CRL' };
    if (list.nextUpdate < now) return { code: 'CRL_HAS_EXPIRED', text: 'CRL has expired' };
    if (list.serials.has(certificate.serialNumber.toLowerCase().replace(/^0+/, '')))
      return { code: 'CERT_REVOKED', text: 'certificate revoked' };
    return undefined;
  }
}

interface RevocationList {
  /** The issuer's name in DER, in hex. */
  readonly issuer: string;
  /** Milliseconds since 1970; infinite without one. */
  readonly nextUpdate: number;
  /** In hex, without leading zeros. */
  readonly serials: ReadonlySet<string>;
}

/** TBSCertList: version, signature, issuer, thisUpdate, nextUpdate, revokedCertificates. */
function parseList(der: Buffer): RevocationList {
  const [content] = childrenOf(der, elementAt(der, 0));
  const parts = childrenOf(der, content);
  const first = parts[0].tag === tag.integer ? 1 : 0;
  const issuer = parts[first + 1];
  const isTime = ({ tag: t }: Element) => t === tag.utcTime || t === tag.generalizedTime;
  const times = parts.slice(first + 2).filter(isTime);
  const revoked = parts.slice(first + 2).find((part) => part.tag === tag.sequence);
  const serials = new Set<string>();
  for (const entry of revoked === undefined ? [] : childrenOf(der, revoked)) {
    const serial = elementAt(der, entry.start);
    serials.add(der.toString('hex', serial.start, serial.end).replace(/^0+/, ''));
  }
  return {
    issuer: der.toString('hex', issuer.at, issuer.end),
    nextUpdate: times.length < 2 ? Number.POSITIVE_INFINITY : timeOf(der, times[1]),
    serials,
  };
}

/** TBSCertificate: version, serialNumber, signature, issuer. */
function issuerOf(der: Buffer): string {
  const [content] = childrenOf(der, elementAt(der, 0));
  const parts = childrenOf(der, content);
  const issuer = parts[parts[0].tag === tag.context0 ? 3 : 2];
  return der.toString('hex', issuer.at, issuer.end);
}
