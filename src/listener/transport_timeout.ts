/** Step 3 of the data path: a filter chain's transport_socket_connect_timeout, over a TLS handshake of a client. */
import { LISTENER } from '../common/stats/layouts.ts';
import type { ConnectionInfo } from '../common/stream_info.ts';
import { Timer } from '../common/timers.ts';
import type { Connection } from '../net/connection.ts';
import type { FilterChain } from './filter_chain.ts';

/** Made only for chains that have the limit. */
export class TransportTimeout {
  private readonly connection: Connection;
  private readonly info: ConnectionInfo;
  private readonly stats: Float64Array;
  private readonly timer = new Timer(this, 0);

  constructor(connection: Connection, info: ConnectionInfo, chain: FilterChain, stats: Float64Array) {
    this.connection = connection;
    this.info = info;
    this.stats = stats;
    this.timer.start(chain.transportConnectTimeout);
  }

  stop(): void {
    this.timer.stop();
  }

  onTimer(): void {
    const { connection, info } = this;
    if (connection.tls !== undefined || connection.isClosing) return;
    this.stats[LISTENER.slot.downstream_cx_transport_socket_connect_timeout]++;
    info.terminationDetails = 'transport socket timeout was reached';
    connection.closeNow();
  }
}
