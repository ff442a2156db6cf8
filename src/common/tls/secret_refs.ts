/** The secrets a TLS context speaks of, and the name under which the main thread publishes each to the workers (both threads). */
import { createHash } from 'node:crypto';
import type { envoy } from '../../api/envoy_types.ts';
import { encode } from '../../api/registry.ts';

type CommonTlsContext = envoy.extensions.transport_sockets.tls.v3.CommonTlsContext;
type DownstreamTlsContext = envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext;
type SdsSecretConfig = envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig;
type Secret = envoy.extensions.transport_sockets.tls.v3.Secret;

const tlsPackage = 'envoy.extensions.transport_sockets.tls.v3';

export const secretType = `${tlsPackage}.Secret` as const;
export const downstreamType = `${tlsPackage}.DownstreamTlsContext` as const;
export const upstreamType = `${tlsPackage}.UpstreamTlsContext` as const;

/** The ticket keys of this process, where configuration gives none. */
export const processTicketKeys = 'ticket_keys/process';

export type SecretKind = 'tlsCertificate' | 'validationContext' | 'sessionTicketKeys';

/** One secret that is wanted. */
export interface SecretRef {
  /** The name it is published under. */
  readonly key: string;
  readonly kind: SecretKind;
  /** Where in the context it stands, relative to that. */
  readonly path: string;
  /** Written in the context, its bytes perhaps elsewhere; else `sds`. */
  readonly inline?: Secret['type'];
  readonly sds?: SdsSecretConfig;
}

/** The certificates of a context, in its order. */
export function certificateRefs(common: CommonTlsContext | undefined): SecretRef[] {
  if (common === undefined) return [];
  const inline = common.tlsCertificates.map((value, i) =>
    inlineRef({ case: 'tlsCertificate', value }, 'TlsCertificate', `common_tls_context.tls_certificates[${i}]`),
  );
  const sds = common.tlsCertificateSdsSecretConfigs.map((config, i) =>
    sdsRef(config, 'tlsCertificate', `common_tls_context.tls_certificate_sds_secret_configs[${i}]`),
  );
  return [...inline, ...sds];
}

/** The validation contexts, the second of which adds to the first and goes before it (combined_validation_context). */
export function validationRefs(common: CommonTlsContext | undefined): SecretRef[] {
  const type = common?.validationContextType;
  const at = 'common_tls_context';
  switch (type?.case) {
    case 'validationContext':
      return [validationRef(type.value, `${at}.validation_context`)];
    case 'validationContextSdsSecretConfig':
      return [sdsRef(type.value, 'validationContext', `${at}.validation_context_sds_secret_config`)];
    case 'combinedValidationContext': {
      const { defaultValidationContext, validationContextSdsSecretConfig } = type.value;
      const refs: SecretRef[] = [];
      const combined = `${at}.combined_validation_context`;
      if (defaultValidationContext !== undefined)
        refs.push(validationRef(defaultValidationContext, `${combined}.default_validation_context`));
      if (validationContextSdsSecretConfig !== undefined) {
        const path = `${combined}.validation_context_sds_secret_config`;
        refs.push(sdsRef(validationContextSdsSecretConfig, 'validationContext', path));
      }
      return refs;
    }
    default:
      return [];
  }
}

/** The ticket keys a server seals sessions with; undefined when it is to have no tickets. */
export function ticketKeysRef(context: DownstreamTlsContext): SecretRef | undefined {
  const type = context.sessionTicketKeysType;
  switch (type.case) {
    case 'sessionTicketKeys':
      return inlineRef({ case: 'sessionTicketKeys', value: type.value }, 'TlsSessionTicketKeys', 'session_ticket_keys');
    case 'sessionTicketKeysSdsSecretConfig':
      return sdsRef(type.value, 'sessionTicketKeys', 'session_ticket_keys_sds_secret_config');
    case 'disableStatelessSessionResumption':
      if (type.value) return undefined;
      break;
  }
  return { key: processTicketKeys, kind: 'sessionTicketKeys', path: '' };
}

/** The name of a secret of the bootstrap's static ones. */
export function staticKey(name: string): string {
  return `static/${name}`;
}

/** The file a secret is discovered in; undefined when it comes from elsewhere. */
export function secretFile(config: SdsSecretConfig): string | undefined {
  const specifier = config.sdsConfig?.configSourceSpecifier;
  if (specifier?.case === 'path') return specifier.value;
  return specifier?.case === 'pathConfigSource' ? specifier.value.path : undefined;
}

function validationRef(
  value: envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext,
  path: string,
): SecretRef {
  return inlineRef({ case: 'validationContext', value }, 'CertificateValidationContext', path);
}

function inlineRef(inline: NonNullable<SecretRef['inline']>, type: string, path: string): SecretRef {
  const bytes = encode(`${tlsPackage}.${type}` as typeof secretType, inline.value as never);
  const hash = createHash('sha256').update(bytes).digest('base64url');
  return { key: `${type}/${hash}`, kind: inline.case as SecretKind, path, inline };
}

function sdsRef(config: SdsSecretConfig, kind: SecretKind, path: string): SecretRef {
  return {
    key: config.sdsConfig === undefined ? staticKey(config.name) : discoveredKey(config),
    kind,
    path,
    sds: config,
  };
}

/** Whoever names the same secret of the same source shares it, as in Envoy. */
function discoveredKey({ name, sdsConfig }: SdsSecretConfig): string {
  const bytes = encode('envoy.config.core.v3.ConfigSource', sdsConfig!);
  return `sds/${createHash('sha256').update(bytes).digest('base64url')}/${name}`;
}
