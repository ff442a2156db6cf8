/** Step 8 of the data path: the circuit breaker of a cluster and priority, counted exactly over all workers. */
import { type BreakerLimits, mostRetries } from '../common/breaker_limits.ts';
import { type CountedWords, countsAt, type SharedWords } from '../common/counted_words.ts';
import { ClusterWord } from '../snapshot/layout.ts';

/** Words of one priority. */
const breakerWords = ClusterWord.Priority;

export class CircuitBreaker {
  /** Replaced when the runtime changes them. */
  limits: BreakerLimits;
  private readonly counts: CountedWords;

  constructor(limits: BreakerLimits, shared: SharedWords, base: number) {
    this.limits = limits;
    this.counts = countsAt(shared, base, breakerWords);
  }

  tryConnection(): boolean {
    return this.tryTake(ClusterWord.Connections, this.limits.maxConnections);
  }

  /** A connection beyond the limit: a pool without any always gets one, or its requests would wait for ever. */
  takeConnection(): void {
    this.counts.add(ClusterWord.Connections, 1);
  }

  releaseConnection(): void {
    this.counts.add(ClusterWord.Connections, -1);
  }

  tryPending(): boolean {
    return this.tryTake(ClusterWord.PendingRequests, this.limits.maxPendingRequests);
  }

  releasePending(): void {
    this.counts.add(ClusterWord.PendingRequests, -1);
  }

  tryRequest(): boolean {
    return this.tryTake(ClusterWord.Requests, this.limits.maxRequests);
  }

  releaseRequest(): void {
    this.counts.add(ClusterWord.Requests, -1);
  }

  tryRetry(): boolean {
    const { limits } = this;
    if (limits.retryBudget === undefined) return this.tryTake(ClusterWord.Retries, limits.maxRetries);
    const requests = this.load(ClusterWord.Requests) + this.load(ClusterWord.PendingRequests);
    return this.tryTake(ClusterWord.Retries, mostRetries(limits, requests));
  }

  releaseRetry(): void {
    this.counts.add(ClusterWord.Retries, -1);
  }

  tryPool(): boolean {
    return this.tryTake(ClusterWord.Pools, this.limits.maxConnectionPools);
  }

  releasePool(): void {
    this.counts.add(ClusterWord.Pools, -1);
  }

  private load(word: number): number {
    return this.counts.load(word);
  }

  private tryTake(word: number, limit: number): boolean {
    if (this.counts.add(word, 1) < limit) return true;
    this.counts.add(word, -1);
    return false;
  }
}
