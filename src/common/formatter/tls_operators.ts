/** Operators over the TLS sessions with the client and the host; missing on plain connections (access logs, header values). */
import type { FormatContext } from '../../spi/format.ts';
import type { ChainCertificate, TlsInfo } from '../stream_info.ts';
import { tlsGroups } from '../tls/tls_groups.ts';
import { toWire } from '../wire_string.ts';
import { numberField, type OperatorSpec, type OperatorTable, Syntax, stringField, stringOperator } from './operator.ts';
import { compileTimeFormat, TIME_FORMAT_NEWLINE } from './strftime.ts';

type ReadSession = (context: FormatContext) => TlsInfo | undefined;

const downstream: ReadSession = ({ info }) => info.connection?.tls;
const upstream: ReadSession = ({ info }) => info.upstreamTls;

const validityFormat = '%Y-%m-%dT%H:%M:%E3SZ';

function tls(session: ReadSession, read: (info: TlsInfo) => string | undefined): OperatorSpec {
  return stringField((context) => {
    const found = session(context);
    return found === undefined ? undefined : toWire(read(found) ?? '');
  });
}

const list = (names: readonly string[] | undefined): string => names?.join(',') ?? '';

function time(session: ReadSession, read: (info: TlsInfo) => number | undefined): OperatorSpec {
  return {
    syntax: Syntax.paramsOptional,
    create: (params) => {
      if (TIME_FORMAT_NEWLINE.test(params)) return 'Invalid header configuration. Format string contains newline.';
      const format = compileTimeFormat(params || validityFormat, false);
      return stringOperator((context) => {
        const found = session(context);
        const at = found === undefined ? undefined : read(found);
        return at === undefined || Number.isNaN(at) ? undefined : format(at);
      });
    },
  };
}

/** A handshake reads it from the session, which costs, so it is told that somebody asks. */
function group(session: ReadSession): OperatorSpec {
  const { syntax, create } = tls(session, (info) => info.group);
  return {
    syntax,
    create: (params, maxLength) => {
      tlsGroups.asked = true;
      return create(params, maxLength);
    },
  };
}

/** Of every certificate the client sent. */
function chain(read: (certificate: ChainCertificate) => string): OperatorSpec {
  return tls(downstream, (info) => list(info.peerChain?.map(read)));
}

/** Since the stream began: of a request that came later it is before that, and below 0, as in Envoy. */
const handshakeDuration = numberField(({ info }) => {
  const end = info.connection?.tls?.handshakeEnd;
  return end === undefined ? undefined : Math.trunc(end - info.startMonotonic) + 0;
});

/** What is known of either side's peer and of the session. */
function bothSides(prefix: string, session: ReadSession): OperatorTable {
  return {
    [`${prefix}_TLS_VERSION`]: tls(session, (info) => info.version),
    [`${prefix}_TLS_CIPHER`]: tls(session, (info) => info.cipher),
    [`${prefix}_TLS_GROUP`]: group(session),
    [`${prefix}_TLS_SESSION_ID`]: tls(session, (info) => info.sessionId),
    [`${prefix}_PEER_SUBJECT`]: tls(session, (info) => info.peerSubject),
    [`${prefix}_PEER_ISSUER`]: tls(session, (info) => info.peerIssuer),
    [`${prefix}_PEER_URI_SAN`]: tls(session, (info) => list(info.peerUriSans)),
    [`${prefix}_PEER_DNS_SAN`]: tls(session, (info) => list(info.peerDnsSans)),
    [`${prefix}_PEER_IP_SAN`]: tls(session, (info) => list(info.peerIpSans)),
    [`${prefix}_PEER_CERT`]: tls(session, (info) => info.peerPem),
    [`${prefix}_PEER_CERT_V_START`]: time(session, (info) => info.peerValidFrom),
    [`${prefix}_PEER_CERT_V_END`]: time(session, (info) => info.peerValidTo),
    [`${prefix}_LOCAL_URI_SAN`]: tls(session, (info) => list(info.localUriSans)),
    [`${prefix}_LOCAL_DNS_SAN`]: tls(session, (info) => list(info.localDnsSans)),
    [`${prefix}_LOCAL_IP_SAN`]: tls(session, (info) => list(info.localIpSans)),
  };
}

export const tlsOperators: OperatorTable = {
  ...bothSides('DOWNSTREAM', downstream),
  ...bothSides('UPSTREAM', upstream),
  DOWNSTREAM_PEER_SERIAL: tls(downstream, (info) => info.peerSerial),
  DOWNSTREAM_PEER_FINGERPRINT_256: tls(downstream, (info) => info.peerFingerprint256),
  DOWNSTREAM_PEER_FINGERPRINT_1: tls(downstream, (info) => info.peerFingerprint1),
  DOWNSTREAM_PEER_CHAIN_SERIALS: chain((certificate) => certificate.serial),
  DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256: chain((certificate) => certificate.fingerprint256),
  DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1: chain((certificate) => certificate.fingerprint1),
  DOWNSTREAM_PEER_ISSUER_SERIAL: tls(downstream, (info) => info.peerIssuerCertificate?.serial),
  DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256: tls(downstream, (info) => info.peerIssuerCertificate?.fingerprint256),
  DOWNSTREAM_PEER_OTHERNAME_SAN: tls(downstream, (info) => list(info.peerOtherNameSans)),
  DOWNSTREAM_PEER_EMAIL_SAN: tls(downstream, (info) => list(info.peerEmailSans)),
  DOWNSTREAM_LOCAL_SUBJECT: tls(downstream, (info) => info.localSubject),
  DOWNSTREAM_LOCAL_EMAIL_SAN: tls(downstream, (info) => list(info.localEmailSans)),
  DOWNSTREAM_LOCAL_OTHERNAME_SAN: tls(downstream, (info) => list(info.localOtherNameSans)),
  DOWNSTREAM_HANDSHAKE_DURATION: handshakeDuration,
  UPSTREAM_SERVER_NAME: tls(upstream, (info) => info.serverName),
};
