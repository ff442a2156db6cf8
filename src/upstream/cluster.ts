/** Step 8 of the data path: one cluster as a worker sees it: settings, host set, load balancer, breaker, counters, pools. */
import type { envoy } from '../api/envoy_types.ts';
import { breakerLimits, Priority } from '../common/breaker_limits.ts';
import { durationMs } from '../common/duration.ts';
import { codeCounters } from '../common/stats/codes.ts';
import { CLUSTER } from '../common/stats/layouts.ts';
import { connect } from '../net/connect.ts';
import type { ByteCounters, Connection, ConnectionCallbacks } from '../net/connection.ts';
import { ClusterWord, clusterBase } from '../snapshot/layout.ts';
import type { Histogram, StatsStore } from '../spi/stats.ts';
import { CircuitBreaker, type SharedWords } from './circuit_breaker.ts';
import { Host, type HostOptions } from './host.ts';
import { Http1Pool } from './http1_pool.ts';
import { type LoadBalancingPolicy, makePicker, type Picker } from './load_balancer.ts';
import { loadBalancingPolicy } from './load_balancing_policy.ts';

type ClusterMessage = envoy.config.cluster.v3.Cluster;

/** Envoy's defaults where the message leaves a field out. */
const defaultConnectTimeout = 5000;
const defaultIdleTimeout = 3_600_000;
const defaultBufferLimit = 1024 * 1024;
/** Upstream response heads: 80 KiB and 100 fields, as the binary measured. */
const responseLimits = { maxHeadBytes: 80 * 1024, maxHeaders: 100 };

export class Cluster {
  readonly name: string;
  /** Milliseconds. */
  readonly connectTimeout: number;
  /** Milliseconds an idle connection is kept; 0: for ever. */
  readonly idleTimeout: number;
  /** 0: no limit. */
  readonly maxRequestsPerConnection: number;
  readonly connectOptions: { readonly bufferLimit: number; readonly keepAliveSeconds?: number };
  readonly responseOptions: { maxHeadBytes: number; maxHeaders: number; enableTrailers: boolean };
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
  private readonly policy: LoadBalancingPolicy;
  private readonly shared: SharedWords;
  private readonly store: StatsStore;
  private readonly slot: number;
  private hosts = new Map<string, Host>();
  private picker: Picker;

  constructor(message: ClusterMessage, slot: number, shared: SharedWords, store: StatsStore) {
    const prefix = `cluster.${message.altStatName || message.name}.`;
    this.name = message.name;
    this.slot = slot;
    this.shared = shared;
    this.store = store;
    this.connectTimeout = durationMs(message.connectTimeout) ?? defaultConnectTimeout;
    this.idleTimeout = durationMs(message.commonHttpProtocolOptions?.idleTimeout) ?? defaultIdleTimeout;
    this.maxRequestsPerConnection =
      message.commonHttpProtocolOptions?.maxRequestsPerConnection ?? message.maxRequestsPerConnection ?? 0;
    this.connectOptions = {
      bufferLimit: message.perConnectionBufferLimitBytes ?? defaultBufferLimit,
      keepAliveSeconds: keepAliveSeconds(message),
    };
    this.responseOptions = { ...responseLimits, enableTrailers: message.httpProtocolOptions?.enableTrailers ?? false };
    this.breaker = new CircuitBreaker(breakerLimits(message, Priority.Default), shared, clusterBase(slot));
    this.highBreaker = new CircuitBreaker(
      breakerLimits(message, Priority.High),
      shared,
      clusterBase(slot) + ClusterWord.Priority,
    );
    this.stats = store.block(CLUSTER, prefix);
    this.byteCounters = {
      stats: this.stats,
      received: CLUSTER.slot.upstream_cx_rx_bytes_total,
      sent: CLUSTER.slot.upstream_cx_tx_bytes_total,
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
    this.policy = loadBalancingPolicy(message);
    this.tracksActive = this.policy.kind === 'least_request';
    this.picker = makePicker(this.policy, [], shared, slot);
  }

  /** Replaces the host set; hosts that stay keep their connections, pools of hosts that went drain. */
  updateHosts(wanted: readonly HostOptions[]): void {
    const next = new Map<string, Host>();
    for (const options of wanted) {
      const key = `${options.priority}/${options.address.text}/${options.hostname}`;
      const present = this.hosts.get(key);
      const keep = present !== undefined && present.weight === options.weight && present.slot === options.slot;
      next.set(key, keep ? present : new Host(options, this.shared, this.store));
    }
    for (const host of this.hosts.values()) if (![...next.values()].includes(host)) host.pool?.drain();
    this.hosts = next;
    this.picker = makePicker(this.policy, lowestPriority([...next.values()]), this.shared, this.slot);
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

  /** The host for the next request or connection; undefined when there is none. */
  chooseHost(): Host | undefined {
    return this.picker.pick();
  }

  get hostCount(): number {
    return this.hosts.size;
  }

  poolOf(host: Host): Http1Pool {
    let { pool } = host;
    if (pool === undefined) {
      pool = new Http1Pool(this, host);
      host.pool = pool;
    }
    return pool;
  }

  /** A raw connection to a host, outside of the pools. */
  connectTo(host: Host, callbacks: ConnectionCallbacks): Connection {
    const connection = connect(host.target, this.connectOptions, callbacks);
    connection.counters = this.byteCounters;
    return connection;
  }

  /** Lets all connections end when their exchange is over. */
  drain(): void {
    for (const host of this.hosts.values()) host.pool?.drain();
  }
}

/** All hosts count as healthy, so traffic goes to the lowest priority number that has any. */
function lowestPriority(hosts: readonly Host[]): Host[] {
  const priority = hosts.reduce((lowest, host) => Math.min(lowest, host.priority), Number.POSITIVE_INFINITY);
  return hosts.filter((host) => host.priority === priority);
}

function keepAliveSeconds(message: ClusterMessage): number | undefined {
  const keepAlive = message.upstreamConnectionOptions?.tcpKeepalive;
  return keepAlive === undefined ? undefined : (keepAlive.keepaliveTime ?? 7200);
}
