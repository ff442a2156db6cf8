/** The certificates in secrets that were read. */
import type { X509Certificate } from 'node:crypto';
import { type DataSource, sourceName } from '../../common/tls/data_source.ts';
import { parseCertificates } from '../../common/tls/read_secret.ts';
import type { SecretInUse } from './secret_set.ts';

/** Where the certificates of a secret are: the chain of a certificate, the authorities of a validation context. */
export function certificateSource(secret: SecretInUse['configured']): DataSource | undefined {
  if (secret?.case === 'tlsCertificate') return secret.value.certificateChain ?? secret.value.pkcs12;
  return secret?.case === 'validationContext' ? secret.value.trustedCa : undefined;
}

/** Of a certificate its chain, the certificate itself first; of a validation context its authorities. */
export function certificatesOf({ content }: SecretInUse): readonly X509Certificate[] {
  const source = certificateSource(content);
  if (source?.specifier.case !== 'inlineBytes') return [];
  const { value } = source.specifier;
  let known = parsed.get(value);
  if (known === undefined) {
    known = parseCertificates(Buffer.from(value)) ?? [];
    parsed.set(value, known);
  }
  return known;
}

const parsed = new WeakMap<Uint8Array, readonly X509Certificate[]>();

export function leafOf(secret: SecretInUse): X509Certificate | undefined {
  return certificatesOf(secret)[0];
}

/** With the file it came from, as /certs shows it: the first of a chain, the first of the authorities. */
export function loadedCertificates(secret: SecretInUse): { path: string; certificate: X509Certificate }[] {
  const { configured } = secret;
  const source = certificateSource(configured);
  const leaf = leafOf(secret);
  return leaf === undefined ? [] : [{ path: sourceName(source), certificate: leaf }];
}
