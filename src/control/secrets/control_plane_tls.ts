/** Control path, step 3: the TLS of a control plane's cluster as the main thread speaks it (its UpstreamTlsContext, secrets read). */
import type { ConnectionOptions, PeerCertificate } from 'node:tls';
import { messagesIn } from '../../api/any_types.ts';
import type { envoy } from '../../api/envoy_types.ts';
import { compileStringMatcher } from '../../common/matchers/string_matcher.ts';
import type { DataSource } from '../../common/tls/data_source.ts';
import { certificateRefs, type SecretRef, upstreamType, validationRefs } from '../../common/tls/secret_refs.ts';
import { dnsNameMatches } from '../../common/tls/subject_alt_names.ts';

type Content = envoy.extensions.transport_sockets.tls.v3.Secret['type'];
type Validation = envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext;
type UpstreamTlsContext = envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext;
type StringMatcher = envoy.type.matcher.v3.StringMatcher;

/** Undefined: plain text. `contentOf` gives a secret with all its bytes; a certificate that is not there yet is not shown. */
export function controlPlaneTls(
  cluster: envoy.config.cluster.v3.Cluster,
  hostname: string,
  contentOf: (ref: SecretRef) => Content | undefined,
): ConnectionOptions | undefined {
  const { transportSocket } = cluster;
  if (transportSocket === undefined) return undefined;
  const context = messagesIn(transportSocket, upstreamType)[0] as UpstreamTlsContext | undefined;
  if (context === undefined) return undefined;
  const certificate = certificateRefs(context.commonTlsContext).map(contentOf)[0];
  const own = certificate?.case === 'tlsCertificate' ? certificate.value : undefined;
  const validations = validationRefs(context.commonTlsContext).flatMap((ref): Validation[] => {
    const content = contentOf(ref);
    return content?.case === 'validationContext' ? [content.value] : [];
  });
  const trusted = validations.map(({ trustedCa }) => bytesOf(trustedCa)).findLast((ca) => ca !== undefined);
  const hashes = validations.flatMap(({ verifyCertificateHash }) => verifyCertificateHash).map(plainHash);
  return {
    cert: bytesOf(own?.certificateChain),
    key: bytesOf(own?.privateKey),
    passphrase: bytesOf(own?.password)?.toString(),
    // Without authorities the chain is not looked at, as in Envoy.
    ca: trusted === undefined ? [] : [trusted],
    rejectUnauthorized: trusted !== undefined,
    allowPartialTrustChain: true,
    servername: serverName(context, hostname),
    checkServerIdentity: (_name, peer) => identityError(peer, validations.flatMap(namesOf), hashes),
  };
}

function serverName({ sni, autoHostSni }: UpstreamTlsContext, hostname: string): string {
  return autoHostSni && hostname !== '' ? hostname : sni;
}

function namesOf({ matchTypedSubjectAltNames: typed, matchSubjectAltNames: untyped }: Validation): StringMatcher[] {
  return [...typed.flatMap(({ matcher }) => matcher ?? []), ...untyped];
}

/** The name that was connected to says nothing; what is asked for is asked of the alternative names. */
function identityError(
  peer: PeerCertificate,
  matchers: readonly StringMatcher[],
  hashes: readonly string[],
): Error | undefined {
  const names = (peer.subjectaltname ?? '').split(', ').map((name) => name.slice(name.indexOf(':') + 1));
  if (matchers.length > 0 && !matchers.some((matcher) => names.some((name) => nameMatches(matcher, name)))) {
    return new Error(`the control plane's certificate is for ${names.join(', ')}`);
  }
  if (hashes.length > 0 && !hashes.includes(plainHash(peer.fingerprint256))) {
    return new Error("the control plane's certificate has another hash");
  }
  return undefined;
}

function nameMatches(matcher: StringMatcher, name: string): boolean {
  const { matchPattern: pattern } = matcher;
  return pattern.case === 'exact' ? dnsNameMatches(pattern.value, name) : compileStringMatcher(matcher).matches(name);
}

function plainHash(text: string): string {
  return text.replaceAll(':', '').toLowerCase();
}

function bytesOf(source: DataSource | undefined): Buffer | undefined {
  return source?.specifier.case === 'inlineBytes' ? Buffer.from(source.specifier.value) : undefined;
}
