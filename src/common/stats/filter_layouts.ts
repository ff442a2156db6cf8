/** Names of listener filters and network filters. */
import { defineLayout } from './layout.ts';

/** `tls_inspector.` */
export const TLS_INSPECTOR = defineLayout('tls_inspector', [
  'alpn_found',
  'alpn_not_found',
  'client_hello_too_large',
  'sni_found',
  'sni_not_found',
  'tls_found',
  'tls_not_found',
]);

/** `http_inspector.` */
export const HTTP_INSPECTOR = defineLayout('http_inspector', [
  'http10_found',
  'http11_found',
  'http2_found',
  'http_not_found',
  'read_error',
]);

/** `proxy_proto.` and `proxy_proto.<stat_prefix>.` */
export const PROXY_PROTOCOL = defineLayout('proxy_protocol', ['not_found_allowed', 'not_found_disallowed']);

/** `proxy_proto.versions.v1.` and so on. */
export const PROXY_PROTOCOL_VERSION = defineLayout('proxy_protocol_version', ['disallowed', 'error', 'found']);

/** `connection_limit.<stat_prefix>.` */
export const CONNECTION_LIMIT = defineLayout('connection_limit', ['limited_connections'], ['active_connections']);
