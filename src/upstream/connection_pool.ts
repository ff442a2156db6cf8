/** Step 9 of the data path: the connections of one worker to one host that speak one protocol, and the requests that wait for one. */
import { now } from '../common/clock.ts';
import type { ProxyProtocolState } from '../common/filter_state/proxy_protocol.ts';
import { connectionTag, logger } from '../common/log.ts';
import type { ResetReason } from '../common/reset_reason.ts';
import { CLUSTER, HOST } from '../common/stats/layouts.ts';
import { Timer, type TimerOwner } from '../common/timers.ts';
import type { Connection } from '../net/connection.ts';
import type { CircuitBreaker } from './circuit_breaker.ts';
import type { ClientStream, PendingStream, PoolCallbacks } from './client_stream.ts';
import type { Cluster } from './cluster.ts';
import { connectFailure, couldNotBind } from './connect_error.ts';
import { Connecting } from './connecting.ts';
import type { Host } from './host.ts';
import type { PoolProtocol } from './http_options.ts';
import { Http1ClientConnection } from './http1_client_connection.ts';
import { Http2ClientConnection } from './http2_client_connection.ts';

const log = logger('pool');

/** A connection as its pool sees it. It tells the pool of each stream that ends, of room for more, and of its own end. */
export interface PooledConnection {
  readonly host: Host;
  /** Streams it takes now. */
  readonly room: number;
  /** Streams it will take beyond its room as soon as its host has said so. */
  readonly expects: number;
  /** It stands among those with room; the pool's own mark. */
  listed: boolean;
  /** Gives one of its places to a request. */
  attach(callbacks: PoolCallbacks): ClientStream;
  /** Takes no more streams; closes now, or with the last one. */
  drain(): void;
}

/** How an open connection ended. */
export interface ConnectionEnd {
  /** Streams were under way. */
  readonly busy: boolean;
  readonly local: boolean;
  /** Streams it carried. */
  readonly streams: number;
  /** When it began to connect. */
  readonly openedAt: number;
}

/** What its connections have in common. */
export interface PoolKind {
  readonly protocol: PoolProtocol;
  /** The name TLS asks for; undefined: the configured one. */
  readonly serverName?: string | undefined;
  /** The client its connections stand for, where hosts are told (PROXY protocol). */
  readonly downstream?: ProxyProtocolState | undefined;
  /** The name of the pool among its host's; undefined: it has its place by priority and protocol. */
  readonly key?: string;
}

class Waiting implements PendingStream {
  callbacks: PoolCallbacks | undefined;
  private readonly pool: ConnectionPool;
  constructor(pool: ConnectionPool, callbacks: PoolCallbacks) {
    this.pool = pool;
    this.callbacks = callbacks;
  }
  cancel(): void {
    if (this.callbacks === undefined) return;
    this.callbacks = undefined;
    this.pool.onWaitingCancelled(this);
  }
}

/** Ends a connection that has been open for the cluster's max_connection_duration, after its streams. */
class Age implements TimerOwner {
  private readonly connection: PooledConnection;
  private readonly stats: Float64Array;
  private readonly timer = new Timer(this, 0);
  constructor(connection: PooledConnection, { stats, options }: Cluster) {
    this.connection = connection;
    this.stats = stats;
    this.timer.start(options.maxConnectionDuration);
  }
  stop(): void {
    this.timer.stop();
  }
  onTimer(): void {
    this.stats[CLUSTER.slot.upstream_cx_max_duration_reached]++;
    this.connection.drain();
  }
}

/** Envoy's cap on connections that one request opens ahead of need. */
const mostAhead = 3;

