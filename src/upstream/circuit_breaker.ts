/** Step 8 of the data path: the circuit breaker of a cluster and priority, counted exactly over all workers. */
import { type BreakerLimits, mostRetries } from '../common/breaker_limits.ts';
import { ClusterWord } from '../snapshot/layout.ts';

/** Shared words, and this worker's own part of them, which the main thread takes back when the worker dies. */
export interface SharedWords {
  readonly words: Int32Array;
  readonly ledger: Int32Array;
}

export function addShared(shared: SharedWords, index: number, difference: number): number {
  shared.ledger[index] += difference;
  return Atomics.add(shared.words, index, difference);
}

export class CircuitBreaker {
  /** Replaced when the runtime changes them. */
  limits: BreakerLimits;
  private readonly shared: SharedWords;
  private readonly base: number;

  constructor(limits: BreakerLimits, shared: SharedWords, base: number) {
    this.limits = limits;
    this.shared = shared;
    this.base = base;
  }

  tryConnection(): boolean {
    return this.tryTake(ClusterWord.Connections, this.limits.maxConnections);
  }

  /** A connection beyond the limit: a pool without any always gets one, or its requests would wait for ever. */
  takeConnection(): void {
    addShared(this.shared, this.base + ClusterWord.Connections, 1);
  }

  releaseConnection(): void {
    addShared(this.shared, this.base + ClusterWord.Connections, -1);
  }

  tryPending(): boolean {
    return this.tryTake(ClusterWord.PendingRequests, this.limits.maxPendingRequests);
  }

  releasePending(): void {
    addShared(this.shared, this.base + ClusterWord.PendingRequests, -1);
  }

  tryRequest(): boolean {
    return this.tryTake(ClusterWord.Requests, this.limits.maxRequests);
  }

  releaseRequest(): void {
    addShared(this.shared, this.base + ClusterWord.Requests, -1);
  }

  tryRetry(): boolean {
    const { limits } = this;
    if (limits.retryBudget === undefined) return this.tryTake(ClusterWord.Retries, limits.maxRetries);
    const requests = this.load(ClusterWord.Requests) + this.load(ClusterWord.PendingRequests);
    return this.tryTake(ClusterWord.Retries, mostRetries(limits, requests));
  }

  releaseRetry(): void {
    addShared(this.shared, this.base + ClusterWord.Retries, -1);
  }

  tryPool(): boolean {
    return this.tryTake(ClusterWord.Pools, this.limits.maxConnectionPools);
  }

  releasePool(): void {
    addShared(this.shared, this.base + ClusterWord.Pools, -1);
  }

  private load(word: number): number {
    return Atomics.load(this.shared.words, this.base + word);
  }

  private tryTake(word: number, limit: number): boolean {
    const index = this.base + word;
    if (addShared(this.shared, index, 1) < limit) return true;
    addShared(this.shared, index, -1);
    return false;
  }
}
