/** Envoy's operators that nothing here can answer: a format with one is refused by name instead of printing a wrong value. */

export const unsupportedOperators: ReadonlySet<string> = new Set(
  (
    'CEL DOWNSTREAM_CX_RTT DOWNSTREAM_HANDSHAKE_DURATION DOWNSTREAM_LOCAL_OTHERNAME_SAN ' +
    'DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1 DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256 DOWNSTREAM_PEER_CHAIN_SERIALS ' +
    'DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256 DOWNSTREAM_PEER_ISSUER_SERIAL DOWNSTREAM_PEER_OTHERNAME_SAN ' +
    'DOWNSTREAM_TLS_GROUP UPSTREAM_TLS_GROUP'
  ).split(' '),
);
