/** One name of a DNS cluster: asked again `refreshMs` after each answer, its last good addresses kept on failures. */
import { logger } from '../common/log.ts';
import type { DnsAnswer, DnsLookupFamily, DnsResolver } from './resolver.ts';

const log = logger('dns');

/** Timers as tests hand them in. */
export interface DnsTimers {
  start(callback: () => void, milliseconds: number): unknown;
  stop(timer: unknown): void;
}

/** Timers of Node that do not keep the process alive. */
export const nodeTimers: DnsTimers = {
  start: (callback, milliseconds) => setTimeout(callback, milliseconds).unref(),
  stop: (timer) => clearTimeout(timer as NodeJS.Timeout),
};

/** Envoy's stats of a cluster's updates. */
export type DnsStat = 'update_attempt' | 'update_success' | 'update_failure' | 'update_no_rebuild';

export interface DnsTargetOptions {
  readonly name: string;
  readonly family: DnsLookupFamily;
  readonly resolver: DnsResolver;
  readonly timers: DnsTimers;
  /** The addresses of an answer are those of one host, in order, and an empty answer is a failure. */
  readonly first: boolean;
  /** Milliseconds until the next question after an answer (`empty` tells an empty one), and after a failure. */
  readonly refreshMs: (empty: boolean, ttl: number | undefined) => number;
  readonly failureRefreshMs: () => number;
  readonly count: (stat: DnsStat) => void;
  /** The addresses are other ones than before. */
  readonly onChange: () => void;
  /** An answer or a failure has been dealt with. */
  readonly onResolved: () => void;
}

export class DnsTarget {
  /** Addresses without port, those that were there before first. */
  addresses: readonly string[] = [];
  private readonly options: DnsTargetOptions;
  private timer: unknown;
  private stopped = false;

  constructor(options: DnsTargetOptions) {
    this.options = options;
  }

  start(): void {
    const { name, family, resolver, count } = this.options;
    this.timer = undefined;
    count('update_attempt');
    if (log.traceOn) log.trace(`starting async DNS resolution for ${name}`);
    resolver.resolve(name, family, (answer) => {
      if (!this.stopped) this.onAnswer(answer);
    });
  }

  stop(): void {
    this.stopped = true;
    if (this.timer !== undefined) this.options.timers.stop(this.timer);
  }

  private onAnswer(answer: DnsAnswer): void {
    const { name, timers, refreshMs, failureRefreshMs, count, onChange, onResolved } = this.options;
    let delay: number;
    // Envoy takes an answer without addresses for a failure where one is needed, and for the truth elsewhere.
    if (answer.ok && !(this.options.first && answer.addresses.length === 0)) {
      count('update_success');
      const merged = this.options.first
        ? movedAddress(this.addresses, answer.addresses)
        : mergeAddresses(this.addresses, answer.addresses);
      if (merged === undefined) count('update_no_rebuild');
      else {
        log.debug(`DNS hosts have changed for ${name}`);
        this.addresses = merged;
        onChange();
      }
      delay = refreshMs(answer.addresses.length === 0, answer.ttl);
    } else {
      count('update_failure');
      log.debug(
        `DNS resolution failed for ${name}: ${answer.ok ? 'no address' : answer.reason}; ${this.addresses.length} addresses kept`,
      );
      delay = failureRefreshMs();
    }
    if (this.stopped) return; // by onChange
    this.timer = timers.start(() => this.start(), delay);
    onResolved();
  }
}

/** Undefined when it is the same list: the first address counts, the others are tried when it does not answer. */
function movedAddress(before: readonly string[], after: readonly string[]): readonly string[] | undefined {
  return after.length === before.length && after.every((ip, i) => ip === before[i]) ? undefined : after;
}

/** Undefined when the set is the same: servers rotate the order of their answers, which must not shuffle the hosts. */
function mergeAddresses(before: readonly string[], after: readonly string[]): string[] | undefined {
  const next = new Set(after);
  const kept = before.filter((ip) => next.has(ip));
  if (kept.length === before.length && next.size === before.length) return undefined;
  return [...new Set([...kept, ...next])];
}
