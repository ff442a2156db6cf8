/** Step 9 of the data path: the HTTP/1.1 connections of one worker to one host, and the requests that wait for one. */

import { logger } from '../common/log.ts';
import type { ResetReason } from '../common/reset_reason.ts';
import { CLUSTER, HOST } from '../common/stats/layouts.ts';
import type { PendingStream, PoolCallbacks } from './client_stream.ts';
import type { Cluster } from './cluster.ts';
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

export class Http1Pool {
  readonly cluster: Cluster;
  readonly host: Host;
  /** Most recently used last: that one is taken first, as Envoy does. */
  private readonly idle: Http1ClientConnection[] = [];
  private readonly connecting = new Set<Http1ClientConnection>();
  private readonly open = new Set<Http1ClientConnection>();
  private waiting: Waiting[] = [];
  private draining = false;

  constructor(cluster: Cluster, host: Host) {
    this.cluster = cluster;
    this.host = host;
  }

  /**
   * A stream for one request. When a connection is free, `onPoolReady` has been called on return; else the answer is the
   * place in the queue. Over a limit `onPoolFailure('overflow')` has been called.
   */
  newStream(callbacks: PoolCallbacks): PendingStream | undefined {
    const { cluster } = this;
    const free = this.takeIdle();
    if (free !== undefined) {
      this.start(free, callbacks);
      return undefined;
    }
    if (!cluster.breaker.tryPending()) {
      cluster.stats[CLUSTER.slot.upstream_rq_pending_overflow]++;
      callbacks.onPoolFailure('overflow', '', this.host);
      return undefined;
    }
    cluster.stats[CLUSTER.slot.upstream_rq_pending_total]++;
    cluster.stats[CLUSTER.slot.upstream_rq_pending_active]++;
    const place = new Waiting(this, callbacks);
    this.waiting.push(place);
    this.connectForWaiting();
    return place;
  }

  /** Closes idle connections now and busy ones after their exchange; waiting requests still get theirs. */
  drain(): void {
    this.draining = true;
    for (const connection of [...this.open]) connection.drain();
  }

  get isEmpty(): boolean {
    return this.open.size === 0 && this.connecting.size === 0 && this.waiting.length === 0;
  }

  // === told by connections ===

  onConnected(connection: Http1ClientConnection, took: number): void {
    this.connecting.delete(connection);
    this.open.add(connection);
    this.cluster.connectTime.record(took);
    if (!this.serveWaiting(connection)) this.rest(connection);
  }

  /** The exchange on a connection ended; counts it. */
  onExchangeOver(): void {
    const { cluster } = this;
    cluster.stats[CLUSTER.slot.upstream_rq_active]--;
    this.host.stats[HOST.slot.rq_active]--;
    cluster.breaker.releaseRequest();
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
    const { stats, breaker } = this.cluster;
    const at = CLUSTER.slot;
    breaker.releaseConnection();
    stats[at.upstream_cx_active]--;
    this.host.stats[HOST.slot.cx_active]--;
    if (end.busy) this.onExchangeOver();
    if (!end.connected) {
      this.connecting.delete(connection);
      this.connectFailed(end);
      return;
    }
    this.open.delete(connection);
    const resting = this.idle.indexOf(connection);
    if (resting >= 0) this.idle.splice(resting, 1);
    stats[at.upstream_cx_destroy]++;
    stats[end.local ? at.upstream_cx_destroy_local : at.upstream_cx_destroy_remote]++;
    if (end.busy) {
      stats[at.upstream_cx_destroy_with_active_rq]++;
      stats[end.local ? at.upstream_cx_destroy_local_with_active_rq : at.upstream_cx_destroy_remote_with_active_rq]++;
    }
    this.cluster.connectionLength.record(end.lived);
    this.connectForWaiting();
  }

  onWaitingCancelled(place: Waiting): void {
    const index = this.waiting.indexOf(place);
    if (index >= 0) this.waiting.splice(index, 1);
    this.leaveQueue();
    this.cluster.stats[CLUSTER.slot.upstream_rq_cancelled]++;
    // A connection nobody waits for any more is only kept when it is open already.
    if (this.waiting.length < this.connecting.size) this.closeSpareConnecting();
  }

  private takeIdle(): Http1ClientConnection | undefined {
    for (;;) {
      const connection = this.idle.pop();
      if (connection === undefined || connection.usable) return connection;
    }
  }

  private start(connection: Http1ClientConnection, callbacks: PoolCallbacks): void {
    const { cluster, host } = this;
    if (!cluster.breaker.tryRequest()) {
      this.rest(connection);
      cluster.stats[CLUSTER.slot.upstream_rq_pending_overflow]++;
      callbacks.onPoolFailure('overflow', '', host);
      return;
    }
    cluster.stats[CLUSTER.slot.upstream_rq_total]++;
    cluster.stats[CLUSTER.slot.upstream_rq_active]++;
    host.stats[HOST.slot.rq_total]++;
    host.stats[HOST.slot.rq_active]++;
    if (cluster.tracksActive) host.addActiveRequest(1);
    connection.attach(callbacks);
    callbacks.onPoolReady(connection);
  }

  private rest(connection: Http1ClientConnection): void {
    this.idle.push(connection);
  }

  private serveWaiting(connection: Http1ClientConnection): boolean {
    const place = this.waiting.shift();
    if (place === undefined) return false;
    this.leaveQueue();
    const callbacks = place.callbacks!;
    place.callbacks = undefined;
    this.start(connection, callbacks);
    return true;
  }

  private leaveQueue(): void {
    this.cluster.breaker.releasePending();
    this.cluster.stats[CLUSTER.slot.upstream_rq_pending_active]--;
  }

  /** One connection under way for each waiting request, as far as the breaker lets it. */
  private connectForWaiting(): void {
    while (this.connecting.size < this.waiting.length) {
      const none = this.connecting.size === 0 && this.open.size === 0;
      if (!this.cluster.breaker.tryConnection()) {
        this.cluster.stats[CLUSTER.slot.upstream_cx_overflow]++;
        if (!none) return;
        this.cluster.breaker.takeConnection();
      }
      this.connectOne();
    }
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
    const reason: ResetReason = end.timedOut ? 'connection timeout' : 'remote connection failure';
    const detail = end.timedOut ? '' : connectError(end.reason);
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

  private closeSpareConnecting(): void {
    const [spare] = this.connecting;
    spare?.drain();
  }
}

/** Envoy's words for a connect that failed, with the system's text. */
function connectError(code: string): string {
  const texts: Record<string, string> = {
    ECONNREFUSED: 'Connection refused',
    ENETUNREACH: 'Network is unreachable',
    EHOSTUNREACH: 'No route to host',
    ECONNRESET: 'Connection reset by peer',
    ENOENT: 'No such file or directory',
    EADDRNOTAVAIL: 'Cannot assign requested address',
  };
  return `delayed connect error: ${texts[code] ?? code}`;
}
