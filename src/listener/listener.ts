/** Steps 1 to 3 of the data path: one listener of one worker, from accepting to the filter that takes the connection. */
import type { envoy } from '../api/envoy_types.ts';
import { addressOfMessage } from '../common/address.ts';
import { now, tick, wallNow } from '../common/clock.ts';
import { connectionTag, logger } from '../common/log.ts';
import { LISTENER, LISTENER_WORKER, SERVER, statNamePart } from '../common/stats/layouts.ts';
import { StreamInfo } from '../common/stream_info.ts';
import { Acceptor } from '../net/accept.ts';
import type { Connection } from '../net/connection.ts';
import { roomForClient } from '../net/socket_budget.ts';
import type { AccessLogger } from '../spi/format.ts';
import type { Histogram, StatsStore } from '../spi/stats.ts';
import type { ConnectionTaker, DrainState, ListenerInfo } from '../spi/worker_context.ts';
import type { ConnectionLimit } from './connection_limit.ts';
import { logConnection } from './connection_log.ts';
import { DownstreamInfo } from './downstream_info.ts';
import { acceptOptions } from './listener_addresses.ts';
import type { ListenerDrain } from './listener_drain.ts';

const log = logger('conn_handler');

type ListenerMessage = envoy.config.listener.v3.Listener;

const defaultBufferLimit = 1024 * 1024;

/** What the filters of a listener need to know of it. */
export function listenerInfo(message: ListenerMessage, name: string, drain: DrainState): ListenerInfo {
  return {
    name,
    statPrefix: `listener.${statNamePart(message.statPrefix || addressOfMessage(message.address).text)}.`,
    // 0 means no limit to Envoy; here everything is bounded.
    bufferLimit: message.perConnectionBufferLimitBytes || defaultBufferLimit,
    drain,
  };
}

/** What a listener is made of. */
export interface ListenerParts {
  readonly message: ListenerMessage;
  readonly info: ListenerInfo;
  readonly taker: ConnectionTaker;
  readonly filterChainName: string;
  readonly store: StatsStore;
  readonly drain: ListenerDrain;
  readonly accessLoggers: readonly AccessLogger[];
  readonly limit: ConnectionLimit;
  readonly worker: number;
  /** This worker accepts where only one can: on UNIX sockets, and without reuse_port. */
  readonly acceptsAlone: boolean;
}

export class Listener {
  readonly name: string;
  private readonly parts: ListenerParts;
  private readonly stats: Float64Array;
  private readonly workerStats: Float64Array;
  private readonly serverStats: Float64Array;
  private readonly connectionLength: Histogram;
  private readonly acceptors: readonly Acceptor[];
  private readonly connections = new Set<Connection>();
  private onEmpty: (() => void) | undefined;
  private stopped = false;

  constructor(parts: ListenerParts) {
    const { message, info, store, worker, acceptsAlone } = parts;
    this.name = info.name;
    this.parts = parts;
    this.stats = store.block(LISTENER, info.statPrefix);
    this.workerStats = store.block(LISTENER_WORKER, `${info.statPrefix}worker_${worker}.`);
    this.serverStats = store.block(SERVER, 'server.');
    this.connectionLength = store.histogram(`${info.statPrefix}downstream_cx_length_ms`);
    const accept = (connection: Connection, acceptor: Acceptor) => this.onAccept(connection, acceptor);
    this.acceptors = acceptOptions(message, info.bufferLimit)
      .filter((options) => options.reusePort || acceptsAlone)
      .map((options) => new Acceptor(options, accept));
  }

  get inbound(): boolean {
    return this.parts.message.trafficDirection === 1;
  }

  /** Opens all addresses; `done` gets the first error, if any. */
  listen(done: (error: NodeJS.ErrnoException | undefined) => void): void {
    let left = this.acceptors.length;
    let failure: NodeJS.ErrnoException | undefined;
    if (left === 0) done(undefined);
    for (const acceptor of this.acceptors) {
      acceptor.listen((error) => {
        failure ??= error;
        if (--left === 0) done(failure);
      });
    }
  }

  /** Lets connections end as the drain strategy says; accepting goes on. */
  startDrainSequence(): void {
    this.parts.drain.start();
  }

  /** Stops accepting; connections that are open stay. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    for (const acceptor of this.acceptors) acceptor.close();
  }

  /** Stops accepting and lets the connections end; `onEmpty` is called when none is left. */
  drain(onEmpty: () => void): void {
    // Connections the kernel has set up already are accepted in this turn of the loop; closing now would reset them.
    setImmediate(() => {
      this.stop();
      this.onEmpty = onEmpty;
      this.parts.taker.drain();
      if (this.connections.size === 0) onEmpty();
    });
  }

  close(): void {
    this.stop();
    for (const connection of this.connections) connection.closeNow();
  }

  private onAccept(connection: Connection, acceptor: Acceptor): void {
    tick();
    const { limit, taker, filterChainName, accessLoggers } = this.parts;
    if (!roomForClient()) {
      this.stats[LISTENER.slot.downstream_global_cx_overflow]++;
      connection.closeNow();
      return;
    }
    if (!limit.tryTake()) {
      this.stats[LISTENER.slot.downstream_cx_overflow]++;
      connection.closeNow();
      return;
    }
    const openedAt = now;
    this.connections.add(connection);
    this.count(1);
    this.stats[LISTENER.slot.downstream_cx_total]++;
    // No listener filter holds it back; Envoy's gauge has been up and down.
    this.stats[LISTENER.slot.downstream_pre_cx_active] += 0;
    this.workerStats[LISTENER_WORKER.slot.downstream_cx_total]++;
    const info = new DownstreamInfo(connection, acceptor.address);
    info.filterChainName = filterChainName;
    if (accessLoggers.length > 0) info.stream = new StreamInfo(info, wallNow(), now);
    if (log.debugOn) log.debug(`${connectionTag(connection.id)}new connection from ${info.remoteAddress.text}`);
    taker.accept(connection, info, () => this.onGone(connection, info, openedAt));
  }

  private onGone(connection: Connection, info: DownstreamInfo, openedAt: number): void {
    this.connections.delete(connection);
    this.count(-1);
    this.parts.limit.release();
    this.stats[LISTENER.slot.downstream_cx_destroy]++;
    this.connectionLength.record(now - openedAt);
    if (info.stream !== undefined) logConnection(info.stream, connection, this.parts.accessLoggers);
    if (this.connections.size === 0) this.onEmpty?.();
  }

  private count(difference: number): void {
    this.stats[LISTENER.slot.downstream_cx_active] += difference;
    this.workerStats[LISTENER_WORKER.slot.downstream_cx_active] += difference;
    this.serverStats[SERVER.slot.total_connections] += difference;
  }
}
