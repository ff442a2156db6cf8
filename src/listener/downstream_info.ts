/** Step 1 of the data path: what is known of a client's connection before a byte of it is read. */
import { isPipe } from '../common/address.ts';
import type { Address, ConnectionInfo, StreamInfo } from '../common/stream_info.ts';
import type { Connection } from '../net/connection.ts';

export class DownstreamInfo implements ConnectionInfo {
  readonly id: number;
  readonly localAddress: Address;
  readonly directRemoteAddress: Address;
  remoteAddress: Address;
  requestedServerName = '';
  terminationDetails = '';
  transportFailureReason = '';
  filterChainName = '';
  tls = undefined;
  stream: StreamInfo | undefined;

  /**
   * `bound` is where it was accepted. Asking a socket for its own address is a system call, needed only behind a wildcard.
   * Clients of a UNIX socket have no address: Envoy shows the listener's for both ends.
   */
  constructor(connection: Connection, bound: Address) {
    this.id = connection.id;
    const anywhere = bound.ip === '0.0.0.0' || bound.ip === '::';
    this.localAddress = anywhere ? connection.localAddress : bound;
    this.directRemoteAddress = isPipe(bound) ? bound : connection.remoteAddress;
    this.remoteAddress = this.directRemoteAddress;
  }
}
