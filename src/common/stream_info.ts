/** What is known about one stream or connection: filled along the path, read by access logs, formatters and filters. */
import type { Protocol } from '../../native-free/headers/header_map.ts';
import type { WireBytes } from './wire_bytes.ts';

/** An IP address with port, or a UNIX socket path (`port` 0). */
export interface Address {
  readonly ip: string;
  readonly port: number;
  /** `1.2.3.4:80`, `[::1]:80` or the path. */
  readonly text: string;
}

/** The downstream connection a stream came on. */
export interface ConnectionInfo {
  readonly id: number;
  readonly localAddress: Address;
  /** The peer of the socket. */
  readonly directRemoteAddress: Address;
  /** The peer as PROXY protocol or original destination gave it; else the direct one. */
  remoteAddress: Address;
  requestedServerName: string;
  terminationDetails: string;
  transportFailureReason: string;
  /** The name of the filter chain it was given to. */
  filterChainName?: string;
  /** Present on TLS connections. */
  tls: TlsInfo | undefined;
  /** Set when the listener logs its connections: what is known of the connection as a whole. */
  stream?: StreamInfo | undefined;
}

/** Properties of a TLS session; empty strings where unknown. */
export interface TlsInfo {
  version: string;
  cipher: string;
  sessionId: string;
  peerSubject: string;
  peerIssuer: string;
  peerSerial: string;
  peerFingerprint256: string;
  peerUriSans: readonly string[];
  peerDnsSans: readonly string[];
  peerCertificatePresented?: boolean;
  /** Signed by an authority that the listener trusts. */
  peerCertificateValidated?: boolean;
  localSubject: string;
  localUriSans: readonly string[];
}

/** The upstream host a request went to. */
export interface HostDescription {
  /** `ip:port`. */
  readonly address: string;
  /** The name it was configured or resolved by; may be empty. */
  readonly hostname: string;
  readonly clusterName: string;
}

/** Metadata of configuration: struct by namespace. */
export interface Metadata {
  readonly filterMetadata: { readonly [namespace: string]: unknown };
}

/** Monotonic times are milliseconds of the worker's clock (`performance.now()` scale), 0 while not reached. */
export class StreamInfo {
  readonly connection: ConnectionInfo | undefined;
  /** Wall clock, milliseconds since 1970 with fraction. */
  readonly startTime: number;
  readonly startMonotonic: number;
  /** When the stream ended; 0 while it runs. */
  endMonotonic = 0;
  lastDownstreamByteReceived = 0;
  firstUpstreamByteSent = 0;
  lastUpstreamByteSent = 0;
  firstUpstreamByteReceived = 0;
  lastUpstreamByteReceived = 0;
  firstDownstreamByteSent = 0;
  lastDownstreamByteSent = 0;

  streamId = 0;
  protocol: Protocol | undefined;
  responseCode = 0;
  responseCodeDetails = '';
  responseFlags = 0;
  /** Body bytes. */
  bytesReceived = 0;
  bytesSent = 0;
  /** Only where a log asks for bytes on the wire; the upstream's are those of the last try. */
  downstreamBytes: WireBytes | undefined;
  upstreamBytes: WireBytes | undefined;
  /** The trusted client: from X-Forwarded-For when the manager trusts it, else the connection's peer. */
  remoteAddress: Address | undefined;

  routeName = '';
  virtualClusterName = '';
  routeMetadata: Metadata | undefined;
  virtualHostMetadata: Metadata | undefined;
  upstreamCluster = '';
  upstreamClusterMetadata: Metadata | undefined;
  upstreamHost: HostDescription | undefined;
  upstreamLocalAddress: Address | undefined;
  upstreamProtocol: Protocol | undefined;
  upstreamTransportFailureReason = '';
  upstreamConnectionId = 0;
  upstreamRequestAttemptCount = 0;
  connectionTerminationDetails = '';
  healthCheck = false;

  /** Filter namespaces → struct; made on first use. */
  dynamicMetadata: Map<string, Record<string, unknown>> | undefined;
  filterState: Map<string, unknown> | undefined;

  constructor(connection: ConnectionInfo | undefined, startTime: number, startMonotonic: number) {
    this.connection = connection;
    this.startTime = startTime;
    this.startMonotonic = startMonotonic;
  }

  setFlag(flag: number): void {
    this.responseFlags |= 1 << flag;
  }

  hasFlag(flag: number): boolean {
    return (this.responseFlags & (1 << flag)) !== 0;
  }
}
