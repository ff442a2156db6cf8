/** Step 9 of the data path: a connection to a host until it can be used: connected, its handshake done, its protocol known. */
import { now } from '../common/clock.ts';
import { Timer, type TimerOwner } from '../common/timers.ts';
import type { Connection } from '../net/connection.ts';
import type { ConnectionOwner } from './address_race.ts';
import type { ConnectionPool } from './connection_pool.ts';
import type { Host } from './host.ts';

export class Connecting implements ConnectionOwner, TimerOwner {
  readonly host: Host;
  connection: Connection;
  readonly openedAt = now;
  /** Streams it is expected to take. Until ALPN has spoken that is one, as in Envoy. */
  readonly room: number;
  timedOut = false;
  private readonly pool: ConnectionPool;
  private readonly timer = new Timer(this, 0);

  constructor(pool: ConnectionPool, host: Host) {
    const { cluster, protocol, mostStreams, streamLimit = Infinity } = pool;
    const most = cluster.maxRequestsPerConnection || Infinity;
    this.pool = pool;
    this.host = host;
    this.room = protocol === 'http2' ? Math.max(1, Math.min(mostStreams, streamLimit, most)) : 1;
    this.timer.start(cluster.connectTimeout);
    this.connection = cluster.connectTo(host, this, pool.kind);
  }

  onConnected(): void {
    this.timer.stop();
    this.pool.onConnected(this);
  }

  onClosed(local: boolean, reason: string): void {
    this.timer.stop();
    this.pool.onConnectFailed(this, local, reason);
  }

  onTimer(): void {
    this.timedOut = true;
    this.connection.closeNow();
  }

  // Nothing is read or written before there is a codec.
  onData(): void {}
  onEnd(): void {}
  onBlocked(): void {}
  onWritable(): void {}
}
