/** Control path, step 3: one subscription, whatever transport feeds it: its names, its first-fetch timeout, its counts. */
import { xxhash64 } from '../../native-free/hash/xxhash64.ts';
import { logger } from '../common/log.ts';
import type { Histogram } from '../spi/stats.ts';
import { SUBSCRIPTION } from './stats.ts';
import type { DecodedResource, Rejection, Subscription, SubscriptionCallbacks } from './subscription.ts';

const log = logger('config');

/** What a transport does for its subscriptions. */
export interface WatchOwner {
  /** An attempt is counted by the read that answers it, not by the start. */
  readonly countsReads?: true;
  onWatchStarted(watch: Watch): void;
  onNamesChanged(watch: Watch, before: ReadonlySet<string>): void;
  onWatchStopped(watch: Watch): void;
}

export interface WatchParts {
  readonly typeName: string;
  readonly callbacks: SubscriptionCallbacks;
  /** Slots of the subscription's prefix. */
  readonly stats: Float64Array;
  /** `update_duration`: milliseconds to apply an update. */
  readonly duration: Histogram;
  /** Milliseconds until whoever waits for a first answer goes on without; 0: waits for ever. */
  readonly initialFetchTimeout: number;
  /** Told the version of what was accepted last. */
  readonly onVersion: (version: string) => void;
}

const noNames: ReadonlySet<string> = new Set();

export class Watch implements Subscription {
  readonly typeName: string;
  /** Undefined: everything there is. */
  names: ReadonlySet<string> | undefined = noNames;
  private readonly owner: WatchOwner;
  private readonly parts: WatchParts;
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(owner: WatchOwner, parts: WatchParts) {
    this.owner = owner;
    this.parts = parts;
    this.typeName = parts.typeName;
  }

  start(names: ReadonlySet<string> | undefined): void {
    const { initialFetchTimeout, stats, callbacks } = this.parts;
    this.names = names;
    if (initialFetchTimeout > 0) {
      this.timer = setTimeout(() => {
        this.timer = undefined;
        stats[SUBSCRIPTION.slot.init_fetch_timeout]++;
        stats[SUBSCRIPTION.slot.update_attempt]++;
        log.warn(`${this.typeName}: initial fetch timed out`);
        callbacks.onConfigUpdateFailed('fetch timed out', '');
      }, initialFetchTimeout).unref();
    }
    if (this.owner.countsReads !== true) stats[SUBSCRIPTION.slot.update_attempt]++;
    this.owner.onWatchStarted(this);
  }

  updateNames(names: ReadonlySet<string>): void {
    const before = this.names ?? noNames;
    this.names = names;
    this.parts.stats[SUBSCRIPTION.slot.update_attempt]++;
    this.owner.onNamesChanged(this, before);
  }

  stop(): void {
    this.stopped = true;
    this.clearTimer();
    this.owner.onWatchStopped(this);
  }

  wants(name: string): boolean {
    return this.names === undefined || this.names.has(name);
  }

  /** State of the world: what was refused. */
  async deliver(resources: readonly DecodedResource[], version: string): Promise<Rejection[]> {
    return this.settle(() => this.parts.callbacks.onConfigUpdate(resources, version), version);
  }

  async deliverDelta(
    added: readonly DecodedResource[],
    removed: readonly string[],
    version: string,
  ): Promise<Rejection[]> {
    return this.settle(() => this.parts.callbacks.onDeltaUpdate(added, removed, version), version);
  }

  /** A response could not be used at all. */
  refuse(reason: string): void {
    if (this.stopped) return;
    this.clearTimer();
    this.parts.stats[SUBSCRIPTION.slot.update_rejected]++;
    this.parts.stats[SUBSCRIPTION.slot.update_attempt]++;
    this.parts.callbacks.onConfigUpdateFailed('update rejected', reason);
  }

  /** The transport failed. Who waits for a first answer waits on, until its time is over. */
  fail(reason: string): void {
    if (this.stopped) return;
    this.parts.stats[SUBSCRIPTION.slot.update_failure]++;
    this.parts.stats[SUBSCRIPTION.slot.update_attempt]++;
    this.parts.callbacks.onConfigUpdateFailed('connection failure', reason);
  }

  private async settle(apply: () => Promise<Rejection[]> | Rejection[], version: string): Promise<Rejection[]> {
    if (this.stopped) return [];
    this.clearTimer();
    const { stats, duration, onVersion } = this.parts;
    const { slot } = SUBSCRIPTION;
    const began = performance.now();
    const rejections = await this.attempt(apply);
    stats[slot.update_attempt]++;
    if (rejections.length > 0) {
      stats[slot.update_rejected]++;
      return rejections;
    }
    stats[slot.update_success]++;
    // Envoy's subscriptions to files have the histogram and never record.
    if (this.owner.countsReads !== true) duration.record(performance.now() - began);
    stats[slot.update_time] = Date.now();
    stats[slot.version] = Number(xxhash64(version));
    onVersion(version);
    return rejections;
  }

  /** A fault of ours must not end the stream: it is logged, and the update refused. */
  private async attempt(apply: () => Promise<Rejection[]> | Rejection[]): Promise<Rejection[]> {
    try {
      return await apply();
    } catch (error) {
      log.error(`${this.typeName}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      return [{ resource: '', reason: `could not be applied: ${(error as Error).message}` }];
    }
  }

  private clearTimer(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}
