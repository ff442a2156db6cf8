/** An upstream host as one worker sees it: its address, its words in shared memory, its counters and its pool. */
import type { JsonObject } from '@bufbuild/protobuf';
import { HOST } from '../common/stats/layouts.ts';
import type { Address, HostDescription } from '../common/stream_info.ts';
import { HostWord, hostBase } from '../snapshot/layout.ts';
import type { StatsStore } from '../spi/stats.ts';
import { addShared, type SharedWords } from './circuit_breaker.ts';
import type { Http1Pool } from './http1_pool.ts';

export interface HostOptions {
  readonly clusterName: string;
  readonly address: Address;
  readonly hostname: string;
  /** 1 or more. */
  readonly weight: number;
  readonly priority: number;
  readonly slot: number;
  /** What its counts are kept under where that is not its address: a host of LOGICAL_DNS moves and keeps them. */
  readonly countsKey?: string;
  /** The metadata load balancing may look at (`envoy.lb`). */
  readonly lbMetadata?: JsonObject;
}

export class Host implements HostDescription {
  readonly clusterName: string;
  readonly address: string;
  readonly hostname: string;
  readonly target: Address;
  weight: number;
  /** Bits of `HealthFlag` as they were when the pickers were made. */
  healthFlags = 0;
  lbMetadata: JsonObject | undefined;
  readonly priority: number;
  readonly slot: number;
  readonly stats: Float64Array;
  /** By routing priority, each made with its first request. */
  pool: Http1Pool | undefined;
  highPool: Http1Pool | undefined;
  private readonly shared: SharedWords;
  private readonly activeRequests: number;

  constructor(options: HostOptions, shared: SharedWords, store: StatsStore) {
    this.clusterName = options.clusterName;
    this.target = options.address;
    this.address = options.address.text;
    this.hostname = options.hostname;
    this.weight = options.weight;
    this.lbMetadata = options.lbMetadata;
    this.priority = options.priority;
    this.slot = options.slot;
    this.shared = shared;
    this.activeRequests = hostBase(options.slot) + HostWord.ActiveRequests;
    this.stats = store.block(HOST, `cluster.${options.clusterName}.host.${options.countsKey ?? this.address}.`);
    this.loadHealth();
  }

  /** Reads the flags the main thread keeps; true when they are other ones than before. */
  loadHealth(): boolean {
    const before = this.healthFlags;
    this.healthFlags = Atomics.load(this.shared.words, hostBase(this.slot) + HostWord.Health);
    return this.healthFlags !== before;
  }

  /** Connections go when their exchange is over; requests to come get new pools. */
  drainPools(): void {
    this.pool?.drain();
    this.highPool?.drain();
    this.pool = undefined;
    this.highPool = undefined;
  }

  /** This is where a host of LOGICAL_DNS moved to: its pools connect here from now on. */
  takePools(former: Host): void {
    this.pool = former.pool;
    this.highPool = former.highPool;
    if (this.pool !== undefined) this.pool.host = this;
    if (this.highPool !== undefined) this.highPool.host = this;
    former.pool = undefined;
    former.highPool = undefined;
  }

  /** Requests under way on all workers; kept only where the load balancer asks for it. */
  loadActiveRequests(): number {
    return Atomics.load(this.shared.words, this.activeRequests);
  }

  addActiveRequest(difference: number): void {
    addShared(this.shared, this.activeRequests, difference);
  }
}
