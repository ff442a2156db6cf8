/** Why TLS failed, in Envoy's words: access logs, response code details and log parsers know them. */

/** Number of the SSL library in an error of BoringSSL, in its place. */
const sslLibrary = 0x1000_0000;

/** Alerts a peer may send (RFC 8446 section 6), as BoringSSL names them; their reasons are numbered from 1000 on. */
const alerts: Readonly<Record<number, string>> = {
  10: 'SSLV3_ALERT_UNEXPECTED_MESSAGE',
  20: 'SSLV3_ALERT_BAD_RECORD_MAC',
  21: 'TLSV1_ALERT_DECRYPTION_FAILED',
  22: 'TLSV1_ALERT_RECORD_OVERFLOW',
  40: 'SSLV3_ALERT_HANDSHAKE_FAILURE',
  41: 'SSLV3_ALERT_NO_CERTIFICATE',
  42: 'SSLV3_ALERT_BAD_CERTIFICATE',
  43: 'SSLV3_ALERT_UNSUPPORTED_CERTIFICATE',
  44: 'SSLV3_ALERT_CERTIFICATE_REVOKED',
  45: 'SSLV3_ALERT_CERTIFICATE_EXPIRED',
  46: 'SSLV3_ALERT_CERTIFICATE_UNKNOWN',
  47: 'SSLV3_ALERT_ILLEGAL_PARAMETER',
  48: 'TLSV1_ALERT_UNKNOWN_CA',
  49: 'TLSV1_ALERT_ACCESS_DENIED',
  50: 'TLSV1_ALERT_DECODE_ERROR',
  51: 'TLSV1_ALERT_DECRYPT_ERROR',
  70: 'TLSV1_ALERT_PROTOCOL_VERSION',
  71: 'TLSV1_ALERT_INSUFFICIENT_SECURITY',
  80: 'TLSV1_ALERT_INTERNAL_ERROR',
  86: 'TLSV1_ALERT_INAPPROPRIATE_FALLBACK',
  90: 'TLSV1_ALERT_USER_CANCELLED',
  100: 'TLSV1_ALERT_NO_RENEGOTIATION',
  110: 'TLSV1_ALERT_UNSUPPORTED_EXTENSION',
  112: 'TLSV1_ALERT_UNRECOGNIZED_NAME',
  113: 'TLSV1_ALERT_BAD_CERTIFICATE_STATUS_RESPONSE',
  115: 'TLSV1_ALERT_UNKNOWN_PSK_IDENTITY',
  116: 'TLSV1_ALERT_CERTIFICATE_REQUIRED',
  120: 'TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
};

/** BoringSSL's numbers; OpenSSL's texts of the same meaning lead here. */
const reasons: Readonly<Record<string, number>> = {
  CERTIFICATE_VERIFY_FAILED: 125,
  CLIENTHELLO_PARSE_FAILED: 131,
  DECODE_ERROR: 137,
  DECRYPTION_FAILED_OR_BAD_RECORD_MAC: 139,
  DIGEST_CHECK_FAILED: 142,
  EXCESSIVE_MESSAGE_SIZE: 150,
  HANDSHAKE_FAILURE_ON_CLIENT_HELLO: 154,
  HTTPS_PROXY_REQUEST: 155,
  HTTP_REQUEST: 156,
  INAPPROPRIATE_FALLBACK: 157,
  NO_COMMON_SIGNATURE_ALGORITHMS: 253,
  NO_RENEGOTIATION: 182,
  NO_SHARED_GROUP: 266,
  NO_SHARED_CIPHER: 184,
  PEER_DID_NOT_RETURN_A_CERTIFICATE: 192,
  UNSUPPORTED_PROTOCOL: 240,
  WRONG_VERSION_NUMBER: 247,
};

const openSslNames: Readonly<Record<string, string>> = {
  'no suitable signature algorithm': 'NO_COMMON_SIGNATURE_ALGORITHMS',
  'no shared signature algorithms': 'NO_COMMON_SIGNATURE_ALGORITHMS',
  'no suitable key share': 'NO_SHARED_GROUP',
  'packet length too long': 'WRONG_VERSION_NUMBER',
  'record layer failure': 'WRONG_VERSION_NUMBER',
  'unknown protocol': 'WRONG_VERSION_NUMBER',
  'bad extension': 'CLIENTHELLO_PARSE_FAILED',
  'no protocols available': 'UNSUPPORTED_PROTOCOL',
};

/** An error of Node's TLS sockets. */
export interface TlsError extends Error {
  readonly code?: string;
  readonly library?: string;
  readonly reason?: string;
}

/** The text for an error of a TLS socket; empty when it is not about TLS (a reset connection). */
export function failureReason(error: TlsError): string {
  if (error.reason === undefined) return '';
  const alert = /SSL alert number (\d+)/.exec(error.message);
  if (alert !== null) {
    return alertReason(Number(alert[1]));
  }
  const name = openSslNames[error.reason] ?? error.reason.toUpperCase().replace(/[^A-Z0-9]+/g, '_');
  const code = /error:([0-9A-F]{8}):/.exec(error.message);
  const number = reasons[name] ?? (code === null ? 0 : Number.parseInt(code[1], 16) & 0x7f_ffff);
  return tlsError(
    number,
    isMissingCertificate(error) ? `${name}:peer_did_not_provide_required_client_certificate` : name,
  );
}

/** The text for an alert of the peer (RFC 8446 section 6). */
export function alertReason(number: number): string {
  return tlsError(1000 + number, alerts[number] ?? `TLSV1_ALERT_${number}`);
}

/** True when the peer did not send the certificate it must have. */
export function isMissingCertificate(error: TlsError): boolean {
  return error.reason === 'peer did not return a certificate';
}

/** The text for a peer whose certificate was refused; `detail` is said behind `verify cert failed`. */
export function verifyFailure(detail: string): string {
  const text = detail.replaceAll(' ', '_');
  return tlsError(reasons['CERTIFICATE_VERIFY_FAILED'], `CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_${text}`);
}

function tlsError(reason: number, text: string): string {
  return `TLS_error:|${sslLibrary + reason}:SSL_routines:OPENSSL_internal:${text}:TLS_error_end`;
}
