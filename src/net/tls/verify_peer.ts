/** Whether the certificate of a peer is what the validation context asks for; in Envoy's order, with its counters and words. */
import { createHash, type X509Certificate } from 'node:crypto';
import type { SSL } from '../../common/stats/ssl_layouts.ts';
import { otherNamesOfType } from '../../common/tls/other_names.ts';
import { RevocationLists } from '../../common/tls/revocation_list.ts';
import { dnsNameMatches, type SubjectAltNames, subjectAltNames } from '../../common/tls/subject_alt_names.ts';
import { verifyFailure } from './failure_reason.ts';
import type { SanMatcher, ValidationSettings } from './settings.ts';

export interface Verdict {
  /** Something was asked for, and the certificate has it. */
  readonly validated: boolean;
  /** What was wrong is counted even where everybody is let in. */
  readonly counter: keyof typeof SSL.slot | undefined;
  /** Why the peer is refused, in Envoy's words; empty when it is not. */
  readonly refusal: string;
}

const notAsked: Verdict = { validated: false, counter: undefined, refusal: '' };
const good: Verdict = { validated: true, counter: undefined, refusal: '' };

/** What OpenSSL says of the chain; undefined when it is in order. */
export interface ChainError {
  readonly code: string;
  readonly text: string;
  /** Where in the chain, when it is known. */
  readonly depth?: number;
}

/** Validation settings, with the authorities read once. */
export class PeerVerifier {
  readonly settings: ValidationSettings;
  private readonly authorities: readonly X509Certificate[];
  /** Where only the certificate of the peer itself must not be revoked: asked here, not of OpenSSL. */
  private readonly leafLists: RevocationLists | undefined;

  /** Throws a RangeError on a broken revocation list. */
  constructor(settings: ValidationSettings, authorities: readonly X509Certificate[]) {
    const { crl, onlyVerifyLeafCrl } = settings;
    this.settings = settings;
    this.authorities = authorities;
    this.leafLists = crl !== undefined && onlyVerifyLeafCrl ? new RevocationLists(crl) : undefined;
  }

  /** `serverName` is the name it must be for, if any. */
  verify(peer: X509Certificate, chainError: ChainError | undefined, serverName: string): Verdict {
    const verdict = this.judge(peer, chainError, serverName);
    return this.settings.acceptUntrusted ? { ...verdict, refusal: '' } : verdict;
  }

  /** Which of the authorities has signed a certificate. */
  issuerOf(certificate: X509Certificate): X509Certificate | undefined {
    return this.authorities.find((authority) => certificate.checkIssued(authority));
  }

  private judge(peer: X509Certificate, chainError: ChainError | undefined, serverName: string): Verdict {
    const { trustedCa, subjectAltNames: matchers, hashes, spki } = this.settings;
    const excused = chainError !== undefined && this.isExcused(peer, chainError);
    const problem =
      (excused ? undefined : chainError) ?? this.leafLists?.problemOf(peer, Date.now()) ?? this.depthProblem(peer);
    if (trustedCa !== undefined && problem !== undefined) {
      return failed('fail_verify_error', `X509_verify_cert: certificate verification error at ${where(problem, peer)}`);
    }
    const names = serverName === '' && matchers.length === 0 ? undefined : subjectAltNames(peer);
    if (serverName !== '' && !isFor(names!, serverName)) return failed('fail_verify_san', 'verify SAN list');
    if (matchers.length > 0 && !matchers.some((matcher) => matchesAny(matcher, names!, peer))) {
      return failed('fail_verify_san', `SAN matcher, certificate SANs are [${allNames(names!).join(', ')}]`);
    }
    if (hashes.length > 0 || spki.length > 0) {
      return this.isPinned(peer) ? good : failed('fail_verify_cert_hash', 'cert hash and spki');
    }
    return trustedCa === undefined && serverName === '' && matchers.length === 0 ? notAsked : good;
  }

  /** OpenSSL tells the last of its errors only: behind one about time there may be another, so the signatures are checked again. */
  private isExcused(peer: X509Certificate, { code }: ChainError): boolean {
    if (!this.settings.allowExpired || (code !== 'CERT_HAS_EXPIRED' && code !== 'CERT_NOT_YET_VALID')) return false;
    const { crl, onlyVerifyLeafCrl } = this.settings;
    return (crl === undefined || onlyVerifyLeafCrl) && isSignedBy(peer, this.authorities);
  }