export class ConnectionPool {
  readonly cluster: Cluster;
  /** Where new connections go. */
  host: Host;
  /** The limits of the routing priority whose requests use it. */
  readonly breaker: CircuitBreaker;
  readonly protocol: PoolProtocol;
  readonly kind: PoolKind;
  /** Streams we put on one connection at most. */
  readonly mostStreams: number;
  /** It takes a place under max_connection_pools. */
  counted = false;
  /** Those with room; most recently used last: that one is taken first, as Envoy does. */
  private readonly ready: PooledConnection[] = [];
  private readonly connecting = new Set<Connecting>();
  /** Streams that connections under way will take. */
  private roomToCome = 0;
  /** Connections whose host has not said yet what it takes, with the room that is expected beyond the first stream. */
  private readonly unsettled = new Map<PooledConnection, number>();
  /** Streams a connection may carry, as the host said last; undefined as long as it has not. */
  streamLimit: number | undefined;
  private readonly open = new Set<PooledConnection>();
  private waiting: Waiting[] = [];
  private active = 0;
  private draining = false;
  private readonly ages: Map<PooledConnection, Age> | undefined;

  constructor(cluster: Cluster, host: Host, breaker: CircuitBreaker, kind: PoolKind) {
    this.cluster = cluster;
    this.host = host;
    this.breaker = breaker;
    this.protocol = kind.protocol;
    this.kind = kind;
    this.mostStreams = cluster.options.http2?.maxConcurrentStreams ?? 1;
    this.ages = cluster.options.maxConnectionDuration > 0 ? new Map() : undefined;
  }

  /**
   * A stream for one request. When a connection has room, `onPoolReady` has been called on return; else the answer is the
   * place in the queue. Over a limit `onPoolFailure('overflow')` has been called.
   */
  newStream(callbacks: PoolCallbacks): PendingStream | undefined {
    const { cluster } = this;
    cluster.ahead?.beforeStream(this);
    const free = this.firstReady();
    if (free !== undefined) {
      this.start(free, callbacks);
      if (cluster.options.preconnectRatio > 1) this.provide();
      return undefined;
    }
    if (!this.breaker.tryPending()) {
      cluster.stats[CLUSTER.slot.upstream_rq_pending_overflow]++;
      callbacks.onPoolFailure('overflow', '', this.host);
      return undefined;
    }
    cluster.stats[CLUSTER.slot.upstream_rq_pending_total]++;
    cluster.stats[CLUSTER.slot.upstream_rq_pending_active]++;
    const place = new Waiting(this, callbacks);
    this.waiting.push(place);
    this.provide();
    return place;
  }

  /** Closes idle connections now and busy ones after their streams; waiting requests still get theirs. */
  drain(): void {
    this.draining = true;
    for (const connection of [...this.open]) connection.drain();
    if (this.isEmpty) this.cluster.onPoolIdle(this);
  }

  /** One connection more for a request that will come; false when there is room enough, or the breaker is in the way. */
  connectAhead(ratio: number): boolean {
    return this.wantsConnection(ratio, 1) && this.tryConnectOne();
  }

  get waitingStreams(): number {
    return this.waiting.length;
  }

  get activeStreams(): number {
    return this.active;
  }

  /** Streams that its connections, those under way too, can take beside what they carry. */
  get expectedRoom(): number {
    let room = this.roomToCome;
    for (const connection of this.ready) room += connection.room;
    return room;
  }

  get isEmpty(): boolean {
    return this.open.size === 0 && this.connecting.size === 0 && this.waiting.length === 0;
  }

  // === told by connections ===

  onConnected(attempt: Connecting): void {
    this.endAttempt(attempt);
    this.cluster.connectTime.record(now - attempt.openedAt);
    const connection = this.takeOver(attempt);
    this.open.add(connection);
    if (connection.expects > 0) {
      this.unsettled.set(connection, connection.expects);
      this.roomToCome += connection.expects;
    }
    this.ages?.set(connection, new Age(connection, this.cluster));
    this.onRoom(connection);
  }

  /** Every waiting request hears of a failed connect, as in Envoy: it may try another host instead of waiting on. */
  onConnectFailed(attempt: Connecting, local: boolean, reason: string): void {
    const { stats } = this.cluster;
    const { timedOut } = attempt;
    this.endAttempt(attempt);
    this.countClose(local || couldNotBind(attempt.connection));
    this.cluster.connectionLength.record(now - attempt.openedAt);
    if (!local || timedOut) {
      stats[CLUSTER.slot.upstream_cx_connect_fail]++;
      this.host.stats[HOST.slot.cx_connect_fail]++;
      if (timedOut) stats[CLUSTER.slot.upstream_cx_connect_timeout]++;
      this.failWaiting(this.failureOf(attempt, reason));
    }
    if (this.isEmpty) this.cluster.onPoolIdle(this);
  }

