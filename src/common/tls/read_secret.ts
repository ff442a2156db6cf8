/** Reads and checks secrets: from what configuration says to the bytes workers get, every error at once (main thread). */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { create } from '@bufbuild/protobuf';
import type { envoy } from '../../api/envoy_types.ts';
import { messageType } from '../../api/registry.ts';
import { type DataSource, readDataSource, sourceName } from './data_source.ts';
import { ocspExpiry } from './ocsp_response.ts';
import { type Pkcs12Content, readPkcs12 } from './pkcs12.ts';
import { RevocationLists } from './revocation_list.ts';

type TlsCertificate = envoy.extensions.transport_sockets.tls.v3.TlsCertificate;
type ValidationContext = envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext;
type GenericSecret = envoy.extensions.transport_sockets.tls.v3.GenericSecret;
type TicketKeys = envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys;
type SecretContent = envoy.extensions.transport_sockets.tls.v3.Secret['type'];

/** Where what is wrong is told; `path` is relative to the secret. */
export interface SecretErrors {
  error(path: string, reason: string): void;
  warn(path: string, reason: string): void;
}

/** BoringSSL's: name, HMAC key and AES key of a session ticket. */
const ticketKeySize = 80;
/** Where distributions keep the authorities they trust. */
const systemRootFiles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/cacert.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** The secret with all its bytes in it; undefined when an error was told. */
export function readSecret(content: SecretContent, errors: SecretErrors): SecretContent | undefined {
  switch (content.case) {
    case 'tlsCertificate':
      return wrap('tlsCertificate', readCertificate(content.value, errors));
    case 'validationContext':
      return wrap('validationContext', readValidation(content.value, errors));
    case 'sessionTicketKeys':
      return wrap('sessionTicketKeys', readTicketKeys(content.value, errors));
    case 'genericSecret':
      return wrap('genericSecret', readGeneric(content.value, errors));
    default:
      errors.error('', `a secret of the kind '${content.case ?? 'none'}' is of no use here`);
      return undefined;
  }
}

function wrap<C extends string, V>(kind: C, value: V | undefined): { case: C; value: V } | undefined {
  return value === undefined ? undefined : { case: kind, value };
}

function readCertificate(certificate: TlsCertificate, errors: SecretErrors): TlsCertificate | undefined {
  if (certificate.pkcs12 !== undefined) return readBundle(certificate, certificate.pkcs12, errors);
  const { certificateChain, privateKey, password, ocspStaple } = certificate;
  const chain = read(certificateChain, 'certificate_chain', errors);
  const key = read(privateKey, 'private_key', errors);
  const passphrase = password === undefined ? undefined : read(password, 'password', errors);
  const staple = ocspStaple === undefined ? undefined : read(ocspStaple, 'ocsp_staple', errors);
  if (certificateChain === undefined || privateKey === undefined) {
    const what = certificateChain === undefined ? 'certificate chain' : 'private key';
    const name = sourceName(certificateChain ?? privateKey);
    errors.error(
      '',
      `Failed to load incomplete ${what === 'private key' ? 'private key' : 'certificate'} from path: ${name}: ${what} not set`,
    );
  }
  if (chain === undefined || key === undefined) return undefined;
  if (password !== undefined && passphrase === undefined) return undefined;
  if (ocspStaple !== undefined && staple === undefined) return undefined;
  if (staple !== undefined && !checkStaple(staple, errors)) return undefined;
  if (!checkPair(certificate, chain, key, passphrase, errors)) return undefined;
  return {
    ...certificate,
    certificateChain: inline(chain),
    privateKey: inline(key),
    password: passphrase === undefined ? undefined : inline(passphrase),
    ocspStaple: staple === undefined ? undefined : inline(staple),
    watchedDirectory: undefined,
  };
}

