/** Operators over the downstream TLS session; missing on plain connections (access logs, header values). */
import type { TlsInfo } from '../stream_info.ts';
import { toWire } from '../wire_string.ts';
import { type OperatorSpec, type OperatorTable, stringField } from './operator.ts';

const tls = (read: (info: TlsInfo) => string): OperatorSpec =>
  stringField(({ info }) => {
    const session = info.connection?.tls;
    return session === undefined ? undefined : toWire(read(session));
  });

export const tlsOperators: OperatorTable = {
  DOWNSTREAM_TLS_VERSION: tls((info) => info.version),
  DOWNSTREAM_TLS_CIPHER: tls((info) => info.cipher),
  DOWNSTREAM_TLS_SESSION_ID: tls((info) => info.sessionId),
  DOWNSTREAM_PEER_SUBJECT: tls((info) => info.peerSubject),
  DOWNSTREAM_PEER_ISSUER: tls((info) => info.peerIssuer),
  DOWNSTREAM_PEER_SERIAL: tls((info) => info.peerSerial),
  DOWNSTREAM_PEER_FINGERPRINT_256: tls((info) => info.peerFingerprint256),
  DOWNSTREAM_PEER_URI_SAN: tls((info) => info.peerUriSans.join(',')),
  DOWNSTREAM_PEER_DNS_SAN: tls((info) => info.peerDnsSans.join(',')),
  DOWNSTREAM_LOCAL_SUBJECT: tls((info) => info.localSubject),
  DOWNSTREAM_LOCAL_URI_SAN: tls((info) => info.localUriSans.join(',')),
};