  /** A stream of an open connection ended, in whatever way; counts it. */
  onStreamOver({ host }: PooledConnection): void {
    const { cluster } = this;
    this.active--;
    cluster.stats[CLUSTER.slot.upstream_rq_active]--;
    host.stats[HOST.slot.rq_active]--;
    this.breaker.releaseRequest();
    if (cluster.tracksActive) host.addActiveRequest(-1);
  }

  /** The connection takes streams (again): waiting requests come first. It may have been closed on return. */
  onRoom(connection: PooledConnection): void {
    if (this.waiting.length > 0) {
      this.serveWaiting(connection);
      if (this.waiting.length > 0) this.provide();
    }
    if (this.draining) {
      connection.drain();
      return;
    }
    if (connection.listed || connection.room <= 0) return;
    connection.listed = true;
    this.ready.push(connection);
  }

  /** HTTP/2: the host said how many streams a connection may carry. Those that wait may go now, or need other connections. */
  onSettled(connection: PooledConnection, limit: number): void {
    this.streamLimit = limit;
    this.settle(connection);
    this.onRoom(connection);
  }

  onConnectionClosed(connection: PooledConnection, { busy, local, streams, openedAt }: ConnectionEnd): void {
    const { stats, connectionLength, requestsPerConnection } = this.cluster;
    const at = CLUSTER.slot;
    this.open.delete(connection);
    if (this.ages !== undefined) {
      this.ages.get(connection)?.stop();
      this.ages.delete(connection);
    }
    this.unlist(connection);
    this.settle(connection);
    this.countClose(local);
    if (busy) {
      stats[at.upstream_cx_destroy_with_active_rq]++;
      stats[local ? at.upstream_cx_destroy_local_with_active_rq : at.upstream_cx_destroy_remote_with_active_rq]++;
    }
    connectionLength.record(now - openedAt);
    if (streams > 0) requestsPerConnection.record(streams);
    this.provide();
    if (this.isEmpty) this.cluster.onPoolIdle(this);
  }

  onWaitingCancelled(place: Waiting): void {
    const index = this.waiting.indexOf(place);
    if (index >= 0) this.waiting.splice(index, 1);
    this.leaveQueue();
    // As in Envoy the connection under way goes on, for the next request.
    this.cluster.stats[CLUSTER.slot.upstream_rq_cancelled]++;
  }

  private firstReady(): PooledConnection | undefined {
    const { ready } = this;
    for (;;) {
      const connection = ready[ready.length - 1];
      if (connection === undefined || connection.room > 0) return connection;
      ready.pop();
      connection.listed = false;
    }
  }

  private unlist(connection: PooledConnection): void {
    if (!connection.listed) return;
    connection.listed = false;
    const { ready } = this;
    if (ready[ready.length - 1] === connection) ready.pop();
    else ready.splice(ready.indexOf(connection), 1);
  }

  /** The request is refused when one too many is under way. */
  private start(connection: PooledConnection, callbacks: PoolCallbacks): void {
    const { cluster } = this;
    const { host } = connection;
    if (!this.breaker.tryRequest()) {
      cluster.stats[CLUSTER.slot.upstream_rq_active_overflow]++;
      callbacks.onPoolFailure('overflow', '', host);
      return;
    }
    this.active++;
    cluster.stats[CLUSTER.slot.upstream_rq_total]++;
    cluster.stats[CLUSTER.slot.upstream_rq_active]++;
    host.stats[HOST.slot.rq_total]++;
    host.stats[HOST.slot.rq_active]++;
    if (cluster.tracksActive) host.addActiveRequest(1);
    const stream = connection.attach(callbacks);
    if (connection.listed && connection.room <= 0) this.unlist(connection);
    callbacks.onPoolReady(stream);
  }

