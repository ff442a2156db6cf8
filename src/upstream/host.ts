/** An upstream host as one worker sees it: its address, its words in shared memory, its counters and its pools. */
import type { JsonObject } from '@bufbuild/protobuf';
import { type CountedWords, countsAt, releaseCounts, type SharedWords } from '../common/counted_words.ts';
import { HOST } from '../common/stats/layouts.ts';
import type { Address, HostDescription, Metadata } from '../common/stream_info.ts';
import { activeHcChecked, HostWord, healthOfFlags, hostBase, hostWords } from '../snapshot/layout.ts';
import type { StatsStore } from '../spi/stats.ts';
import type { ConnectionPool } from './connection_pool.ts';

export interface HostOptions {
  readonly clusterName: string;
  readonly address: Address;
  /** All of them when it has more than one. */
  readonly addresses?: readonly Address[];
  readonly hostname: string;
  /** 1 or more. */
  readonly weight: number;
  readonly priority: number;
  /** Its place among the localities of the assignment, and that one's weight. */
  readonly locality?: HostLocality;
  readonly slot: number;
  /** What its counts are kept under where that is not its address: a host of LOGICAL_DNS moves and keeps them. */
  readonly countsKey?: string;
  /** The metadata load balancing may look at (`envoy.lb`). */
  readonly lbMetadata?: JsonObject;
  readonly metadata?: Metadata | undefined;
  /** The metadata that chooses its transport socket (`envoy.transport_socket_match`). */
  readonly transportMatch?: JsonObject;
}

export interface HostLocality {
  readonly index: number;
  /** 0: gets nothing where localities are weighted. */
  readonly weight: number;
}

const noLocality: HostLocality = { index: 0, weight: 0 };

export class Host implements HostDescription {
  readonly clusterName: string;
  readonly address: string;
  readonly hostname: string;
  readonly target: Address;
  addresses: readonly Address[];
  weight: number;
  locality: HostLocality;
  /** What slow start leaves of its weight, 0 to 1. */
  shareOfWeight = 1;
  /** When it came, or became healthy again; on the clock of timers, which has not ticked for a message of the main thread. */
  healthySince = performance.now();
  /** Bits of `HealthFlag` as they were when the pickers were made. */
  healthFlags = 0;
  lbMetadata: JsonObject | undefined;
  metadata: Metadata | undefined;
  readonly transportMatch: JsonObject | undefined;
  readonly priority: number;
  readonly slot: number;
  readonly stats: Float64Array;
  /** By routing priority and protocol as the cluster numbers them, each made with its first request. */
  readonly pools: (ConnectionPool | undefined)[] = [];
  /** Those that ask TLS for a name of their own, by that name. */
  readonly namedPools = new Map<string, ConnectionPool>();
  private readonly shared: SharedWords;
  private readonly activeRequests: number;
  private counts: CountedWords | undefined;

  constructor(options: HostOptions, shared: SharedWords, store: StatsStore) {
    this.clusterName = options.clusterName;
    this.target = options.address;
    this.addresses = options.addresses ?? [];
    this.address = options.address.text;
    this.hostname = options.hostname;
    this.weight = options.weight;
    this.locality = options.locality ?? noLocality;
    this.lbMetadata = options.lbMetadata;
    this.metadata = options.metadata;
    this.transportMatch = options.transportMatch;
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
    this.healthFlags = Atomics.load(this.shared.words, hostBase(this.slot) + HostWord.Health) & ~activeHcChecked;
    if (healthOfFlags(before) === 'unhealthy' && healthOfFlags(this.healthFlags) === 'healthy')
      this.healthySince = performance.now();
    return this.healthFlags !== before;
  }

  *allPools(): Generator<ConnectionPool> {
    for (const pool of this.pools) if (pool !== undefined) yield pool;
    yield* this.namedPools.values();
  }

  /** Connections go when their exchange is over; requests to come get new pools. */
  drainPools(): void {
    const pools = [...this.pools.splice(0), ...this.namedPools.values()];
    this.namedPools.clear();
    for (const pool of pools) pool?.drain();
  }

  /** This is where a host of LOGICAL_DNS moved to: its pools connect here from now on. */
  takePools(former: Host): void {
    this.pools.push(...former.pools.splice(0));
    for (const [key, pool] of former.namedPools) this.namedPools.set(key, pool);
    former.namedPools.clear();
    for (const pool of [...this.pools, ...this.namedPools.values()]) if (pool !== undefined) pool.host = this;
  }

  forgetPool(pool: ConnectionPool): void {
    const index = this.pools.indexOf(pool);
    if (index >= 0) this.pools[index] = undefined;
    const { key } = pool.kind;
    if (key !== undefined && this.namedPools.get(key) === pool) this.namedPools.delete(key);
  }

  /** Requests under way on all workers; kept only where the load balancer asks for it. */
  loadActiveRequests(): number {
    return Atomics.load(this.shared.words, this.activeRequests);
  }

  addActiveRequest(difference: number): void {
    this.counts ??= countsAt(this.shared, hostBase(this.slot), hostWords);
    this.counts.add(HostWord.ActiveRequests, difference);
  }

  /** It is gone: its words get another owner while its last exchanges go on. */
  leaveWords(): void {
    releaseCounts(this.shared, hostBase(this.slot));
  }
}
