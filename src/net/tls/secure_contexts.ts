/** OpenSSL contexts of one certificate: made when configuration or a secret arrives, never for a connection. */
import { constants, X509Certificate } from 'node:crypto';
import {
  createSecureContext,
  getCACertificates,
  type SecureContext,
  type SecureContextOptions,
  setDefaultCACertificates,
} from 'node:tls';
import { openTickets } from './engine.ts';
import type { CertificateSettings, ProtocolSettings, ValidationSettings } from './settings.ts';

/** Different orders of the suites that are equal to us, each a context of its own; a client has one of few. */
const mostVariants = 8;

/** PEM blocks of certificates, each read. Throws on what is no certificate. */
export function readCertificates(pem: string): X509Certificate[] {
  const blocks = pem.match(
    /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[\s\S]*?-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g,
  );
  return (blocks ?? []).map((block) => new X509Certificate(block));
}

/** What both sides set alike. */
export function contextOptions(
  protocol: ProtocolSettings,
  certificate: CertificateSettings | undefined,
  validation: ValidationSettings | undefined,
): SecureContextOptions {
  const { minVersion, maxVersion, curves, signatureAlgorithms } = protocol;
  return {
    minVersion,
    maxVersion,
    ecdhCurve: curves.join(':'),
    sigalgs: signatureAlgorithms.length === 0 ? undefined : signatureAlgorithms.join(':'),
    cert: certificate?.chain,
    key: certificate?.key,
    passphrase: certificate?.passphrase,
    // Without authorities Node would trust its own list.
    ca: validation?.trustedCa ?? [],
    // OpenSSL in Node checks the whole chain or nothing.
    crl: validation?.onlyVerifyLeafCrl === true ? undefined : validation?.crl,
    allowPartialTrustChain: true,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  };
}

/**
 * Node tells clients the names of the authorities in `ca`, but not those of its default ones: for as long as the context is made
 * they are the thread's default.
 */
function secureContext(options: SecureContextOptions, hidesAuthorities: boolean): SecureContext {
  const { ca, ...rest } = options;
  if (!hidesAuthorities || typeof ca !== 'string') return createSecureContext(options);
  const before = getCACertificates('default');
  setDefaultCACertificates([ca]);
  try {
    return createSecureContext(rest);
  } finally {
    setDefaultCACertificates(before);
  }
}

/** OpenSSL takes TLS 1.3's suites in the same list; security levels forbid what old versions need. */
export function cipherList(protocol: ProtocolSettings, suites: readonly string[]): string {
  const list = [...protocol.tls13Suites, ...suites];
  if (protocol.minVersion === 'TLSv1' || protocol.minVersion === 'TLSv1.1') list.push('@SECLEVEL=0');
  return list.join(':');
}

/** The contexts of one certificate on a server: they differ in whose order of suites counts. */
export class ServerContexts {
  private readonly protocol: ProtocolSettings;
  private readonly options: SecureContextOptions;
  private readonly ticketKeys: readonly Buffer[];
  private readonly hidesAuthorities: boolean;
  private readonly byOrder = new Map<string, SecureContext>();
  private readonly clientOrder: SecureContext;

  constructor(
    protocol: ProtocolSettings,
    options: SecureContextOptions,
    ticketKeys: readonly Buffer[],
    hidesAuthorities: boolean,
  ) {
    this.protocol = protocol;
    this.options = options;
    this.ticketKeys = ticketKeys;
    this.hidesAuthorities = hidesAuthorities;
    this.clientOrder = this.make({ ciphers: cipherList(protocol, protocol.cipherSuites.flat()) });
  }

  /** As in BoringSSL the client's order counts in TLS 1.3. */
  forTls13(): SecureContext {
    return this.clientOrder;
  }

  /** `suites` in the order wanted. */
  forTls12(suites: readonly string[]): SecureContext {
    const ciphers = cipherList(this.protocol, suites);
    let context = this.byOrder.get(ciphers);
    if (context === undefined) {
      if (this.byOrder.size >= mostVariants) return this.byOrder.values().next().value!;
      context = this.make({ ciphers, honorCipherOrder: true });
      this.byOrder.set(ciphers, context);
    }
    return context;
  }

  private make(more: SecureContextOptions): SecureContext {
    const context = secureContext({ ...this.options, ...more }, this.hidesAuthorities);
    if (this.ticketKeys.length > 1) openTickets(context, this.ticketKeys);
    return context;
  }
}
