/** Which certificate a client gets: by server name and by the keys it can verify, as Envoy chooses (step 3 of the data path). */
import type { X509Certificate } from 'node:crypto';
import type { ClientHello } from '../../../native-free/preamble/client_hello.ts';
import { ExtensionType, u16List } from '../../../native-free/preamble/client_hello.ts';
import { mustStaple, ocspExpiry } from '../../common/tls/ocsp_response.ts';
import { ecdsaSuites } from './cipher_suites.ts';
import { contextOptions, readCertificates, ServerContexts } from './secure_contexts.ts';
import { CertificateNames } from './session_info.ts';
import { type CertificateSettings, OcspPolicy, type ServerTlsSettings } from './settings.ts';

const sessionTicketsOff = 0x4000; // SSL_OP_NO_TICKET

/** Curves of ECDSA keys: the number of the group, and of the signature scheme in TLS 1.3. */
const curves: Readonly<Record<string, { group: number; scheme: number }>> = {
  prime256v1: { group: 23, scheme: 0x0403 },
  secp384r1: { group: 24, scheme: 0x0503 },
  secp521r1: { group: 25, scheme: 0x0603 },
};
const supportedGroups = 10;
const tls13 = 0x0304;

export class ServerCertificate {
  readonly names: CertificateNames;
  readonly contexts: ServerContexts;
  /** Of an ECDSA key. */
  readonly curve: string | undefined;
  readonly staple: Buffer | undefined;
  /** Milliseconds since 1970. */
  private readonly stapleExpires: number;
  private readonly ocspPolicy: number;

  constructor(settings: ServerTlsSettings, certificate: CertificateSettings) {
    const [leaf] = readCertificates(certificate.chain);
    const options = contextOptions(settings.protocol, certificate, settings.validation);
    const { ticketKeys } = settings;
    this.names = new CertificateNames(leaf);
    this.curve = curveOf(leaf);
    this.staple = certificate.ocspStaple;
    this.stapleExpires = this.staple === undefined ? 0 : ocspExpiry(this.staple);
    this.ocspPolicy = mustStaple(leaf.raw) ? OcspPolicy.Must : settings.ocspPolicy;
    const serverOptions = {
      ...options,
      // Groups in tuples of one: ours before the client's order, even where that costs a HelloRetryRequest, as in BoringSSL.
      ecdhCurve: settings.protocol.curves.join('/'),
      ticketKeys: ticketKeys[0],
      sessionTimeout: settings.sessionTimeout,
      sessionIdContext: settings.sessionIdContext,
      secureOptions: (options.secureOptions ?? 0) | (ticketKeys.length === 0 ? sessionTicketsOff : 0),
    };
    const hidesAuthorities = settings.validation?.suppressAuthorityNames ?? false;
    this.contexts = new ServerContexts(settings.protocol, serverOptions, ticketKeys, hidesAuthorities);
  }

  /** What a client gets that asks for a response: as Envoy's policies say. */
  get ocspAction(): 'staple' | 'omit' | 'fail' {
    if (this.stapleExpires > Date.now()) return 'staple';
    if (this.ocspPolicy === OcspPolicy.Must) return 'fail';
    return this.staple !== undefined && this.ocspPolicy === OcspPolicy.Strict ? 'fail' : 'omit';
  }

  /** The names clients may ask for: DNS names, or the common name where there are none. */
  get serverNames(): readonly string[] {
    const { dns } = this.names.sans;
    if (dns.length > 0) return dns;
    const common = /^CN=(.*)$/m.exec(this.names.certificate.subject ?? '');
    return common === null ? [] : [common[1]];
  }
}

function curveOf({ publicKey }: X509Certificate): string | undefined {
  return publicKey.asymmetricKeyType === 'ec' ? publicKey.asymmetricKeyDetails?.namedCurve : undefined;
}

/** What can be said of a client for the choice. */
export interface ClientAbilities {
  readonly tls13: boolean;
  readonly wantsOcsp: boolean;
  /** Curves of the ECDSA keys it verifies. */
  readonly ecdsaCurves: ReadonlySet<string>;
}

/** Numbers of the groups we may offer (RFC 8446 section 4.2.7). */
const groupNumbers: Readonly<Record<string, number>> = {
  'P-256': 23,
  'P-384': 24,
  'P-521': 25,
  X25519: 29,
  X25519MLKEM768: 4588,
};

