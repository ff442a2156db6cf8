/** Steps 1 to 3 of the data path: one listener of one worker, from accepting to the filter that takes the connection. */
import type { envoy } from '../api/envoy_types.ts';
import { addressOfMessage } from '../common/address.ts';
import { now, tick, wallNow } from '../common/clock.ts';
import { connectionTag, logger } from '../common/log.ts';
import { ResponseFlag } from '../common/response_flags.ts';
import { LISTENER, LISTENER_WORKER, SERVER, statNamePart } from '../common/stats/layouts.ts';
import { type ConnectionInfo, StreamInfo } from '../common/stream_info.ts';
import { Acceptor } from '../net/accept.ts';
import type { Connection } from '../net/connection.ts';
import { roomForClient } from '../net/socket_budget.ts';
import type { AccessLogger } from '../spi/format.ts';
import type { Histogram, StatsStore } from '../spi/stats.ts';
import type { DrainState, ListenerInfo } from '../spi/worker_context.ts';
import { AcceptedConnection, type AcceptedOwner, type ListenerFilters } from './accepted_connection.ts';
import type { ConnectionLimit } from './connection_limit.ts';
import { logConnection } from './connection_log.ts';
import { DownstreamInfo } from './downstream_info.ts';
import type { FilterChain, FilterChainSet } from './filter_chain.ts';
import { acceptOptions } from './listener_addresses.ts';
import type { ListenerDrain } from './listener_drain.ts';
import { ReadFilters } from './read_filters.ts';
import { TransportTimeout } from './transport_timeout.ts';

const log = logger('conn_handler');

/** Milliseconds between two warnings of a worker that it turns clients away. */
const warningInterval = 10_000;
let warnedAt = Number.NEGATIVE_INFINITY;

function warnOfDescriptors(): void {
  if (now - warnedAt < warningInterval) return;
  warnedAt = now;
  log.warn('clients are turned away: almost all file descriptors of the process are in use (ulimit -n)');
}

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
  message: ListenerMessage;
  readonly info: ListenerInfo;
  readonly chains: FilterChainSet;
  /** Undefined where there are none. */
  readonly filters: ListenerFilters | undefined;
  readonly store: StatsStore;
  readonly drain: ListenerDrain;
  readonly accessLoggers: readonly AccessLogger[];
  readonly limit: ConnectionLimit;
  /** Undefined: the listener is not among those that share a limit. */
  readonly globalLimit: ConnectionLimit | undefined;
  readonly worker: number;
  /** This worker accepts where only one can: on UNIX sockets, and without reuse_port. */
  readonly acceptsAlone: boolean;
}

export class Listener implements AcceptedOwner {
  readonly name: string;
  private readonly parts: ListenerParts;
  private chains: FilterChainSet;
  private readonly stats: Float64Array;
  private readonly workerStats: Float64Array;
  private readonly serverStats: Float64Array;
  private readonly connectionLength: Histogram;
  private readonly acceptedAtOnce: Histogram;
  private acceptors: readonly Acceptor[];
  private readonly connections = new Set<Connection>();
  /** Those whose listener filters are at work. */
  private readonly accepted = new Set<AcceptedConnection>();
  private onEmpty: (() => void) | undefined;
  private stopped = false;

