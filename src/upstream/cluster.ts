/** Step 8 of the data path: one cluster as a worker sees it: settings, host set, load balancer, breaker, counters, pools. */
import type { envoy } from '../api/envoy_types.ts';
import { breakerLimits, Priority } from '../common/breaker_limits.ts';
import { codeCounters } from '../common/stats/codes.ts';
import { CLUSTER } from '../common/stats/layouts.ts';
import { type ConnectOptions, connect } from '../net/connect.ts';
import type { ByteCounters, Connection, ConnectionCallbacks } from '../net/connection.ts';
import { ClusterWord, clusterBase } from '../snapshot/layout.ts';
import type { Histogram, StatsStore } from '../spi/stats.ts';
import { CircuitBreaker, type SharedWords } from './circuit_breaker.ts';
import { balancerOptions, type ClusterOptions, clusterOptions } from './cluster_options.ts';
import { Host, type HostOptions } from './host.ts';
import { Http1Pool } from './http1_pool.ts';
import { PrioritySet } from './priority_set.ts';

type ClusterMessage = envoy.config.cluster.v3.Cluster;
type AssignmentPolicy = envoy.config.endpoint.v3.ClusterLoadAssignment_Policy;

export class Cluster {
  readonly name: string;
  readonly metadata: envoy.config.core.v3.Metadata | undefined;
  readonly options: ClusterOptions;
  /** Milliseconds. */
  readonly connectTimeout: number;
  /** Milliseconds an idle connection is kept; 0: for ever. */
  readonly idleTimeout: number;
  /** 0: no limit. */
  readonly maxRequestsPerConnection: number;
  readonly connectOptions: ConnectOptions;
  readonly responseOptions: ClusterOptions['response'];
  readonly breaker: CircuitBreaker;
  readonly highBreaker: CircuitBreaker;
  readonly stats: Float64Array;
  readonly byteCounters: ByteCounters;
  readonly connectTime: Histogram;
  readonly connectionLength: Histogram;
  private readonly requestTime: Histogram;
  private readonly codes: ReturnType<typeof codeCounters>;
  readonly retryCodes: ReturnType<typeof codeCounters>;
  private readonly externalCodes: ReturnType<typeof codeCounters>;
  private readonly internalCodes: ReturnType<typeof codeCounters>;
  private readonly externalTime: Histogram;
  private readonly internalTime: Histogram;
  /** The load balancer asks for active requests: then they are counted in shared memory. */
  readonly tracksActive: boolean;
  /** Connections that could not be bound and are about to tell that they closed. */
  bindFailures = 0;
  private readonly message: ClusterMessage;
  /** Some priority has a max_connection_pools. */
  private readonly limitsPools: boolean;
  private readonly shared: SharedWords;
  private readonly store: StatsStore;
  private readonly slot: number;
  private wanted: readonly HostOptions[] = [];
  private hosts = new Map<string, Host>();
  private policy: AssignmentPolicy | undefined;
  private set: PrioritySet;

  constructor(message: ClusterMessage, slot: number, shared: SharedWords, store: StatsStore) {
    const prefix = `cluster.${message.altStatName || message.name}.`;
    this.name = message.name;
    this.metadata = message.metadata;
    this.slot = slot;
    this.shared = shared;
    this.store = store;
    this.message = message;
    this.options = clusterOptions(message);
    this.connectTimeout = this.options.connectTimeout;
    this.idleTimeout = this.options.idleTimeout;
    this.maxRequestsPerConnection = this.options.maxRequestsPerConnection;
    this.responseOptions = this.options.response;
    this.breaker = new CircuitBreaker(breakerLimits(message, Priority.Default), shared, clusterBase(slot));
    this.highBreaker = new CircuitBreaker(
      breakerLimits(message, Priority.High),
      shared,
      clusterBase(slot) + ClusterWord.Priority,
    );
    this.limitsPools = [this.breaker, this.highBreaker].some(({ limits }) =>
      Number.isFinite(limits.maxConnectionPools),
    );
    const stats = store.block(CLUSTER, prefix);
    this.stats = stats;
    this.connectOptions = {
      ...this.options.connect,
      onBindError: () => {
        stats[CLUSTER.slot.bind_errors]++;
        this.bindFailures++;
      },
    };
    this.byteCounters = {
      stats: this.stats,
      received: CLUSTER.slot.upstream_cx_rx_bytes_total,
      sent: CLUSTER.slot.upstream_cx_tx_bytes_total,
      waiting: CLUSTER.slot.upstream_cx_tx_bytes_buffered,
    };
    this.connectTime = store.histogram(`${prefix}upstream_cx_connect_ms`);
    this.connectionLength = store.histogram(`${prefix}upstream_cx_length_ms`);
    this.requestTime = store.histogram(`${prefix}upstream_rq_time`);
    this.codes = codeCounters(store, `${prefix}upstream_rq_`);
    this.retryCodes = codeCounters(store, `${prefix}retry.upstream_rq_`);
    this.externalCodes = codeCounters(store, `${prefix}external.upstream_rq_`);
    this.internalCodes = codeCounters(store, `${prefix}internal.upstream_rq_`);
    this.externalTime = store.histogram(`${prefix}external.upstream_rq_time`);
    this.internalTime = store.histogram(`${prefix}internal.upstream_rq_time`);
    const balancer = balancerOptions(message, undefined);
    this.tracksActive = balancer.policy.kind === 'least_request';
    this.set = new PrioritySet([], balancer, shared, slot, stats);
  }

