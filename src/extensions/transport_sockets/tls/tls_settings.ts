/** The messages of a TLS context, its secrets read, as the engine takes them (worker). */
import { createHash, hkdfSync } from 'node:crypto';
import type { envoy } from '../../../api/envoy_types.ts';
import { CidrRanges } from '../../../common/cidr.ts';
import { durationMs } from '../../../common/duration.ts';
import { compileStringMatcher } from '../../../common/matchers/string_matcher.ts';
import { namesWithoutAuthority } from '../../../common/tls/check_validation.ts';
import { certificateRefs, type SecretRef, ticketKeysRef, validationRefs } from '../../../common/tls/secret_refs.ts';
import { dnsNameMatches } from '../../../common/tls/subject_alt_names.ts';
import type {
  CertificateSettings,
  ClientTlsSettings,
  KeyLog,
  SanMatcher,
  SanType,
  ServerTlsSettings,
  ValidationSettings,
} from '../../../net/tls/settings.ts';
import type { SecretSource, TransportSocketContext } from '../../../spi/transport_socket.ts';
import { protocolSettings } from './protocol_settings.ts';

type CommonTlsContext = envoy.extensions.transport_sockets.tls.v3.CommonTlsContext;
type DownstreamTlsContext = envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext;
type UpstreamTlsContext = envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext;
type TlsCertificate = envoy.extensions.transport_sockets.tls.v3.TlsCertificate;
type ValidationContext = envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext;
type DataSource = envoy.config.core.v3.DataSource;

/** BoringSSL's: two hours. */
const defaultSessionTimeout = 7200;
const ticketKeySize = 48;

const sanTypes: Readonly<Record<number, readonly SanType[]>> = {
  1: ['EMAIL'],
  2: ['DNS'],
  3: ['URI'],
  4: ['IP_ADDRESS'],
  5: ['OTHER_NAME'],
};
const allTypes: readonly SanType[] = ['DNS', 'URI', 'EMAIL', 'IP_ADDRESS'];

/** Every secret of a context. */
export function allRefs(common: CommonTlsContext | undefined, tickets?: SecretRef): SecretRef[] {
  const refs = [...certificateRefs(common), ...validationRefs(common)];
  return tickets === undefined ? refs : [...refs, tickets];
}

/** Undefined while a secret has not come. Throws when the secrets ask for something together that cannot be. */
export function serverSettings(
  context: DownstreamTlsContext,
  { secrets, files }: Pick<TransportSocketContext, 'secrets' | 'files'>,
): ServerTlsSettings | undefined {
  const common = context.commonTlsContext;
  const tickets = ticketKeysRef(context);
  if (allRefs(common, tickets).some(({ key }) => secrets.get(key) === undefined)) return undefined;
  const certificates = certificatesOf(common, secrets);
  const validation = validationOf(common, secrets);
  const identity = createHash('sha256');
  for (const { chain } of certificates) identity.update(chain);
  identity.update(JSON.stringify([validation, common?.alpnProtocols, context.requireClientCertificate]));
  const sessionIdContext = identity.digest('base64url').slice(0, 32);
  return {
    protocol: protocolSettings(common?.tlsParams, true),
    certificates,
    validation,
    requireClientCertificate: context.requireClientCertificate ?? false,
    alpn: common?.alpnProtocols.flatMap((list) => list.split(',')) ?? [],
    // A session knows the certificate of its client, but not the chain that is to be counted.
    ticketKeys:
      tickets === undefined || validation?.maxVerifyDepth !== undefined
        ? []
        : ticketKeysOf(tickets, secrets, sessionIdContext),
    sessionTimeout: Math.floor((durationMs(context.sessionTimeout) ?? defaultSessionTimeout * 1000) / 1000),
    sessionIdContext,
    preferClientCiphers: context.preferClientCiphers,
    fullScanOnSniMismatch: context.fullScanCertsOnSniMismatch ?? false,
    ocspPolicy: context.ocspStaplePolicy,
    keyLog: keyLogOf(common, files),
  };
}

/** Undefined while a secret has not come. Throws when the secrets ask for something together that cannot be. */
export function clientSettings(
  context: UpstreamTlsContext,
  { secrets, files }: Pick<TransportSocketContext, 'secrets' | 'files'>,
): ClientTlsSettings | undefined {
  const common = context.commonTlsContext;
  if (allRefs(common).some(({ key }) => secrets.get(key) === undefined)) return undefined;
  const [certificate] = certificatesOf(common, secrets);
  return {
    protocol: protocolSettings(common?.tlsParams, false),
    certificate,
    validation: validationOf(common, secrets),
    alpn: common?.alpnProtocols.flatMap((list) => list.split(',')) ?? [],
    serverName: context.sni,
    autoHostSni: context.autoHostSni,
    autoSanValidation: context.autoSniSanValidation,
    maxSessionKeys: context.maxSessionKeys ?? 1,
    allowRenegotiation: context.allowRenegotiation,
    keyLog: keyLogOf(common, files),
  };
}