/** The group both will agree on: the first of ours that the client has. */
export function sharedGroup(hello: ClientHello, ours: readonly string[]): string | undefined {
  const extension = hello.extensions.find(({ type }) => type === supportedGroups);
  if (extension === undefined) return undefined;
  const theirs = u16List(hello.message, extension.start + 2, extension.end);
  return ours.find((name) => theirs.includes(groupNumbers[name]));
}

export function abilitiesOf(hello: ClientHello, allowTls13: boolean): ClientAbilities {
  const list = (type: number, skip: number): number[] => {
    const extension = hello.extensions.find((candidate) => candidate.type === type);
    return extension === undefined ? [] : u16List(hello.message, extension.start + skip, extension.end);
  };
  const offersTls13 = allowTls13 && list(ExtensionType.SupportedVersions, 1).includes(tls13);
  const ecdsaCurves = new Set<string>();
  const groups = list(supportedGroups, 2);
  const schemes = list(ExtensionType.SignatureAlgorithms, 2);
  const hasSuite = offersTls13 || hello.cipherSuites.some((suite) => ecdsaSuites.has(suite));
  for (const [name, { group, scheme }] of Object.entries(curves)) {
    const verifies = offersTls13 ? schemes.includes(scheme) : groups.includes(group);
    if (hasSuite && verifies) ecdsaCurves.add(name);
  }
  return { tls13: offersTls13, wantsOcsp: hello.extensions.some(({ type }) => type === 5), ecdsaCurves };
}

/** All certificates of a TLS context. */
export class ServerCertificates {
  private readonly all: readonly ServerCertificate[];
  /** By exact name, or by what follows the star: `.example.com`. */
  private readonly byName = new Map<string, ServerCertificate[]>();
  private readonly fullScan: boolean;

  constructor(settings: ServerTlsSettings) {
    this.fullScan = settings.fullScanOnSniMismatch;
    this.all = settings.certificates.map((certificate) => new ServerCertificate(settings, certificate));
    for (const certificate of this.all) {
      for (const name of certificate.serverNames) this.remember(name.toLowerCase(), certificate);
    }
  }

  /** Undefined when the policy on OCSP leaves none. */
  choose(serverName: string, client: ClientAbilities): ServerCertificate | undefined {
    const name = serverName.toLowerCase();
    let fallback: ServerCertificate | undefined;
    for (const candidates of [this.byName.get(name), this.byName.get(name.slice(Math.max(0, name.indexOf('.'))))]) {
      const found = this.firstFor(client, candidates ?? []);
      if (found.best !== undefined) return found.best;
      fallback ??= found.fallback;
    }
    if (fallback !== undefined) return fallback;
    if (name === '' || this.fullScan) {
      const found = this.firstFor(client, this.all);
      if (found.best !== undefined || found.fallback !== undefined) return found.best ?? found.fallback;
    }
    const [first] = this.all;
    return this.mayServe(first, client) ? first : undefined;
  }

  /** Whoever verifies ECDSA gets it; others, and where there is none, RSA. */
  private firstFor(
    client: ClientAbilities,
    candidates: readonly ServerCertificate[],
  ): { best: ServerCertificate | undefined; fallback: ServerCertificate | undefined } {
    let fallback: ServerCertificate | undefined;
    for (const candidate of candidates) {
      if (!this.mayServe(candidate, client)) continue;
      if (candidate.curve === undefined) {
        if (client.ecdsaCurves.size === 0) return { best: candidate, fallback };
        fallback ??= candidate;
      } else if (client.ecdsaCurves.has(candidate.curve)) return { best: candidate, fallback };
    }
    return { best: undefined, fallback };
  }

  /** False when the policy on OCSP forbids it. */
  private mayServe(certificate: ServerCertificate, client: ClientAbilities): boolean {
    return !client.wantsOcsp || certificate.ocspAction !== 'fail';
  }

  private remember(name: string, certificate: ServerCertificate): void {
    const key = name.startsWith('*.') ? name.slice(1) : name;
    const known = this.byName.get(key) ?? [];
    if (known.some((other) => other.curve === certificate.curve)) return;
    this.byName.set(key, [...known, certificate]);
  }
}
