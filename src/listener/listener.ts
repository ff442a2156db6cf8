/** Steps 1 to 3 of the data path: one listener of one worker, from accepting to the filter that takes the connection. */
import type { envoy } from '../api/envoy_types.ts';
import { addressOfMessage } from '../common/address.ts';
import { now, tick } from '../common/clock.ts';
import { connectionTag, logger } from '../common/log.ts';
import { LISTENER, LISTENER_WORKER, statNamePart } from '../common/stats/layouts.ts';
import type { Address, ConnectionInfo } from '../common/stream_info.ts';
import { Acceptor } from '../net/accept.ts';
import type { Connection } from '../net/connection.ts';
import type { Histogram, StatsStore } from '../spi/stats.ts';
import type { ConnectionTaker, ListenerInfo } from '../spi/worker_context.ts';

const log = logger('conn_handler');

type ListenerMessage = envoy.config.listener.v3.Listener;

/** What the filters of a listener need to know of it. */
export function listenerInfo(message: ListenerMessage, name: string): ListenerInfo {
  return {
    name,
    statPrefix: `listener.${message.statPrefix || statNamePart(addressOfMessage(message.address).text)}.`,
    bufferLimit: message.perConnectionBufferLimitBytes ?? 1024 * 1024,
  };
}

export class Listener {
  readonly name: string;
  private readonly address: Address;
  private readonly stats: Float64Array;
  private readonly workerStats: Float64Array;
  private readonly connectionLength: Histogram;
  private readonly taker: ConnectionTaker;
  private readonly acceptor: Acceptor;
  private readonly connections = new Set<Connection>();
  private onEmpty: (() => void) | undefined;

  constructor(message: ListenerMessage, info: ListenerInfo, taker: ConnectionTaker, store: StatsStore, worker: number) {
    this.name = info.name;
    this.address = addressOfMessage(message.address);
    this.taker = taker;
    this.stats = store.block(LISTENER, info.statPrefix);
    this.workerStats = store.block(LISTENER_WORKER, `${info.statPrefix}worker_${worker}.`);
    this.connectionLength = store.histogram(`${info.statPrefix}downstream_cx_length_ms`);
    this.acceptor = new Acceptor(
      {
        host: this.address.ip,
        port: this.address.port,
        reusePort: true,
        backlog: message.tcpBacklogSize,
        bufferLimit: info.bufferLimit,
      },
      (connection) => this.onAccept(connection),
    );
  }

  listen(done: (error: NodeJS.ErrnoException | undefined) => void): void {
    this.acceptor.listen(done);
  }

  /** Stops accepting and lets the connections end; `onEmpty` is called when none is left. */
  drain(onEmpty: () => void): void {
    // Connections the kernel has set up already are accepted in this turn of the loop; closing now would reset them.
    setImmediate(() => {
      this.acceptor.close();
      this.onEmpty = onEmpty;
      this.taker.drain();
      if (this.connections.size === 0) onEmpty();
    });
  }

  close(): void {
    this.acceptor.close();
    for (const connection of this.connections) connection.closeNow();
  }

  private onAccept(connection: Connection): void {
    tick();
    const openedAt = now;
    this.connections.add(connection);
    this.count(1);
    this.stats[LISTENER.slot.downstream_cx_total]++;
    this.workerStats[LISTENER_WORKER.slot.downstream_cx_total]++;
    const info = new DownstreamInfo(connection);
    if (log.debugOn) log.debug(`${connectionTag(connection.id)}new connection from ${info.remoteAddress.text}`);
    this.taker.accept(connection, info, () => this.onGone(connection, openedAt));
  }

  private onGone(connection: Connection, openedAt: number): void {
    this.connections.delete(connection);
    this.count(-1);
    this.stats[LISTENER.slot.downstream_cx_destroy]++;
    this.connectionLength.record(now - openedAt);
    if (this.connections.size === 0) this.onEmpty?.();
  }

  private count(difference: number): void {
    this.stats[LISTENER.slot.downstream_cx_active] += difference;
    this.workerStats[LISTENER_WORKER.slot.downstream_cx_active] += difference;
  }
}

/** Addresses are asked for once, and only when somebody wants them: each is a system call. */
class DownstreamInfo implements ConnectionInfo {
  readonly id: number;
  readonly directRemoteAddress: Address;
  remoteAddress: Address;
  requestedServerName = '';
  terminationDetails = '';
  transportFailureReason = '';
  tls = undefined;
  private readonly connection: Connection;
  private local: Address | undefined;

  constructor(connection: Connection) {
    this.id = connection.id;
    this.connection = connection;
    this.directRemoteAddress = connection.remoteAddress;
    this.remoteAddress = this.directRemoteAddress;
  }

  get localAddress(): Address {
    this.local ??= this.connection.localAddress;
    return this.local;
  }
}