/** What is in the PKCS #12 file becomes a chain and a key like any other. */
function readBundle(certificate: TlsCertificate, pkcs12: DataSource, errors: SecretErrors): TlsCertificate | undefined {
  const { certificateChain, privateKey, password } = certificate;
  if (certificateChain !== undefined || privateKey !== undefined) {
    const other = certificateChain !== undefined ? 'certificate_chain' : 'private_key';
    errors.error('', `Certificate configuration can't have both pkcs12 and ${other}`);
    return undefined;
  }
  const file = read(pkcs12, 'pkcs12', errors);
  const passphrase = password === undefined ? Buffer.alloc(0) : read(password, 'password', errors);
  if (file === undefined || passphrase === undefined) return undefined;
  let content: Pkcs12Content;
  try {
    content = readPkcs12(file, passphrase.toString());
  } catch (error) {
    errors.error('pkcs12', `Failed to load pkcs12 from ${sourceName(pkcs12)}: ${(error as Error).message}`);
    return undefined;
  }
  return readCertificate(
    {
      ...certificate,
      pkcs12: undefined,
      password: undefined,
      certificateChain: inline(content.certificateChain),
      privateKey: inline(content.privateKey),
    },
    errors,
  );
}

function checkStaple(staple: Buffer, errors: SecretErrors): boolean {
  try {
    if (ocspExpiry(staple) < Date.now()) errors.warn('ocsp_staple', 'the OCSP response has expired');
    return true;
  } catch (error) {
    errors.error('ocsp_staple', `no OCSP response in DER: ${(error as Error).message}`);
    return false;
  }
}

function checkPair(
  { certificateChain, privateKey }: TlsCertificate,
  chain: Buffer,
  key: Buffer,
  passphrase: Buffer | undefined,
  errors: SecretErrors,
): boolean {
  const certificates = parseCertificates(chain);
  if (certificates === undefined || certificates.length === 0) {
    errors.error('certificate_chain', `Failed to load certificate chain from ${sourceName(certificateChain)}`);
    return false;
  }
  let keyObject: KeyObject;
  try {
    keyObject = createPrivateKey({ key, passphrase: passphrase?.toString() });
  } catch (error) {
    const cause = (error as { reason?: string }).reason ?? (error as Error).message;
    errors.error('private_key', `Failed to load private key from ${sourceName(privateKey)}, Cause: ${cause}`);
    return false;
  }
  if (!certificates[0].checkPrivateKey(keyObject)) {
    errors.error(
      'private_key',
      `Failed to load private key from ${sourceName(privateKey)}, Cause: KEY_VALUES_MISMATCH: it is not the key of ${sourceName(certificateChain)}`,
    );
    return false;
  }
  const problem = keyProblem(certificates[0], sourceName(certificateChain));
  if (problem !== undefined) errors.error('certificate_chain', problem);
  warnOfExpiry(certificates[0], 'certificate_chain', sourceName(certificateChain), errors);
  return problem === undefined;
}

/** The keys BoringSSL takes, as Envoy says it. */
function keyProblem({ publicKey }: X509Certificate, name: string): string | undefined {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = publicKey;
  if (type === 'rsa' && (details?.modulusLength ?? 0) < 2048) {
    return `Failed to load certificate chain from ${name}, only RSA certificates with 2048-bit or larger keys are supported`;
  }
  if (type === 'ec' && !['prime256v1', 'secp384r1', 'secp521r1'].includes(details?.namedCurve ?? '')) {
    return `Failed to load certificate chain from ${name}, only P-256, P-384 or P-521 ECDSA certificates are supported`;
  }
  if (type !== 'rsa' && type !== 'ec') {
    return `Failed to load certificate chain from ${name}, only RSA and ECDSA certificates are supported`;
  }
  return undefined;
}

function warnOfExpiry(certificate: X509Certificate, path: string, name: string, errors: SecretErrors): void {
  if (Date.parse(certificate.validTo) < Date.now())
    errors.warn(path, `the certificate in ${name} expired on ${certificate.validTo}`);
  else if (Date.parse(certificate.validFrom) > Date.now())
    errors.warn(path, `the certificate in ${name} is not valid before ${certificate.validFrom}`);
}

