/** Step 9 of the data path: the HTTP/1.1 connections of one worker to one host, and the requests that wait for one. */

import { logger } from '../common/log.ts';
import type { ResetReason } from '../common/reset_reason.ts';
import { CLUSTER, HOST } from '../common/stats/layouts.ts';
import { Timer } from '../common/timers.ts';
import type { CircuitBreaker } from './circuit_breaker.ts';
import type { PendingStream, PoolCallbacks } from './client_stream.ts';
import type { Cluster } from './cluster.ts';
import { connectError } from './connect_error.ts';
import type { Host } from './host.ts';
import { Http1ClientConnection } from './http1_client_connection.ts';

const log = logger('pool');

/** How a connection ended. */
export interface ConnectionEnd {
  readonly connected: boolean;
  readonly busy: boolean;
  readonly local: boolean;
  readonly timedOut: boolean;
  /** Milliseconds it was open. */
  readonly lived: number;
  /** System error code, or empty. */
  readonly reason: string;
}

class Waiting implements PendingStream {
  callbacks: PoolCallbacks | undefined;
  private readonly pool: Http1Pool;
  constructor(pool: Http1Pool, callbacks: PoolCallbacks) {
    this.pool = pool;
    this.callbacks = callbacks;
  }
  cancel(): void {
    if (this.callbacks === undefined) return;
    this.callbacks = undefined;
    this.pool.onWaitingCancelled(this);
  }
}