  /** Replaces the host set; hosts that stay keep their connections, pools of hosts that went drain. */
  updateHosts(wanted: readonly HostOptions[], policy?: AssignmentPolicy): void {
    this.wanted = wanted;
    this.policy = policy;
    const before = this.hosts;
    const next = new Map<string, Host>();
    for (const options of wanted) {
      const place = this.options.logicalHost ? '' : options.address.text;
      const key = `${options.priority}/${place}/${options.hostname}`;
      next.set(key, this.nextHost(before.get(key), options));
    }
    const staying = new Set(next.values());
    let changed = next.size !== before.size;
    for (const [key, host] of before) {
      if (staying.has(host)) continue;
      changed ||= next.get(key)?.slot !== host.slot;
      host.drainPools();
    }
    this.hosts = next;
    if (changed && this.options.closeConnectionsOnHostSetChange) for (const host of staying) host.drainPools();
    this.rebuild();
  }

  /** Takes over what another cluster of this name was told last. */
  adoptHosts(former: Cluster): void {
    if (former.wanted.length > 0) this.updateHosts(former.wanted, former.policy);
  }

  /** After health flags of hosts changed in shared memory. */
  refreshHealth(): void {
    let changed = false;
    for (const host of this.hosts.values()) if (host.loadHealth()) changed = true;
    if (changed) this.rebuild();
  }

  /** Counts an answer under its status, once for all requests and once for those of internal or external clients. */
  chargeCode(status: number, internal: boolean): void {
    this.codes.inc(status);
    (internal ? this.internalCodes : this.externalCodes).inc(status);
  }

  /** `milliseconds` from the request's headers to the end of the answer. */
  chargeTime(milliseconds: number, internal: boolean): void {
    this.requestTime.record(milliseconds);
    (internal ? this.internalTime : this.externalTime).record(milliseconds);
  }

  /**
   * The host for the next request or connection; undefined when there is none. `avoid` has a bit for each priority level
   * that is to get nothing while another one can; `priority` is the route's (`Priority`).
   */
  chooseHost(avoid = 0, priority = 0): Host | undefined {
    const host = this.set.pick(avoid);
    if (!this.limitsPools || host === undefined) return host;
    return this.mayHavePool(host, priority) ? host : undefined;
  }

  get hostCount(): number {
    return this.hosts.size;
  }

  /** The breaker of a routing priority. */
  breakerOf(priority: number): CircuitBreaker {
    return priority === Priority.High ? this.highBreaker : this.breaker;
  }

  /** The connections to a host that requests of a routing priority share. */
  poolOf(host: Host, priority = 0): Http1Pool {
    if (priority === Priority.High) {
      host.highPool ??= this.makePool(host, priority);
      return host.highPool;
    }
    host.pool ??= this.makePool(host, priority);
    return host.pool;
  }

  /** A pool without connections and requests is given up. */
  onPoolIdle(pool: Http1Pool): void {
    const { host } = pool;
    if (host.pool === pool) host.pool = undefined;
    else if (host.highPool === pool) host.highPool = undefined;
    if (pool.counted) pool.breaker.releasePool();
    pool.counted = false;
  }

  /** A raw connection to a host, outside of the pools. */
  connectTo(host: Host, callbacks: ConnectionCallbacks): Connection {
    const connection = connect(host.target, this.connectOptions, callbacks);
    connection.counters = this.byteCounters;
    return connection;
  }

  /** Lets all connections end when their exchange is over. */
  drain(): void {
    for (const host of this.hosts.values()) host.drainPools();
  }

  /** The host as it is when nothing but weight and health changed; its pools go on where it moved. */
  private nextHost(present: Host | undefined, options: HostOptions): Host {
    const { logicalHost } = this.options;
    const place = logicalHost ? { ...options, countsKey: options.hostname } : options;
    if (present === undefined || present.slot !== options.slot) return new Host(place, this.shared, this.store);
    if (present.address === options.address.text) {
      present.weight = options.weight;
      present.lbMetadata = options.lbMetadata;
      present.loadHealth();
      return present;
    }
    const moved = new Host(place, this.shared, this.store);
    moved.takePools(present);
    return moved;
  }

  private rebuild(): void {
    const options = balancerOptions(this.message, this.policy);
    this.set = new PrioritySet(this.hosts.values(), options, this.shared, this.slot, this.stats);
  }

  /** Over max_connection_pools a host without a pool cannot be used. */
  private mayHavePool(host: Host, priority: number): boolean {
    const pool = priority === Priority.High ? host.highPool : host.pool;
    if (pool !== undefined || this.poolOf(host, priority).counted) return true;
    this.onPoolIdle(this.poolOf(host, priority));
    this.stats[CLUSTER.slot.upstream_cx_pool_overflow]++;
    return false;
  }

  private makePool(host: Host, priority: number): Http1Pool {
    const pool = new Http1Pool(this, host, this.breakerOf(priority));
    pool.counted = pool.breaker.tryPool();
    return pool;
  }
}
