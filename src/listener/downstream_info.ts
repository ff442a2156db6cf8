/** Step 1 of the data path: what is known of a client's connection before a byte of it is read. */
import { isPipe } from '../common/address.ts';
import type { Address, ConnectionInfo, Metadata, StreamInfo, TlsInfo } from '../common/stream_info.ts';
import type { Connection } from '../net/connection.ts';

export class DownstreamInfo implements ConnectionInfo {
  readonly id: number;
  localAddress: Address;
  readonly directLocalAddress: Address;
  readonly directRemoteAddress: Address;
  remoteAddress: Address;
  private inspectedServerName = '';
  private failure = '';
  requestedApplicationProtocols: readonly string[] = [];
  detectedTransportProtocol = '';
  ja3Hash = '';
  ja4Hash = '';
  terminationDetails = '';
  listenerName = '';
  filterChainName = '';
  listenerMetadata: Metadata | undefined;
  filterChainMetadata: Metadata | undefined;
  dynamicMetadata: Map<string, Record<string, unknown>> | undefined;
  filterState: Map<string, unknown> | undefined;
  stream: StreamInfo | undefined;
  private readonly connection: Connection;

  /**
   * `bound` is where it was accepted. Asking a socket for its own address is a system call, needed only behind a wildcard.
   * Clients of a UNIX socket have no address: Envoy shows the listener's for both ends.
   */
  constructor(connection: Connection, bound: Address) {
    this.id = connection.id;
    this.connection = connection;
    const anywhere = bound.ip === '0.0.0.0' || bound.ip === '::';
    this.directLocalAddress = anywhere ? connection.localAddress : bound;
    this.localAddress = this.directLocalAddress;
    this.directRemoteAddress = isPipe(bound) ? bound : connection.remoteAddress;
    this.remoteAddress = this.directRemoteAddress;
  }

  get tls(): TlsInfo | undefined {
    return this.connection.tls;
  }

  get detectedCloseType(): 'Normal' | 'LocalReset' | 'RemoteReset' {
    return this.connection.closeType;
  }

  get localCloseReason(): string {
    const { closeTimedOut, closeReason } = this.connection;
    return closeTimedOut ? 'triggered_delayed_close_timeout' : closeReason;
  }

  get transportFailureReason(): string {
    return this.failure || this.connection.transportFailureReason;
  }

  set transportFailureReason(reason: string) {
    this.failure = reason;
  }

  /** As a listener filter has read it, or else as the TLS engine has. */
  get requestedServerName(): string {
    return this.inspectedServerName || (this.connection.tls?.serverName ?? '');
  }

  set requestedServerName(name: string) {
    this.inspectedServerName = name;
  }
}
