/** TlsParameters as the engine takes them, with Envoy's defaults; configuration is checked by the same code (both threads). */
import type { envoy } from '../../../api/envoy_types.ts';

type TlsParameters = envoy.extensions.transport_sockets.tls.v3.TlsParameters;

const versions = ['', 'TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const;
type Version = Exclude<(typeof versions)[number], ''>;

export interface Protocol {
  readonly minVersion: Version;
  readonly maxVersion: Version;
  readonly tls13Suites: readonly string[];
  readonly cipherSuites: readonly (readonly string[])[];
  readonly curves: readonly string[];
  readonly signatureAlgorithms: readonly string[];
}

const defaultSuites = [
  ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
  ['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-CHACHA20-POLY1305'],
  ['ECDHE-ECDSA-AES256-GCM-SHA384'],
  ['ECDHE-RSA-AES256-GCM-SHA384'],
];

/** Suites BoringSSL knows, by their name in TLS 1.2's registry too. */
const ianaNames: Readonly<Record<string, string>> = {
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: 'ECDHE-ECDSA-AES128-SHA',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: 'ECDHE-RSA-AES128-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: 'ECDHE-ECDSA-AES256-SHA',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 'ECDHE-RSA-AES256-SHA',
  TLS_RSA_WITH_AES_128_GCM_SHA256: 'AES128-GCM-SHA256',
  TLS_RSA_WITH_AES_256_GCM_SHA384: 'AES256-GCM-SHA384',
  TLS_RSA_WITH_AES_128_CBC_SHA: 'AES128-SHA',
  TLS_RSA_WITH_AES_256_CBC_SHA: 'AES256-SHA',
};
const suites = new Set([...Object.values(ianaNames), 'ECDHE-RSA-AES128-SHA256']);

const allTls13Suites = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];

/** BoringSSL's names, by the ones OpenSSL has. */
const curveNames: Readonly<Record<string, string>> = {
  'P-256': 'P-256',
  'P-384': 'P-384',
  'P-521': 'P-521',
  X25519: 'X25519',
  X25519MLKEM768: 'X25519MLKEM768',
  prime256v1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
};
const defaultCurves = ['X25519', 'P-256'];

/** What BoringSSL verifies, in its order. */
const defaultAlgorithms = [
  'ecdsa_secp256r1_sha256',
  'rsa_pss_rsae_sha256',
  'rsa_pkcs1_sha256',
  'ecdsa_secp384r1_sha384',
  'rsa_pss_rsae_sha384',
  'rsa_pkcs1_sha384',
  'rsa_pss_rsae_sha512',
  'rsa_pkcs1_sha512',
  'rsa_pkcs1_sha1',
];
const algorithms = new Set([...defaultAlgorithms, 'ecdsa_secp521r1_sha512', 'ecdsa_sha1', 'ed25519']);

/** Sets that replace everything else, as BoringSSL has them; by the number of the policy. */
const policies: Readonly<Record<number, Protocol>> = {
  // FIPS_202205
  0: {
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    tls13Suites: ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384'],
    cipherSuites: [
      ['ECDHE-ECDSA-AES128-GCM-SHA256'],
      ['ECDHE-RSA-AES128-GCM-SHA256'],
      ['ECDHE-ECDSA-AES256-GCM-SHA384'],
      ['ECDHE-RSA-AES256-GCM-SHA384'],
    ],
    curves: ['P-256', 'P-384'],
    signatureAlgorithms: [
      'rsa_pkcs1_sha256',
      'rsa_pkcs1_sha384',
      'rsa_pkcs1_sha512',
      'ecdsa_secp256r1_sha256',
      'ecdsa_secp384r1_sha384',
      'rsa_pss_rsae_sha256',
      'rsa_pss_rsae_sha384',
      'rsa_pss_rsae_sha512',
    ],
  },
  // CNSA1_202603
  2: {
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    tls13Suites: ['TLS_AES_256_GCM_SHA384'],
    cipherSuites: [['ECDHE-ECDSA-AES256-GCM-SHA384'], ['ECDHE-RSA-AES256-GCM-SHA384'], ['AES256-GCM-SHA384']],
    curves: ['P-384'],
    signatureAlgorithms: ['ecdsa_secp384r1_sha384', 'rsa_pss_rsae_sha384', 'rsa_pkcs1_sha384'],
  },
};

/** `server`: clients still end at TLS 1.2 unless they are told, as Envoy's. */
export function protocolSettings(parameters: TlsParameters | undefined, server: boolean): Protocol {
  const named = parameters?.cipherSuites ?? [];
  const policy = policies[parameters?.compliancePolicies[0] ?? -1];
  if (policy !== undefined) return policy;
  return {
    minVersion: version(parameters?.tlsMinimumProtocolVersion, 'TLSv1.2'),
    maxVersion: version(parameters?.tlsMaximumProtocolVersion, server ? 'TLSv1.3' : 'TLSv1.2'),
    tls13Suites: allTls13Suites,
    cipherSuites: named.length === 0 ? defaultSuites : cipherGroups(named).map((group) => group.map(suiteName)),
    curves: orDefault(parameters?.ecdhCurves, defaultCurves).map((curve) => curveNames[curve] ?? curve),
    signatureAlgorithms: orDefault(parameters?.signatureAlgorithms, defaultAlgorithms),
  };
}

/** Tells what of the parameters the engine does not have, in Envoy's words; `path` is relative to the parameters. */
export function checkProtocol(parameters: TlsParameters, error: (path: string, reason: string) => void): void {
  const { cipherSuites, ecdhCurves, signatureAlgorithms } = parameters;
  const unknown = cipherGroups(cipherSuites)
    .flat()
    .filter((name) => !suites.has(suiteName(name)));
  if (unknown.length > 0) {
    const list = unknown.map((name) => `'${name}'`).join(', ');
    error(
      'cipher_suites',
      `Failed to initialize cipher suites ${cipherSuites.join(':')}. The following ciphers were rejected when tried individually: ${list}`,
    );
  }
  const badCurves = ecdhCurves.filter((curve) => !Object.hasOwn(curveNames, curve));
  if (badCurves.length > 0)
    error('ecdh_curves', `Failed to initialize ECDH curves ${ecdhCurves.join(':')}: unknown ${badCurves.join(', ')}`);
  const badAlgorithms = signatureAlgorithms.filter((name) => !algorithms.has(name));
  if (badAlgorithms.length > 0) {
    error(
      'signature_algorithms',
      `Failed to initialize TLS signature algorithms ${signatureAlgorithms.join(':')}: unknown ${badAlgorithms.join(', ')}`,
    );
  }
  const { tlsMinimumProtocolVersion: min, tlsMaximumProtocolVersion: max } = parameters;
  if (min !== 0 && max !== 0 && min > max) {
    error('tls_maximum_protocol_version', `${versions[max]} is below the minimum, ${versions[min]}`);
  }
}

function version(value: number | undefined, auto: Version): Version {
  const found = versions[value ?? 0];
  return found === '' || found === undefined ? auto : found;
}

function orDefault(list: readonly string[] | undefined, standard: readonly string[]): readonly string[] {
  return list === undefined || list.length === 0 ? standard : list;
}

/** `[A|B]` are equal to the server; one entry may hold several, separated by colons. */
function cipherGroups(entries: readonly string[]): string[][] {
  return entries
    .flatMap((entry) => entry.split(':'))
    .filter((entry) => entry !== '')
    .map((entry) => (entry.startsWith('[') && entry.endsWith(']') ? entry.slice(1, -1).split('|') : [entry]));
}

function suiteName(name: string): string {
  return ianaNames[name] ?? name;
}