  constructor(parts: ListenerParts) {
    const { message, info, store, worker, acceptsAlone } = parts;
    this.name = info.name;
    this.parts = parts;
    this.chains = parts.chains;
    this.stats = store.block(LISTENER, info.statPrefix);
    this.workerStats = store.block(LISTENER_WORKER, `${info.statPrefix}worker_${worker}.`);
    this.serverStats = store.block(SERVER, 'server.');
    this.connectionLength = store.histogram(`${info.statPrefix}downstream_cx_length_ms`);
    this.acceptedAtOnce = store.histogram(`${info.statPrefix}connections_accepted_per_socket_event`);
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
      for (const chain of this.chains.chains.values()) chain.taker.drain();
      this.tellIfEmpty();
    });
  }

  close(): void {
    this.stop();
    for (const accepted of this.accepted) accepted.close();
    for (const connection of this.connections) connection.closeNow();
  }

  /** What its chains and filters are compiled for. */
  get info(): ListenerInfo {
    return this.parts.info;
  }

  get message(): ListenerMessage {
    return this.parts.message;
  }

  get filterChains(): FilterChainSet {
    return this.chains;
  }

  get drainTime(): number {
    return this.parts.drain.time;
  }

  get isEmpty(): boolean {
    return this.connections.size === 0 && this.accepted.size === 0;
  }

  /** Calls `onEmpty` when no connection is left, if there is one now. */
  onceEmpty(onEmpty: () => void): void {
    this.onEmpty = onEmpty;
  }

  /** For connections to come; those of chains that stay are left alone. Answers the chains that are left out. */
  replaceChains(message: ListenerMessage, chains: FilterChainSet): FilterChain[] {
    const former = this.chains;
    this.chains = chains;
    this.parts.message = message;
    return [...former.chains].filter(([hash]) => !chains.chains.has(hash)).map(([, chain]) => chain);
  }

  /** Gives its sockets to the listener that takes its place, as far as that one wants the same. */
  handOverAcceptors(to: Listener): void {
    to.acceptors = to.acceptors.map((wanted) => {
      const same = this.acceptors.find((acceptor) => acceptor.listensAs(wanted));
      if (same === undefined) return wanted;
      same.serveAs(wanted);
      this.acceptors = this.acceptors.filter((acceptor) => acceptor !== same);
      return same;
    });
  }

  // === told by accepted connections ===

  onFiltersDone(accepted: AcceptedConnection): void {
    this.accepted.delete(accepted);
    this.newConnection(accepted.connection, accepted.info as DownstreamInfo, accepted.hasUnread);
  }

  onFiltersFailed(accepted: AcceptedConnection): void {
    this.accepted.delete(accepted);
    this.forget(accepted.connection, accepted.info);
  }

  private onAccept(connection: Connection, acceptor: Acceptor): void {
    tick();
    const { limit, globalLimit, filters, accessLoggers } = this.parts;
    const room = roomForClient();
    if (!room || globalLimit?.tryTake() === false) {
      if (!room) warnOfDescriptors();
      this.stats[LISTENER.slot.downstream_global_cx_overflow]++;
      connection.closeNow();
      return;
    }
    if (!limit.tryTake()) {
      globalLimit?.release();
      this.stats[LISTENER.slot.downstream_cx_overflow]++;
      connection.closeNow();
      return;
    }
    const info = new DownstreamInfo(connection, acceptor.address);
    info.listenerName = this.name;
    info.listenerMetadata = this.parts.message.metadata;
    if (accessLoggers.length > 0) info.stream = new StreamInfo(info, wallNow(), now);
    if (filters === undefined) {
      // Envoy's gauge has been up and down.
      this.stats[LISTENER.slot.downstream_pre_cx_active] += 0;
      this.newConnection(connection, info, false);
      return;
    }
    const accepted = new AcceptedConnection(connection, info, filters, this.stats, this);
    this.accepted.add(accepted);
    accepted.start();
  }

  private release(): void {
    this.parts.limit.release();
    this.parts.globalLimit?.release();
  }

  private newConnection(connection: Connection, info: DownstreamInfo, hasUnread: boolean): void {
    info.detectedTransportProtocol ||= 'raw_buffer';
    const chain = this.chains.find(info);
    if (chain === undefined) {
      this.refuse(connection, info, hasUnread);
      return;
    }
    const openedAt = now;
    this.connections.add(connection);
    this.count(1);
    // They come one by one.
    this.acceptedAtOnce.record(1);
    this.stats[LISTENER.slot.downstream_cx_total]++;
    this.workerStats[LISTENER_WORKER.slot.downstream_cx_total]++;
    info.filterChainName = chain.name;
    info.filterChainMetadata = chain.metadata;
    if (log.debugOn) log.debug(`${connectionTag(connection.id)}new connection from ${info.remoteAddress.text}`);
    this.give(connection, info, chain, openedAt);
  }

  /** To the chain: its transport, then its filters, which there may be before the transport is ready. */
  private give(connection: Connection, info: DownstreamInfo, chain: FilterChain, openedAt: number): void {
    let timeout: TransportTimeout | undefined;
    if (chain.transport !== undefined) {
      connection.startTls(chain.transport.tls);
      if (chain.transportConnectTimeout > 0) timeout = new TransportTimeout(connection, info, chain, this.stats);
    }
    chain.connections++;
    const onGone = () => {
      timeout?.stop();
      chain.connections--;
      this.onGone(connection, info, openedAt);
    };
    if (chain.filters.length === 0) chain.taker.accept(connection, info, onGone);
    else new ReadFilters(chain, connection, info, onGone).start();
  }

  /** No filter chain takes it. */
  private refuse(connection: Connection, info: DownstreamInfo, hasUnread: boolean): void {
    this.stats[LISTENER.slot.no_filter_chain_match]++;
    if (info.stream !== undefined) {
      info.stream.setFlag(ResponseFlag.NoRouteFound);
      info.stream.responseCodeDetails = 'filter_chain_not_found';
    }
    if (hasUnread) connection.reset();
    else connection.closeNow();
    this.forget(connection, info);
  }

  /** It never was one of the listener's connections. */
  private forget(connection: Connection, info: ConnectionInfo): void {
    this.release();
    const { stream } = info;
    if (stream !== undefined) {
      // None of its bytes count as received.
      stream.endMonotonic = now;
      logConnection(stream, connection, this.parts.accessLoggers);
    }
    this.tellIfEmpty();
  }

  private onGone(connection: Connection, info: DownstreamInfo, openedAt: number): void {
    this.connections.delete(connection);
    this.count(-1);
    this.release();
    this.stats[LISTENER.slot.downstream_cx_destroy]++;
    this.connectionLength.record(now - openedAt);
    if (info.stream !== undefined) logConnection(info.stream, connection, this.parts.accessLoggers);
    this.tellIfEmpty();
  }

  private tellIfEmpty(): void {
    if (this.connections.size === 0 && this.accepted.size === 0) this.onEmpty?.();
  }

  private count(difference: number): void {
    this.stats[LISTENER.slot.downstream_cx_active] += difference;
    this.workerStats[LISTENER_WORKER.slot.downstream_cx_active] += difference;
    this.serverStats[SERVER.slot.total_connections] += difference;
  }
}