  /** As BoringSSL counts: a chain of so many certificates, at least one, must reach an authority. */
  private depthProblem(peer: X509Certificate): ChainError | undefined {
    const { maxVerifyDepth } = this.settings;
    if (maxVerifyDepth === undefined) return undefined;
    const most = Math.max(1, maxVerifyDepth);
    let link: X509Certificate | undefined = peer;
    for (let count = 1; count <= most && link !== undefined; count++) {
      if (this.isAuthority(link) || this.issuerOf(link) !== undefined) return undefined;
      link = link.issuerCertificate;
    }
    return { code: 'CERT_CHAIN_TOO_LONG', text: 'unable to get local issuer certificate', depth: most };
  }

  private isAuthority(certificate: X509Certificate): boolean {
    return this.authorities.some(({ fingerprint256 }) => fingerprint256 === certificate.fingerprint256);
  }

  private isPinned(peer: X509Certificate): boolean {
    const { hashes, spki } = this.settings;
    if (hashes.includes(peer.fingerprint256.replaceAll(':', '').toLowerCase())) return true;
    if (spki.length === 0) return false;
    const key = peer.publicKey.export({ type: 'spki', format: 'der' });
    return spki.includes(createHash('sha256').update(key).digest('base64'));
  }
}

function failed(counter: keyof typeof SSL.slot, detail: string): Verdict {
  return { validated: false, counter, refusal: verifyFailure(detail) };
}

const mostIssuers = 16;

/** A chain of signatures from the peer's certificate over those it sent to one of the authorities; times are not looked at. */
function isSignedBy(peer: X509Certificate, authorities: readonly X509Certificate[]): boolean {
  let link: X509Certificate | undefined = peer;
  for (let depth = 0; link !== undefined && depth < mostIssuers; depth++) {
    const subject: X509Certificate = link;
    const isIssuer = (issuer: X509Certificate) =>
      subject.fingerprint256 === issuer.fingerprint256 ||
      (issuer.ca && subject.checkIssued(issuer) && subject.verify(issuer.publicKey));
    if (authorities.some(isIssuer)) return true;
    const next: X509Certificate | undefined = link.issuerCertificate;
    if (next === undefined || next.fingerprint256 === link.fingerprint256 || !isIssuer(next)) return false;
    link = next;
  }
  return false;
}

/** Envoy says where in the chain it was; Node does not, but a missing issuer is that of the last certificate sent. */
function where({ code, text, depth: known }: ChainError, peer: X509Certificate): string {
  if (known !== undefined) return `depth ${known}: ${text}`;
  const [plain] = text.replace('self-signed', 'self signed').split(';', 1);
  let depth = 0;
  if (code.startsWith('UNABLE_TO_GET_ISSUER_CERT') || code === 'SELF_SIGNED_CERT_IN_CHAIN') {
    for (let next = peer.issuerCertificate; next !== undefined && depth < mostIssuers; next = next.issuerCertificate) {
      if (next.issuerCertificate?.fingerprint256 === next.fingerprint256 && depth > 0) break;
      depth++;
    }
  }
  return `depth ${depth}: ${plain}`;
}

function isFor(names: SubjectAltNames, serverName: string): boolean {
  return names.dns.some((name) => dnsNameMatches(serverName, name)) || names.ip.includes(serverName);
}

function matchesAny(matcher: SanMatcher, names: SubjectAltNames, peer: X509Certificate): boolean {
  const { type, oid } = matcher;
  if (type === 'OTHER_NAME') return otherNamesOfType(peer.raw, oid ?? '').some((value) => matcher.matches(value));
  const values = type === 'DNS' ? names.dns : type === 'URI' ? names.uri : type === 'EMAIL' ? names.email : names.ip;
  return values.some((value) => matcher.matches(value));
}

function allNames({ dns, uri, email, ip }: SubjectAltNames): string[] {
  return [...email, ...dns, ...uri, ...ip];
}
