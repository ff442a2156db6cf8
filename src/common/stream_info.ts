/** What is known about one stream or connection: filled along the path, read by access logs, formatters and filters. */
import type { Protocol } from '../../native-free/headers/header_map.ts';
import { orderedFlags } from './response_flags.ts';
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
  /** Where the client wanted to go, as PROXY protocol gave it; else where the socket is. */
  localAddress: Address;
  /** Where the socket is; absent: `localAddress`. */
  readonly directLocalAddress?: Address;
  /** The peer of the socket. */
  readonly directRemoteAddress: Address;
  /** The peer as PROXY protocol or original destination gave it; else the direct one. */
  remoteAddress: Address;
  /** The server name of the TLS handshake, lower case; empty when unknown. */
  requestedServerName: string;
  /** Protocols the client offers (ALPN), or the one it speaks as far as its first bytes tell. */
  requestedApplicationProtocols?: readonly string[];
  /** `tls` where a listener filter has seen so; else empty until the filter chain is chosen, then `raw_buffer`. */
  detectedTransportProtocol?: string;
  /** Fingerprints of the TLS client, in hex; empty when none were asked for. */
  ja3Hash?: string;
  ja4Hash?: string;
  /** What filters found out about the connection; made on first use. Streams see the filter state below their own. */
  dynamicMetadata?: Map<string, Record<string, unknown>> | undefined;
  filterState?: Map<string, unknown> | undefined;
  terminationDetails: string;
  transportFailureReason: string;
  /** The name of the listener that accepted it, and of the filter chain it was given to. */
  readonly listenerName?: string;
  filterChainName?: string;
  listenerMetadata?: Metadata | undefined;
  filterChainMetadata?: Metadata | undefined;
  /** How it ended, or that it has not: Envoy's words. */
  readonly detectedCloseType?: 'Normal' | 'LocalReset' | 'RemoteReset';
  /** Why we ended it; empty when we did not, or for no reason that Envoy names. */
  readonly localCloseReason?: string;
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
  /** The protocol that both agreed on; empty when none was. */
  alpn?: string;
  /** The server name the client asked for; empty when it did not. */
  serverName?: string;
  peerEmailSans?: readonly string[];
  peerIpSans?: readonly string[];
  localDnsSans?: readonly string[];
  localEmailSans?: readonly string[];
  localIpSans?: readonly string[];
  /** SHA-1 of the peer's certificate, in hex. */
  peerFingerprint1?: string;
  /** The certificates the peer sent, its own first, each URL-encoded PEM; for headers. */
  peerPem?: string;
  peerChainPem?: string;
  /** Milliseconds since 1970; NaN when unknown. */
  peerValidFrom?: number;
  peerValidTo?: number;
  /** The certificates the peer sent, its own first. */
  peerChain?: readonly ChainCertificate[];
  /** Who signed the peer's certificate: as it sent, else of the authorities that are trusted. */
  peerIssuerCertificate?: ChainCertificate | undefined;
  peerOtherNameSans?: readonly string[];
  localOtherNameSans?: readonly string[];
  /** The key exchange's group, by the name TLS gives it; told only where a log asks for it. */
  group?: string;
  /** When the handshake was done: monotonic milliseconds. */
  handshakeEnd?: number;
}

/** A certificate as logs name it, in hex. */
export interface ChainCertificate {
  readonly serial: string;
  readonly fingerprint1: string;
  readonly fingerprint256: string;
}

/** When a connection to a host began to connect and when it was connected, below TLS: monotonic milliseconds, 0 while not reached. */
export interface ConnectTimes {
  readonly connectStart: number;
  readonly connectEnd: number;
}

/** The upstream host a request went to. */
export interface HostDescription {
  /** `ip:port`. */
  readonly address: string;
  /** The name it was configured or resolved by; may be empty. */
  readonly hostname: string;
  readonly clusterName: string;
  readonly metadata?: Metadata | undefined;
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
  firstUpstreamBodyReceived = 0;
  lastUpstreamByteReceived = 0;
  firstDownstreamByteSent = 0;
  lastDownstreamByteSent = 0;

  streamId = 0;
  protocol: Protocol | undefined;
  responseCode = 0;
  responseCodeDetails = '';
  responseFlags = 0;
  /** The same by the time they were set; see `orderedFlags`. */
  responseFlagOrder = 0;
  /** Body bytes. */
  bytesReceived = 0;
  bytesSent = 0;
  /** Only where a log asks for bytes on the wire; the upstream's are those of the last try. */
  downstreamBytes: WireBytes | undefined;
  upstreamBytes: WireBytes | undefined;
  /** The trusted client: from X-Forwarded-For when the manager trusts it, else the connection's peer. */
  remoteAddress: Address | undefined;

  /** How often a route was looked for; the microseconds of the last time only where a log asks for them. */
  routeResolutions = 0;
  routeResolutionMicros: number | undefined;
  routeName = '';
  virtualClusterName = '';
  routeMetadata: Metadata | undefined;
  virtualHostMetadata: Metadata | undefined;
  upstreamCluster = '';
  upstreamClusterMetadata: Metadata | undefined;
  upstreamHost: HostDescription | undefined;
  upstreamLocalAddress: Address | undefined;
  /** Of the connection to the host; undefined on plain ones. */
  upstreamTls: TlsInfo | undefined;
  upstreamConnectTimes: ConnectTimes | undefined;
  upstreamProtocol: Protocol | undefined;
  upstreamTransportFailureReason = '';
  upstreamConnectionId = 0;
  upstreamRequestAttemptCount = 0;
  /** Whole milliseconds until the last try had a connection, or none; undefined where no host was asked. */
  poolReadyDuration: number | undefined;
  /** How the connection to the host ended, where it is the stream's own; a pool's outlives it. */
  upstreamCloseType: 'Normal' | 'LocalReset' | 'RemoteReset' = 'Normal';
  upstreamLocalCloseReason = '';
  /** Hosts tried so far, where Envoy tells of all of them (TCP); for requests that is the last one. */
  attemptedHosts: HostDescription[] | undefined;
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
    if (this.hasFlag(flag)) return;
    this.responseFlags |= 1 << flag;
    this.responseFlagOrder = orderedFlags(this.responseFlagOrder, flag);
  }

  /** An object that a filter left on this stream or on its connection. */
  filterStateOf(key: string): unknown {
    return this.filterState?.get(key) ?? this.connection?.filterState?.get(key);
  }

  hasFlag(flag: number): boolean {
    return (this.responseFlags & (1 << flag)) !== 0;
  }
}