function readValidation(context: ValidationContext, errors: SecretErrors): ValidationContext | undefined {
  const { trustedCa, crl, systemRootCerts } = context;
  let ca = trustedCa === undefined ? undefined : read(trustedCa, 'trusted_ca', errors);
  if (trustedCa !== undefined && ca === undefined) return undefined;
  if (ca !== undefined && (parseCertificates(ca)?.length ?? 0) === 0) {
    errors.error('trusted_ca', `Failed to load trusted CA certificates from ${sourceName(trustedCa)}`);
    return undefined;
  }
  if (systemRootCerts !== undefined) {
    const file = systemRootFiles.find((path) => existsSync(path));
    if (file === undefined) {
      errors.error(
        'system_root_certs',
        `this system keeps no list of authorities where one is looked for: ${systemRootFiles.join(', ')}`,
      );
      return undefined;
    }
    const roots = readFileSync(file);
    ca = ca === undefined ? roots : Buffer.concat([ca, Buffer.from('\n'), roots]);
  }
  const list = crl === undefined ? undefined : read(crl, 'crl', errors);
  if (crl !== undefined && list === undefined) return undefined;
  if (list !== undefined && !/-----BEGIN X509 CRL-----[\s\S]+-----END X509 CRL-----/.test(list.toString('latin1'))) {
    errors.error('crl', `Failed to load CRL from ${sourceName(crl)}`);
    return undefined;
  }
  try {
    if (list !== undefined) new RevocationLists(list.toString('latin1'));
  } catch (error) {
    errors.error('crl', `Failed to load CRL from ${sourceName(crl)}: ${(error as Error).message}`);
    return undefined;
  }
  return {
    ...context,
    trustedCa: ca === undefined ? undefined : inline(ca),
    crl: list === undefined ? undefined : inline(list),
    systemRootCerts: undefined,
    watchedDirectory: undefined,
  };
}

function readTicketKeys({ keys, ...rest }: TicketKeys, errors: SecretErrors): TicketKeys | undefined {
  const read = keys.map((source, i) => {
    const data = readDataSource(source);
    if ('error' in data) errors.error(`keys[${i}]`, data.error);
    else if (data.bytes.length !== ticketKeySize) {
      const { length } = data.bytes;
      errors.error(
        `keys[${i}]`,
        `Incorrect TLS session ticket key length. Length ${length}, expected length ${ticketKeySize}.`,
      );
    } else return inline(data.bytes);
    return undefined;
  });
  return read.includes(undefined) ? undefined : { ...rest, keys: read as DataSource[] };
}

/** What filters read (passwords, tokens): any bytes will do, as long as they can be had. */
function readGeneric(generic: GenericSecret, errors: SecretErrors): GenericSecret | undefined {
  const bytes = read(generic.secret, 'secret', errors);
  const secrets = Object.entries(generic.secrets).map(
    ([key, source]) => [key, read(source, `secrets["${key}"]`, errors)] as const,
  );
  if (generic.secret !== undefined && bytes === undefined) return undefined;
  if (secrets.some(([, each]) => each === undefined)) return undefined;
  return {
    ...generic,
    ...(bytes === undefined ? {} : { secret: inline(bytes) }),
    secrets: Object.fromEntries(secrets.map(([key, each]) => [key, inline(each!)])),
  };
}

function read(source: DataSource | undefined, path: string, errors: SecretErrors): Buffer | undefined {
  if (source === undefined) return undefined;
  const data = readDataSource(source);
  if ('error' in data) {
    errors.error(path, data.error);
    return undefined;
  }
  return data.bytes;
}

/** All certificates in PEM; undefined when one is broken. */
export function parseCertificates(pem: Buffer): X509Certificate[] | undefined {
  const blocks = pem
    .toString('latin1')
    .match(/-----BEGIN ((?:TRUSTED |X509 )?CERTIFICATE)-----[\s\S]*?-----END \1-----/g);
  try {
    return (blocks ?? []).map((block) => new X509Certificate(block));
  } catch {
    return undefined;
  }
}

function inline(bytes: Buffer): DataSource {
  const source = create(messageType('envoy.config.core.v3.DataSource')) as unknown as DataSource;
  source.specifier = { case: 'inlineBytes', value: new Uint8Array(bytes) };
  return source;
}
