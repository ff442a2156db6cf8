/** The seam between a connection and TLS: who makes handshakes (src/net/tls), and one of them. */
import type { Connection } from './connection.ts';

/** Who sets up TLS on connections: one object for all connections of a filter chain or a cluster. */
export interface TlsStarter {
  /** Makes the handshake of one connection; bytes the socket reads come to the answer until it has put a TLS socket in place. */
  start(connection: Connection): TlsHandshake;
}

/** One handshake. It ends with `connection.onSecure()`, or with `connection.failTransport()`. */
export interface TlsHandshake {
  /** What the peer sent before a TLS socket was there; bytes are lent for the call. */
  onBytes(bytes: Buffer, length: number): void;
  /** The connection has closed before the handshake was done. */
  onGone(): void;
}