function keyLogOf(common: CommonTlsContext | undefined, files: TransportSocketContext['files']): KeyLog | undefined {
  const message = common?.keyLog;
  if (message === undefined) return undefined;
  const file = files.open(message.path);
  const local = new CidrRanges(message.localAddressRange);
  const remote = new CidrRanges(message.remoteAddressRange);
  return {
    wants: (localIp, remoteIp) =>
      (message.localAddressRange.length === 0 || local.includes(localIp)) &&
      (message.remoteAddressRange.length === 0 || remote.includes(remoteIp)),
    write: (line) => file.write(line),
  };
}

function certificatesOf(common: CommonTlsContext | undefined, secrets: SecretSource): CertificateSettings[] {
  return certificateRefs(common).map(({ key }) => {
    const content = secrets.get(key)!.type;
    const { certificateChain, privateKey, password, ocspStaple } = content.value as TlsCertificate;
    return {
      chain: textOf(certificateChain) ?? '',
      key: textOf(privateKey) ?? '',
      passphrase: textOf(password),
      ocspStaple: bytesOf(ocspStaple),
    };
  });
}

/** With two of them (combined_validation_context) the discovered one goes before the default, list by list joined, as protobuf merges. */
function validationOf(common: CommonTlsContext | undefined, secrets: SecretSource): ValidationSettings | undefined {
  const contexts = validationRefs(common).map(({ key }) => secrets.get(key)!.type.value as ValidationContext);
  if (contexts.length === 0) return undefined;
  const last = <T>(read: (context: ValidationContext) => T | undefined): T | undefined =>
    contexts.map(read).findLast((value) => value !== undefined);
  const hashes = contexts.flatMap(({ verifyCertificateHash }) => verifyCertificateHash);
  const trustedCa = last((context) => textOf(context.trustedCa));
  // Each of two is in order by itself; together they may still ask for names that nobody has signed.
  if (trustedCa === undefined && contexts.some((context) => sanMatchers(context).length > 0))
    throw new Error(namesWithoutAuthority);
  return {
    trustedCa,
    crl: last((context) => textOf(context.crl)),
    onlyVerifyLeafCrl: contexts.some(({ onlyVerifyLeafCertCrl }) => onlyVerifyLeafCertCrl),
    subjectAltNames: contexts.flatMap(sanMatchers),
    spki: contexts.flatMap(({ verifyCertificateSpki }) => verifyCertificateSpki),
    hashes: hashes.map((hash) => hash.replaceAll(':', '').toLowerCase()),
    maxVerifyDepth: last(({ maxVerifyDepth }) => maxVerifyDepth),
    allowExpired: contexts.some(({ allowExpiredCertificate }) => allowExpiredCertificate),
    suppressAuthorityNames: contexts.some(({ suppressClientCaList }) => suppressClientCaList),
    acceptUntrusted: contexts.some(({ trustChainVerification }) => trustChainVerification === 1),
  };
}

function sanMatchers(context: ValidationContext): SanMatcher[] {
  const typed = context.matchTypedSubjectAltNames.flatMap(({ sanType, matcher, oid }) =>
    (sanTypes[sanType] ?? []).map((type) => ({ ...sanMatcher(type, matcher!), oid })),
  );
  const untyped = context.matchSubjectAltNames.flatMap((matcher) => allTypes.map((type) => sanMatcher(type, matcher)));
  return [...typed, ...untyped];
}

/** An exact DNS name is found under a certificate's wildcard too, as in Envoy. */
function sanMatcher(type: SanType, message: envoy.type.matcher.v3.StringMatcher): SanMatcher {
  const { matchPattern } = message;
  if (type === 'DNS' && matchPattern.case === 'exact') {
    return { type, matches: (name) => dnsNameMatches(matchPattern.value, name) };
  }
  const matcher = compileStringMatcher(message);
  return { type, matches: (name) => matcher.matches(name) };
}

/** OpenSSL takes 48 bytes; contexts that should not open each other's tickets get different ones. */
function ticketKeysOf({ key }: SecretRef, secrets: SecretSource, identity: string): Buffer[] {
  const { keys } = secrets.get(key)!.type.value as envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys;
  return keys.map((source) =>
    Buffer.from(hkdfSync('sha256', bytesOf(source)!, identity, 'session ticket', ticketKeySize)),
  );
}

function bytesOf(source: DataSource | undefined): Buffer | undefined {
  return source?.specifier.case === 'inlineBytes' ? Buffer.from(source.specifier.value) : undefined;
}

function textOf(source: DataSource | undefined): string | undefined {
  return bytesOf(source)?.toString('utf8');
}
