/** What is known of a TLS session (TlsInfo): asked for by access logs and headers, so read out of certificates when asked. */
import type { X509Certificate } from 'node:crypto';
import type { TlsInfo } from '../../common/stream_info.ts';
import { type SubjectAltNames, subjectAltNames } from '../../common/tls/subject_alt_names.ts';

/** A certificate as logs and headers name it. */
export class CertificateNames {
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
    return this.peer === undefined ? '' : hex(this.peer.certificate.fingerprint256);
  }

  get peerFingerprint1(): string {
    return this.peer === undefined ? '' : hex(this.peer.certificate.fingerprint);
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
    let text = '';
    const seen = new Set<string>();
    for (let next = this.peer?.certificate; next !== undefined; next = next.issuerCertificate) {
      if (seen.has(next.fingerprint256)) break;
      seen.add(next.fingerprint256);
      text += encodePem(next);
    }
    return text;
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

/** The session id in hex out of a session in ASN.1 (SSL_SESSION_ASN1: the fourth member); empty when there is none. */
export function sessionIdOf(session: Buffer | undefined): string {
  if (session === undefined || session[0] !== 0x30) return '';
  let at = 2 + (session[1] > 0x80 ? session[1] & 0x7f : 0);
  for (let member = 0; member < 3; member++) at += 2 + session[at + 1];
  const length = session[at + 1];
  if (session[at] !== 0x04 || at + 2 + length > session.length) return '';
  return session.toString('hex', at + 2, at + 2 + length);
}
