/** GET /certs: the certificates in use. */
import { subjectAltNames } from '../../common/tls/subject_alt_names.ts';
import type { LoadedCertificate } from './context.ts';
import { type Endpoint, json } from './endpoint.ts';

const dayMs = 24 * 3_600_000;

export const certs: Endpoint = {
  path: '/certs',
  help: 'print certs on machine',
  handle: (context) =>
    json({
      certificates: context.certificates().map(({ authorities, chains }) => ({
        ca_cert: authorities.map(details),
        cert_chain: chains.map(details),
      })),
    }),
};

function details({ path, certificate }: LoadedCertificate): unknown {
  const { dns, uri, ip } = subjectAltNames(certificate);
  const expires = Date.parse(certificate.validTo);
  return {
    path,
    serial_number: certificate.serialNumber.toLowerCase(),
    subject_alt_names: [
      ...dns.map((name) => ({ dns: name })),
      ...uri.map((name) => ({ uri: name })),
      ...ip.map((name) => ({ ip_address: name })),
    ],
    days_until_expiration: String(Math.max(0, Math.floor((expires - Date.now()) / dayMs))),
    valid_from: timestamp(certificate.validFrom),
    expiration_time: timestamp(certificate.validTo),
  };
}

/** Whole seconds, as protobuf prints them. */
function timestamp(text: string): string {
  return new Date(text).toISOString().replace('.000Z', 'Z');
}
