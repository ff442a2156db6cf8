/** What is known of a TLS session (TlsInfo): asked for by access logs and headers, so read out of certificates when asked. */
import type { X509Certificate } from 'node:crypto';
import { now } from '../../common/clock.ts';
import type { ChainCertificate, TlsInfo } from '../../common/stream_info.ts';
import { otherNames } from '../../common/tls/other_names.ts';
import { type SubjectAltNames, subjectAltNames } from '../../common/tls/subject_alt_names.ts';

/** A certificate as logs and headers name it. */
export class CertificateNames implements ChainCertificate {
  readonly certificate: X509Certificate;
  private names: SubjectAltNames | undefined;

  constructor(certificate: X509Certificate) {
    this.certificate = certificate;
  }

  get subject(): string {
    return distinguishedName(this.certificate.subject);
  }

  get issuer(): string {
    return distinguishedName(this.certificate.issuer);
  }

  get serial(): string {
    return this.certificate.serialNumber.toLowerCase();
  }

  get fingerprint1(): string {
    return hex(this.certificate.fingerprint);
  }

  get fingerprint256(): string {
    return hex(this.certificate.fingerprint256);
  }

  get otherNames(): readonly string[] {
    return otherNames(this.certificate.raw);
  }

  get sans(): SubjectAltNames {
    this.names ??= subjectAltNames(this.certificate);
    return this.names;
  }
}

/** RFC 2253: the most specific part first. Node has one part a line, the other way round, escaped already. */
function distinguishedName(lines: string | undefined): string {
  return lines === undefined ? '' : lines.split('\n').reverse().join(',');
}

function hex(fingerprint: string): string {
  return fingerprint.replaceAll(':', '').toLowerCase();
}

export interface SessionParts {
  readonly version: string;
  readonly cipher: string;
  readonly sessionId: string;
  readonly alpn: string;
  readonly serverName: string;
  readonly local: CertificateNames | undefined;
  readonly peer: X509Certificate | undefined;
  readonly validated: boolean;
  /** Empty where nobody asks (`tlsGroups.asked`). */
  readonly group: string;
  /** Finds the issuer of a certificate that came without. */
  readonly authorities: { issuerOf(certificate: X509Certificate): X509Certificate | undefined } | undefined;
}

const nothing: readonly string[] = [];

export class SessionInfo implements TlsInfo {
  readonly version: string;
  readonly cipher: string;
  readonly sessionId: string;
  readonly alpn: string;
  readonly serverName: string;
  readonly peerCertificatePresented: boolean;
  readonly peerCertificateValidated: boolean;
  readonly group: string;
  readonly handshakeEnd = now;
  private readonly authorities: SessionParts['authorities'];
  private readonly local: CertificateNames | undefined;
  private readonly peer: CertificateNames | undefined;

  constructor(parts: SessionParts) {
    this.version = parts.version;
    this.cipher = parts.cipher;
    this.sessionId = parts.sessionId;
    this.alpn = parts.alpn;
    this.serverName = parts.serverName;
    this.local = parts.local;
    this.peer = parts.peer === undefined ? undefined : new CertificateNames(parts.peer);
    this.peerCertificatePresented = parts.peer !== undefined;
    this.peerCertificateValidated = parts.validated;
    this.group = parts.group;
    this.authorities = parts.authorities;
  }

  get peerSubject(): string {
    return this.peer?.subject ?? '';
  }

  get peerIssuer(): string {
    return this.peer?.issuer ?? '';
  }

  get peerSerial(): string {
    return this.peer?.serial ?? '';
  }

  get peerFingerprint256(): string {
    return this.peer?.fingerprint256 ?? '';
  }

  get peerFingerprint1(): string {
    return this.peer?.fingerprint1 ?? '';
  }

  get peerUriSans(): readonly string[] {
    return this.peer?.sans.uri ?? nothing;
  }

  get peerDnsSans(): readonly string[] {
    return this.peer?.sans.dns ?? nothing;
  }

  get peerEmailSans(): readonly string[] {
    return this.peer?.sans.email ?? nothing;
  }

  get peerIpSans(): readonly string[] {
    return this.peer?.sans.ip ?? nothing;
  }

  get peerValidFrom(): number {
    return this.peer === undefined ? Number.NaN : Date.parse(this.peer.certificate.validFrom);
  }

  get peerValidTo(): number {
    return this.peer === undefined ? Number.NaN : Date.parse(this.peer.certificate.validTo);
  }

  get peerPem(): string {
    return this.peer === undefined ? '' : encodePem(this.peer.certificate);
  }

  get peerChainPem(): string {
    return this.sent().map(encodePem).join('');
  }

  get peerChain(): readonly ChainCertificate[] {
    return this.sent().map((certificate) => new CertificateNames(certificate));
  }

  get peerIssuerCertificate(): ChainCertificate | undefined {
    const certificate = this.peer?.certificate;
    if (certificate === undefined) return undefined;
    const issuer = certificate.issuerCertificate ?? this.authorities?.issuerOf(certificate);
    return issuer && new CertificateNames(issuer);
  }

  get peerOtherNameSans(): readonly string[] {
    return this.peer?.otherNames ?? nothing;
  }

  /** The peer's chain as it came; a certificate that signed itself ends it. */
  private sent(): X509Certificate[] {
    const chain: X509Certificate[] = [];
    const seen = new Set<string>();
    for (let next = this.peer?.certificate; next !== undefined; next = next.issuerCertificate) {
      if (seen.has(next.fingerprint256)) break;
      seen.add(next.fingerprint256);
      chain.push(next);
    }
    return chain;
  }

  get localSubject(): string {
    return this.local?.subject ?? '';
  }

  get localUriSans(): readonly string[] {
    return this.local?.sans.uri ?? nothing;
  }

  get localDnsSans(): readonly string[] {
    return this.local?.sans.dns ?? nothing;
  }

  get localOtherNameSans(): readonly string[] {
    return this.local?.otherNames ?? nothing;
  }

  get localEmailSans(): readonly string[] {
    return this.local?.sans.email ?? nothing;
  }

  get localIpSans(): readonly string[] {
    return this.local?.sans.ip ?? nothing;
  }
}

const encoded: Readonly<Record<string, string>> = { '\n': '%0A', ' ': '%20', '+': '%2B', '/': '%2F', '=': '%3D' };

/** As Envoy encodes PEM for headers. */
function encodePem(certificate: X509Certificate): string {
  return certificate.toString().replace(/[\n +/=]/g, (char) => encoded[char]);
}