/** Ends a connection that has been open for the cluster's max_connection_duration, after its exchange. */
class Age {
  private readonly connection: Http1ClientConnection;
  private readonly stats: Float64Array;
  private readonly timer = new Timer(this, 0);
  constructor(connection: Http1ClientConnection, { stats, options }: Cluster) {
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

export class Http1Pool {
  readonly cluster: Cluster;
  /** Where new connections go. */
  host: Host;
  /** The limits of the routing priority whose requests use it. */
  readonly breaker: CircuitBreaker;
  /** It takes a place under max_connection_pools. */
  counted = false;
  /** Most recently used last: that one is taken first, as Envoy does. */
  private readonly idle: Http1ClientConnection[] = [];
  private readonly connecting = new Set<Http1ClientConnection>();
  private readonly open = new Set<Http1ClientConnection>();
  private waiting: Waiting[] = [];
  private draining = false;
  private readonly ages: Map<Http1ClientConnection, Age> | undefined;

  constructor(cluster: Cluster, host: Host, breaker: CircuitBreaker) {
    this.cluster = cluster;
    this.host = host;
    this.breaker = breaker;
    this.ages = cluster.options.maxConnectionDuration > 0 ? new Map() : undefined;
  }

  /**
   * A stream for one request. When a connection is free, `onPoolReady` has been called on return; else the answer is the
   * place in the queue. Over a limit `onPoolFailure('overflow')` has been called.
   */
  newStream(callbacks: PoolCallbacks): PendingStream | undefined {
    const { cluster } = this;
    const free = this.takeIdle();
    if (free !== undefined) {
      if (!this.start(free, callbacks)) this.rest(free);
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

  /** Closes idle connections now and busy ones after their exchange; waiting requests still get theirs. */
  drain(): void {
    this.draining = true;
    for (const connection of [...this.open]) connection.drain();
    if (this.isEmpty) this.cluster.onPoolIdle(this);
  }

  get isEmpty(): boolean {
    return this.open.size === 0 && this.connecting.size === 0 && this.waiting.length === 0;
  }

  // === told by connections ===

  onConnected(connection: Http1ClientConnection, took: number): void {
    this.connecting.delete(connection);
    this.open.add(connection);
    this.cluster.connectTime.record(took);
    this.ages?.set(connection, new Age(connection, this.cluster));
    if (this.serveWaiting(connection)) return;
    if (this.draining) connection.drain();
    else this.rest(connection);
  }

  /** The exchange on a connection ended; counts it. */
  onExchangeOver(): void {
    const { cluster } = this;
    cluster.stats[CLUSTER.slot.upstream_rq_active]--;
    this.host.stats[HOST.slot.rq_active]--;
    this.breaker.releaseRequest();
    if (cluster.tracksActive) this.host.addActiveRequest(-1);
  }

  /** The connection is free: true when it now rests, false when it has its next exchange or is closed. */
  onIdle(connection: Http1ClientConnection): boolean {
    if (this.serveWaiting(connection)) return false;
    if (this.draining) {
      connection.drain();
      return false;
    }
    this.rest(connection);
    return true;
  }

  onConnectionClosed(connection: Http1ClientConnection, end: ConnectionEnd): void {
    const { stats } = this.cluster;
    const at = CLUSTER.slot;
    this.breaker.releaseConnection();
    stats[at.upstream_cx_active]--;
    this.host.stats[HOST.slot.cx_active]--;
    if (end.busy) this.onExchangeOver();
    if (!end.connected) {
      this.connecting.delete(connection);
      this.connectFailed(end);
      if (this.isEmpty) this.cluster.onPoolIdle(this);
      return;
    }
    this.open.delete(connection);
    if (this.ages !== undefined) {
      this.ages.get(connection)?.stop();
      this.ages.delete(connection);
    }
    const resting = this.idle.indexOf(connection);
    if (resting >= 0) this.idle.splice(resting, 1);
    stats[at.upstream_cx_destroy]++;
    stats[end.local ? at.upstream_cx_destroy_local : at.upstream_cx_destroy_remote]++;
    if (end.busy) {
      stats[at.upstream_cx_destroy_with_active_rq]++;
      stats[end.local ? at.upstream_cx_destroy_local_with_active_rq : at.upstream_cx_destroy_remote_with_active_rq]++;
    }
    this.cluster.connectionLength.record(end.lived);
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

  private takeIdle(): Http1ClientConnection | undefined {
    for (;;) {
      const connection = this.idle.pop();
      if (connection === undefined || connection.usable) return connection;
    }
  }

  /** False when the request is refused: one too many is under way. */
  private start(connection: Http1ClientConnection, callbacks: PoolCallbacks): boolean {
    const { cluster } = this;
    const { host } = connection;
    if (!this.breaker.tryRequest()) {
      cluster.stats[CLUSTER.slot.upstream_rq_active_overflow]++;
      callbacks.onPoolFailure('overflow', '', host);
      return false;
    }
    cluster.stats[CLUSTER.slot.upstream_rq_total]++;
    cluster.stats[CLUSTER.slot.upstream_rq_active]++;
    host.stats[HOST.slot.rq_total]++;
    host.stats[HOST.slot.rq_active]++;
    if (cluster.tracksActive) host.addActiveRequest(1);
    connection.attach(callbacks);
    callbacks.onPoolReady(connection);
    return true;
  }

  private rest(connection: Http1ClientConnection): void {
    this.idle.push(connection);
  }

  private serveWaiting(connection: Http1ClientConnection): boolean {
    for (;;) {
      const place = this.waiting.shift();
      if (place === undefined) return false;
      this.leaveQueue();
      const callbacks = place.callbacks!;
      place.callbacks = undefined;
      if (this.start(connection, callbacks)) return true;
    }
  }

  private leaveQueue(): void {
    this.breaker.releasePending();
    this.cluster.stats[CLUSTER.slot.upstream_rq_pending_active]--;
  }

  /** Opens the connections that are wanted now, as far as the breaker lets it. */
  private provide(): void {
    const ahead = this.cluster.options.preconnectRatio > 1;
    for (let made = 0; this.wantsConnection() && !(ahead && made === mostAhead); made++) {
      const none = this.connecting.size === 0 && this.open.size === 0;
      if (!this.breaker.tryConnection()) {
        this.cluster.stats[CLUSTER.slot.upstream_cx_overflow]++;
        if (!none) return;
        this.breaker.takeConnection();
      }
      this.connectOne();
    }
  }

  /** One for each waiting request; more with a preconnect ratio, as long as the host is healthy. */
  private wantsConnection(): boolean {
    const { preconnectRatio } = this.cluster.options;
    const waiting = this.waiting.length;
    if (preconnectRatio === 1 || this.draining || this.host.healthFlags !== 0) return waiting > this.connecting.size;
    const active = this.open.size - this.idle.length;
    return (waiting + active) * preconnectRatio > this.connecting.size + this.open.size;
  }

  private connectOne(): void {
    const { stats } = this.cluster;
    stats[CLUSTER.slot.upstream_cx_total]++;
    stats[CLUSTER.slot.upstream_cx_active]++;
    stats[CLUSTER.slot.upstream_cx_http1_total]++;
    this.host.stats[HOST.slot.cx_total]++;
    this.host.stats[HOST.slot.cx_active]++;
    if (log.debugOn) log.debug(`creating a new connection to ${this.host.address}`);
    this.connecting.add(new Http1ClientConnection(this));
  }

  /** Every waiting request hears of a failed connect, as in Envoy: it may try another host instead of waiting on. */
  private connectFailed(end: ConnectionEnd): void {
    const { stats } = this.cluster;
    if (end.local && !end.timedOut) return;
    stats[CLUSTER.slot.upstream_cx_connect_fail]++;
    this.host.stats[HOST.slot.cx_connect_fail]++;
    if (end.timedOut) stats[CLUSTER.slot.upstream_cx_connect_timeout]++;
    const { reason, detail } = this.failureOf(end);
    const failed = this.waiting;
    this.waiting = [];
    for (const place of failed) {
      this.leaveQueue();
      const { callbacks } = place;
      place.callbacks = undefined;
      stats[CLUSTER.slot.upstream_rq_pending_failure_eject]++;
      callbacks?.onPoolFailure(reason, detail, this.host);
    }
  }

  private failureOf(end: ConnectionEnd): { reason: ResetReason; detail: string } {
    if (end.timedOut) return { reason: 'connection timeout', detail: '' };
    if (this.cluster.bindFailures === 0)
      return { reason: 'remote connection failure', detail: connectError(end.reason, this.host.address) };
    this.cluster.bindFailures--;
    return { reason: 'local connection failure', detail: '' };
  }
}
