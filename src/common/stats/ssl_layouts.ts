/** Names below `listener.<address>.ssl.` and `cluster.<name>.ssl.`, and of the factories that make TLS sockets. */
import { defineLayout } from './layout.ts';

/** Beside them: `ciphers.<name>`, `curves.<name>`, `sigalgs.<name>` and `versions.<name>`, made as they occur. */
export const SSL = defineLayout('ssl', [
  'connection_error',
  'fail_verify_cert_hash',
  'fail_verify_error',
  'fail_verify_no_cert',
  'fail_verify_san',
  'handshake',
  'no_certificate',
  'ocsp_staple_failed',
  'ocsp_staple_omitted',
  'ocsp_staple_requests',
  'ocsp_staple_responses',
  'session_reused',
]);

/** `listener.<address>.server_ssl_socket_factory.` and `cluster.<name>.client_ssl_socket_factory.` */
export const SSL_SOCKET_FACTORY = defineLayout('ssl_socket_factory', [
  'downstream_context_secrets_not_ready',
  'ssl_context_update_by_sds',
  'upstream_context_secrets_not_ready',
]);