  private serveWaiting(connection: PooledConnection): void {
    while (connection.room > 0) {
      const place = this.waiting.shift();
      if (place === undefined) return;
      this.leaveQueue();
      const callbacks = place.callbacks!;
      place.callbacks = undefined;
      this.start(connection, callbacks);
    }
  }

  private leaveQueue(): void {
    this.breaker.releasePending();
    this.cluster.stats[CLUSTER.slot.upstream_rq_pending_active]--;
  }

  /** Opens the connections that are wanted now, as far as the breaker lets it. */
  private provide(): void {
    const ahead = this.cluster.options.preconnectRatio > 1;
    for (let made = 0; this.wantsConnection() && !(ahead && made === mostAhead); made++)
      if (!this.tryConnectOne()) return;
  }

  private tryConnectOne(): boolean {
    if (!this.breaker.tryConnection()) {
      this.cluster.stats[CLUSTER.slot.upstream_cx_overflow]++;
      if (this.connecting.size > 0 || this.open.size > 0) return false;
      this.breaker.takeConnection();
    }
    this.connectOne();
    return true;
  }

  /** Room for each waiting request; more with a preconnect ratio, as long as the host is healthy. */
  private wantsConnection(ratio = this.cluster.options.preconnectRatio, toCome = 0): boolean {
    const waiting = this.waiting.length;
    if (ratio === 1 || this.draining || this.host.healthFlags !== 0) return waiting > this.roomToCome;
    return (waiting + this.active + toCome) * ratio > this.expectedRoom + this.active;
  }

  private connectOne(): void {
    const { stats } = this.cluster;
    const at = CLUSTER.slot;
    stats[at.upstream_cx_total]++;
    stats[at.upstream_cx_active]++;
    if (this.protocol !== 'auto') this.cluster.countProtocol(this.protocol === 'http2');
    this.host.stats[HOST.slot.cx_total]++;
    this.host.stats[HOST.slot.cx_active]++;
    if (log.debugOn) log.debug(`creating a new connection to ${this.host.address}`);
    const attempt = new Connecting(this, this.host);
    this.connecting.add(attempt);
    this.roomToCome += attempt.room;
  }

  private settle(connection: PooledConnection): void {
    this.roomToCome -= this.unsettled.get(connection) ?? 0;
    this.unsettled.delete(connection);
  }

  private endAttempt(attempt: Connecting): void {
    this.connecting.delete(attempt);
    this.roomToCome -= attempt.room;
  }

  /** The protocol is known now. */
  private takeOver({ connection, host, openedAt }: Connecting): PooledConnection {
    if (log.debugOn) log.debug(`${connectionTag(connection.id)}connected to ${host.address}`);
    const http2 = this.protocol === 'http2' || (this.protocol === 'auto' && connection.tls?.alpn === 'h2');
    if (this.protocol === 'auto') this.cluster.countProtocol(http2);
    return http2
      ? new Http2ClientConnection(this, host, connection, openedAt)
      : new Http1ClientConnection(this, host, connection, openedAt);
  }

  private countClose(local: boolean): void {
    const { stats } = this.cluster;
    const at = CLUSTER.slot;
    this.breaker.releaseConnection();
    stats[at.upstream_cx_active]--;
    this.host.stats[HOST.slot.cx_active]--;
    stats[at.upstream_cx_destroy]++;
    stats[local ? at.upstream_cx_destroy_local : at.upstream_cx_destroy_remote]++;
  }

  private failWaiting({ reason, detail }: { reason: ResetReason; detail: string }): void {
    const failed = this.waiting;
    this.waiting = [];
    for (const place of failed) {
      this.leaveQueue();
      const { callbacks } = place;
      place.callbacks = undefined;
      this.cluster.stats[CLUSTER.slot.upstream_rq_pending_failure_eject]++;
      callbacks?.onPoolFailure(reason, detail, this.host);
    }
  }

  private failureOf(
    { timedOut, connection }: { timedOut: boolean; connection: Connection },
    code: string,
  ): { reason: ResetReason; detail: string } {
    if (timedOut) return { reason: 'connection timeout', detail: '' };
    return connectFailure(connection, code, this.host.address);
  }
}
