/** Step 7 of the data path: the retries of one request: its decisions, breaker, back-off, and the hosts that are avoided. */
import type { ResponseHead } from '../../native-free/headers/header_map.ts';
import type { ResetReason } from '../common/reset_reason.ts';
import { ResponseFlag } from '../common/response_flags.ts';
import type { Runtime } from '../common/runtime.ts';
import { CLUSTER, HOST } from '../common/stats/layouts.ts';
import type { StreamInfo } from '../common/stream_info.ts';
import { Timer, type TimerOwner } from '../common/timers.ts';
import type { CircuitBreaker } from '../upstream/circuit_breaker.ts';
import type { Cluster } from '../upstream/cluster.ts';
import type { Host } from '../upstream/host.ts';
import type { RequestCharges } from './request_charges.ts';
import type { RetryDecision, RetryState } from './retry_state.ts';
import type { RequestCounter } from './virtual_cluster.ts';

/** The router, as its retries see it. */
export interface RetriesOwner {
  /** The try under way is given up: another one follows after the back-off. */
  abandonTry(): void;
  startRetry(): void;
}

/** What a request is bound to. */
export interface RetryTarget {
  readonly cluster: Cluster;
  /** Routing priority. */
  readonly priority: number;
  readonly info: StreamInfo;
  readonly charges: RequestCharges;
  readonly runtime: Runtime;
}

export class Retries implements TimerOwner {
  private readonly owner: RetriesOwner;
  private readonly state: RetryState;
  private readonly target: RetryTarget;
  private readonly breaker: CircuitBreaker;
  private holdsBreaker = false;
  private timer: Timer | undefined;
  private readonly tried: Host[] = [];
  /** A bit for each priority level to avoid. */
  private avoidedLevels = 0;
  /** The wait under way is the host's wish. */
  private limited = false;
  /** What ended the last try was a timeout of ours. */
  afterTimeout = false;
  /** Another try will begin after the back-off. */
  waiting = false;
  /** The last try would have been followed by another one, had a limit not been reached. */
  refused = false;

  constructor(owner: RetriesOwner, state: RetryState, target: RetryTarget) {
    this.owner = owner;
    this.state = state;
    this.target = target;
    this.breaker = target.cluster.breakerOf(target.priority);
  }

  /** True when the answer is dropped and another try follows. */
  onResponse(host: Host, head: ResponseHead): boolean {
    this.afterTimeout = false;
    if (!this.follow(this.state.onResponseHeaders(head.status, head.headers))) return false;
    host.stats[HOST.slot.rq_error]++;
    this.target.cluster.retryCodes.inc(head.status);
    this.goOn();
    return true;
  }

  /** The try ended without an answer; `requestSent`: the host may have seen of it. */
  onReset(reason: ResetReason, requestSent: boolean): boolean {
    this.afterTimeout = false;
    if (!this.follow(this.state.onReset(reason, false, requestSent))) return false;
    this.goOn();
    return true;
  }

  /** A try took too long. */
  onTimeout(host: Host): boolean {
    this.afterTimeout = true;
    if (!this.follow(this.state.onReset('local reset', false))) return false;
    host.stats[HOST.slot.rq_error]++;
    this.goOn();
    return true;
  }

  /** A try took too long and goes on all the same; true when another one will begin beside it. */
  onSlowTry(): boolean {
    this.afterTimeout = true;
    if (!this.follow(this.state.onSlowTry())) return false;
    this.wait();
    return true;
  }

  /** Whether the answer of a try that was not the last is one that would be retried. */
  wouldRetry({ status, headers }: ResponseHead): boolean {
    return this.state.wouldRetry(status, headers);
  }

  onTried(host: Host): void {
    this.tried.push(host);
  }

  /** The host of another try: asked again for one that no predicate rejects; the last one found has to do. */
  chooseHost(): Host | undefined {
    const { cluster, priority } = this.target;
    const { policy } = this.state;
    this.avoidLevels();
    for (let attempt = policy.hostSelectionMaxAttempts; ; attempt--) {
      const host = cluster.chooseHost(this.avoidedLevels, priority);
      if (host === undefined || attempt === 0) return host;
      if (!policy.hostPredicates.some((rejects) => rejects(host, this.tried))) return host;
    }
  }

  /** No more tries: an answer has begun, or the stream is over. */
  stop(): void {
    this.waiting = false;
    this.timer?.stop();
    this.release();
  }

  /** The back-off is over: Envoy counts the retry now. */
  onTimer(): void {
    this.waiting = false;
    const { stats } = this.target.cluster;
    const { slot } = CLUSTER;
    this.count('upstream_rq_retry');
    stats[this.limited ? slot.upstream_rq_retry_backoff_ratelimited : slot.upstream_rq_retry_backoff_exponential]++;
    this.owner.startRetry();
  }

  /** Counts and flags what was decided; true when there will be another try. */
  private follow(decision: RetryDecision): boolean {
    const { info } = this.target;
    if (decision === 'no_after_retry') this.count('upstream_rq_retry_success');
    this.release();
    if (decision === 'limit_exceeded') {
      this.count('upstream_rq_retry_limit_exceeded');
      info.setFlag(ResponseFlag.UpstreamRetryLimitExceeded);
    }
    this.refused = decision === 'limit_exceeded' || (decision === 'retry' && !this.mayRetry());
    return decision === 'retry' && !this.refused;
  }

  private mayRetry(): boolean {
    const { info, runtime } = this.target;
    if (!this.breaker.tryRetry()) {
      this.count('upstream_rq_retry_overflow');
      info.setFlag(ResponseFlag.UpstreamOverflow);
      return false;
    }
    this.holdsBreaker = true;
    if (runtime.size === 0 || runtime.featureEnabled('upstream.use_retry', 100, randomInteger())) return true;
    this.release();
    return false;
  }

  private goOn(): void {
    this.owner.abandonTry();
    this.wait();
  }

  private wait(): void {
    this.limited = this.state.backoffIsRatelimited;
    this.waiting = true;
    this.timer ??= new Timer(this, 0);
    this.timer.start(this.state.nextBackoffMs(Math.random()));
  }

  /** Every so many tries the levels of the hosts tried so far are left out. */
  private avoidLevels(): void {
    const { previousPrioritiesFrequency: frequency } = this.state.policy;
    if (frequency === undefined || this.tried.length % frequency !== 0) return;
    for (const host of this.tried) this.avoidedLevels |= 1 << host.priority;
  }

  private count(counter: RequestCounter): void {
    this.target.cluster.stats[CLUSTER.slot[counter]]++;
    this.target.charges.count(counter);
  }

  private release(): void {
    if (!this.holdsBreaker) return;
    this.holdsBreaker = false;
    this.breaker.releaseRetry();
  }
}

function randomInteger(): number {
  return Math.floor(Math.random() * 0x1_0000_0000);
}
