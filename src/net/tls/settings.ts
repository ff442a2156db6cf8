/** What TLS contexts are made of: configuration with its secrets read, as plain data (step 3 of the data path, and step 9 towards hosts). */

/** One certificate with its key. */
export interface CertificateSettings {
  /** PEM, the certificate itself first. */
  readonly chain: string;
  /** PEM. */
  readonly key: string;
  /** Of an encrypted key. */
  readonly passphrase: string | undefined;
  /** DER of an OCSP response. */
  readonly ocspStaple: Buffer | undefined;
}

export type SanType = 'DNS' | 'URI' | 'EMAIL' | 'IP_ADDRESS' | 'OTHER_NAME';

/** A name the peer's certificate may have. */
export interface SanMatcher {
  readonly type: SanType;
  /** Of an OTHER_NAME: its type in dotted form. */
  readonly oid?: string;
  matches(value: string): boolean;
}

/** What a peer's certificate must be. */
export interface ValidationSettings {
  /** PEM of the authorities; undefined: the chain is not verified. */
  readonly trustedCa: string | undefined;
  /** PEM of revocation lists. */
  readonly crl: string | undefined;
  /** Only the certificate of the peer itself must not be revoked. */
  readonly onlyVerifyLeafCrl: boolean;
  /** One of them must match, unless there is none. */
  readonly subjectAltNames: readonly SanMatcher[];
  /** SHA-256 of the public key in base64; one of these or of `hashes`, unless both are empty. */
  readonly spki: readonly string[];
  /** SHA-256 of the certificate in lower-case hex without colons. */
  readonly hashes: readonly string[];
  /** Certificates between that of the peer and an authority; undefined: OpenSSL's limit of 100. */
  readonly maxVerifyDepth: number | undefined;
  readonly allowExpired: boolean;
  /** Whoever the peer is, it is let in, and known as not validated. */
  readonly acceptUntrusted: boolean;
  /** Clients are not told which authorities count. */
  readonly suppressAuthorityNames: boolean;
}

export type ProtocolVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

export interface ProtocolSettings {
  readonly minVersion: ProtocolVersion;
  readonly maxVersion: ProtocolVersion;
  /** TLS 1.3's, OpenSSL's names. */
  readonly tls13Suites: readonly string[];
  /** In order of preference; those of one inner list are equal, so that the client's order decides. OpenSSL's names. */
  readonly cipherSuites: readonly (readonly string[])[];
  /** OpenSSL's names. */
  readonly curves: readonly string[];
  /** Empty: the library's. */
  readonly signatureAlgorithms: readonly string[];
}

/** Where the secrets of handshakes go, in the format of NSS (SSLKEYLOGFILE). */
export interface KeyLog {
  /** Whether a connection between these addresses is one of those wanted; without port. */
  wants(local: string, remote: string): boolean;
  write(line: string): void;
}

/** How Envoy's DownstreamTlsContext.OcspStaplePolicy wants responses stapled. */
export const OcspPolicy = { Lenient: 0, Strict: 1, Must: 2 } as const;

export interface ServerTlsSettings {
  readonly protocol: ProtocolSettings;
  /** At least one. */
  readonly certificates: readonly CertificateSettings[];
  readonly validation: ValidationSettings | undefined;
  readonly requireClientCertificate: boolean;
  /** In order of preference. */
  readonly alpn: readonly string[];
  /** 48 bytes each, the same in all workers: the first seals, all of them open. Empty: no tickets. */
  readonly ticketKeys: readonly Buffer[];
  /** Seconds a session may be resumed. */
  readonly sessionTimeout: number;
  /** Sessions of one identity are not resumed by another. At most 32 characters. */
  readonly sessionIdContext: string;
  readonly preferClientCiphers: boolean;
  readonly fullScanOnSniMismatch: boolean;
  /** A value of OcspPolicy. */
  readonly ocspPolicy: number;
  readonly keyLog: KeyLog | undefined;
}

export interface ClientTlsSettings {
  readonly protocol: ProtocolSettings;
  readonly certificate: CertificateSettings | undefined;
  readonly validation: ValidationSettings | undefined;
  readonly alpn: readonly string[];
  /** Empty: none is sent. */
  readonly serverName: string;
  /** The host's own name goes before `serverName` where it has one. */
  readonly autoHostSni: boolean;
  /** The certificate must be for the server name that was sent. */
  readonly autoSanValidation: boolean;
  /** Sessions kept of each host to be resumed; 0: none. */
  readonly maxSessionKeys: number;
  /** Up to TLS 1.2 a host may begin a new handshake on an open connection. */
  readonly allowRenegotiation: boolean;
  readonly keyLog: KeyLog | undefined;
}
