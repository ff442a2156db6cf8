/** An upstream host as one worker sees it: its address, its words in shared memory, its counters and its pool. */

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
}

export class Host implements HostDescription {
  readonly clusterName: string;
  readonly address: string;
  readonly hostname: string;
  readonly target: Address;
  readonly weight: number;
  readonly priority: number;
  readonly slot: number;
  readonly stats: Float64Array;
  /** Made with the first request. */
  pool: Http1Pool | undefined;
  private readonly shared: SharedWords;
  private readonly activeRequests: number;

  constructor(options: HostOptions, shared: SharedWords, store: StatsStore) {
    this.clusterName = options.clusterName;
    this.target = options.address;
    this.address = options.address.text;
    this.hostname = options.hostname;
    this.weight = options.weight;
    this.priority = options.priority;
    this.slot = options.slot;
    this.shared = shared;
    this.activeRequests = hostBase(options.slot) + HostWord.ActiveRequests;
    this.stats = store.block(HOST, `cluster.${options.clusterName}.host.${options.address.text}.`);
  }

  /** Requests under way on all workers; kept only where the load balancer asks for it. */
  loadActiveRequests(): number {
    return Atomics.load(this.shared.words, this.activeRequests);
  }

  addActiveRequest(difference: number): void {
    addShared(this.shared, this.activeRequests, difference);
  }
}
