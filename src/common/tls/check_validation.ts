/** What a validation context asks for that cannot be: told when it is read, from a file or by discovery (main thread). */
import type { envoy } from '../../api/envoy_types.ts';

type ValidationContext = envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext;

/** SanType.OTHER_NAME. */
const otherName = 5;
const hexHash = /^(?:[0-9a-fA-F]{64}|(?:[0-9a-fA-F]{2}:){31}[0-9a-fA-F]{2})$/;

/** Envoy's, of a context that is put together as well. */
export const namesWithoutAuthority =
  'SAN-based verification of peer certificates without trusted CA is insecure and not allowed';

/** `whole`: nothing is added to it later. Paths are relative to the context. */
export function checkValidation(
  context: ValidationContext,
  whole: boolean,
  error: (path: string, reason: string) => void,
): void {
  const { verifyCertificateHash, verifyCertificateSpki, crl } = context;
  verifyCertificateHash.forEach((hash, i) => {
    if (!hexHash.test(hash)) error(`verify_certificate_hash[${i}]`, `Invalid hex-encoded SHA-256 ${hash}`);
  });
  verifyCertificateSpki.forEach((hash, i) => {
    if (Buffer.from(hash, 'base64').length !== 32)
      error(`verify_certificate_spki[${i}]`, `Invalid base64-encoded SHA-256 ${hash}`);
  });
  context.matchTypedSubjectAltNames.forEach(({ sanType, oid }, i) => {
    if (sanType === otherName && !/^[0-2](\.\d+)+$/.test(oid))
      error(`match_typed_subject_alt_names[${i}]`, `Failed to create SAN matcher for OTHER_NAME with OID: ${oid}`);
  });
  if (context.allowExpiredCertificate && crl !== undefined && !context.onlyVerifyLeafCertCrl) {
    error('allow_expired_certificate', "'allow_expired_certificate' together with 'crl' is not supported yet");
  }
  if (whole && context.trustedCa === undefined && context.systemRootCerts === undefined) checkAlone(context, error);
}

/** Without authorities. */
function checkAlone(context: ValidationContext, error: (path: string, reason: string) => void): void {
  if (context.matchTypedSubjectAltNames.length + context.matchSubjectAltNames.length > 0)
    error('match_typed_subject_alt_names', namesWithoutAuthority);
  if (context.allowExpiredCertificate)
    error('allow_expired_certificate', 'Certificate validity period is always ignored without trusted CA');
  if (context.crl !== undefined) error('crl', 'Failed to load CRL without trusted CA');
}
