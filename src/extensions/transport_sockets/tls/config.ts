/** envoy.transport_sockets.tls: what configuration needs to know of it, towards clients and towards hosts (control side). */
import type { envoy } from '../../../api/envoy_types.ts';
import { checkLogFile } from '../../../common/access_log/log_file.ts';
import { checkValidation } from '../../../common/tls/check_validation.ts';
import { readSecret } from '../../../common/tls/read_secret.ts';
import {
  certificateRefs,
  downstreamType,
  type SecretRef,
  ticketKeysRef,
  upstreamType,
  validationRefs,
} from '../../../common/tls/secret_refs.ts';
import type { ConfigErrors, ExtensionFactory } from '../../../spi/extension.ts';
import { checkProtocol } from './protocol_settings.ts';

type CommonTlsContext = envoy.extensions.transport_sockets.tls.v3.CommonTlsContext;
type DownstreamTlsContext = envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext;
type UpstreamTlsContext = envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext;

const mustStaplePolicy = 2;

export const downstreamFactory: ExtensionFactory = {
  name: 'envoy.transport_sockets.tls',
  category: 'envoy.transport_sockets',
  aliases: ['tls'],
  typeName: downstreamType,
  validate(message, errors) {
    const context = message as DownstreamTlsContext;
    const common = context.commonTlsContext;
    checkCommon(common, errors);
    if (certificateRefs(common).length === 0 && common?.tlsCertificateProviderInstance === undefined) {
      errors.error('common_tls_context', 'No TLS certificates found for server context');
    }
    const validates = common?.validationContextType.case !== undefined;
    if (context.requireClientCertificate === undefined && validates) {
      errors.warn(
        'common_tls_context',
        'a validation context without require_client_certificate: clients that send no certificate are let in',
      );
    }
    if (context.requireClientCertificate === true && !validates) {
      errors.warn('require_client_certificate', 'any certificate is accepted: there is no validation context');
    }
    if (context.requireSni === true)
      errors.warn('require_sni', 'has no effect, as in Envoy: clients without SNI are served');
    if (context.ocspStaplePolicy === mustStaplePolicy) {
      common?.tlsCertificates.forEach(({ ocspStaple }, i) => {
        if (ocspStaple === undefined)
          errors.error(
            `common_tls_context.tls_certificates[${i}]`,
            'Required OCSP response is missing from TLS context',
          );
      });
    }
    const tickets = ticketKeysRef(context);
    if (tickets !== undefined) checkRef(tickets, errors);
  },
  load: () => import('./downstream.ts'),
};

export const upstreamFactory: ExtensionFactory = {
  name: 'envoy.transport_sockets.tls',
  category: 'envoy.transport_sockets',
  aliases: ['tls'],
  typeName: upstreamType,
  validate(message, errors) {
    const { commonTlsContext: common, sni, autoSniSanValidation, autoHostSni } = message as UpstreamTlsContext;
    checkCommon(common, errors);
    if (certificateRefs(common).length > 1) {
      errors.error('common_tls_context', 'Multiple TLS certificates are not supported for client contexts');
    }
    if (sni.length > 255) errors.error('sni', `SNI names longer than 255 bytes are not allowed`);
    if (autoSniSanValidation && common?.validationContextType.case === undefined) {
      errors.error('auto_sni_san_validation', "'auto_sni_san_validation' was configured without a validation context");
    }
    if (common?.validationContextType.case === undefined && (sni !== '' || autoHostSni)) {
      errors.warn('common_tls_context', 'there is no validation context: the certificates of hosts are not verified');
    }
  },
  load: () => import('./upstream.ts'),
};

function checkCommon(common: CommonTlsContext | undefined, errors: ConfigErrors): void {
  if (common === undefined) return;
  if (common.tlsParams !== undefined) {
    checkProtocol(common.tlsParams, (path, reason) => errors.error(`common_tls_context.tls_params.${path}`, reason));
  }
  for (const ref of [...certificateRefs(common), ...validationRefs(common)]) checkRef(ref, errors);
  checkKeyLog(common.keyLog, errors);
  common.alpnProtocols.forEach((protocols, i) => {
    if (protocols.split(',').some((protocol) => protocol === '' || protocol.length > 255))
      errors.error(`common_tls_context.alpn_protocols[${i}]`, 'Invalid ALPN protocol string');
  });
}

function checkKeyLog(log: CommonTlsContext['keyLog'], errors: ConfigErrors): void {
  if (log === undefined) return;
  errors.warn('common_tls_context.key_log', 'whoever can read this file can read what these connections carry');
  const unwritable = checkLogFile(log.path);
  if (unwritable !== undefined) errors.error('common_tls_context.key_log.path', unwritable);
}

/** What is written in place is read now, so that a bad one never serves; what is discovered, when it comes. */
function checkRef({ path, inline }: SecretRef, errors: ConfigErrors): void {
  if (inline !== undefined) {
    const at = (field: string) => (field === '' ? path : `${path}.${field}`);
    readSecret(inline, {
      error: (field, reason) => errors.error(at(field), reason),
      warn: (field, reason) => errors.warn(at(field), reason),
    });
    // What a discovered one adds to (combined_validation_context) need not be complete.
    const whole = !path.endsWith('.default_validation_context');
    if (inline.case === 'validationContext')
      checkValidation(inline.value, whole, (field, reason) => errors.error(at(field), reason));
  }
}
