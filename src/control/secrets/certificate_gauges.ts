/** When certificates expire, as gauges: `<scope>ssl.certificate.<name>.expiration_unix_time_seconds`. */
import { createHash, type X509Certificate } from 'node:crypto';
import type { StatsStore } from '../../spi/stats.ts';
import { certificateSource, certificatesOf, leafOf } from './loaded_certificates.ts';
import type { SecretInUse, TlsContextInUse } from './secret_set.ts';

const dayMs = 24 * 3_600_000;

export class CertificateGauges {
  private readonly stats: StatsStore;

  constructor(stats: StatsStore) {
    this.stats = stats;
  }

  /** Sets all of them; answers the days until the first of the certificates expires, undefined when there is none. */
  refresh(contexts: readonly TlsContextInUse[], now: number): number | undefined {
    let first = Number.POSITIVE_INFINITY;
    for (const { scope, certificates, validations } of contexts) {
      for (const secret of certificates)
        first = Math.min(first, this.set(scope, 'unnamed_cert_', secret, leafOf(secret)));
      for (const secret of validations)
        for (const authority of certificatesOf(secret).slice(0, 1))
          first = Math.min(first, this.set(scope, 'unnamed_ca_cert_', secret, authority));
    }
    return Number.isFinite(first) ? Math.max(0, Math.floor((first - now) / dayMs)) : undefined;
  }

  /** Answers when it expires, in milliseconds since 1970. */
  private set(scope: string, unnamed: string, secret: SecretInUse, certificate: X509Certificate | undefined): number {
    if (certificate === undefined) return Number.POSITIVE_INFINITY;
    const expires = Date.parse(certificate.validTo);
    const name = secret.name || `${unnamed}${nameHash(secret)}`;
    const { values, index } = this.stats.gauge(`${scope}ssl.certificate.${name}.expiration_unix_time_seconds`);
    values[index] = Math.floor(expires / 1000);
    return expires;
  }
}

/** Envoy hashes what is written in place; a file's name is not part of it. */
function nameHash({ configured }: SecretInUse): string {
  const source = certificateSource(configured);
  const hash = createHash('sha256');
  if (source?.specifier.case === 'inlineString') hash.update(source.specifier.value);
  else if (source?.specifier.case === 'inlineBytes') hash.update(source.specifier.value);
  return hash.digest('hex').slice(0, 8);
}
