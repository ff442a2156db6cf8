/**
 * Step 2 of the data path: a connection while its listener filters look at it. Their bytes are read, kept and given back: what
 * no filter drained comes first to whoever gets the connection. Made only where a listener has filters.
 */

import { LISTENER } from '../common/stats/layouts.ts';
import type { ConnectionInfo } from '../common/stream_info.ts';
import { Timer } from '../common/timers.ts';
import type { Connection, ConnectionCallbacks } from '../net/connection.ts';
import {
  type ListenerFilter,
  type ListenerFilterCallbacks,
  type ListenerFilterMaker,
  ListenerFilterStatus,
} from '../spi/listener_filter.ts';

/** The filters of a listener, and how long they may take. */
export interface ListenerFilters {
  readonly makers: readonly ListenerFilterMaker[];
  /** Of the same index: this connection does without it. */
  readonly disabled: readonly ((info: ConnectionInfo) => boolean)[];
  /** Milliseconds; 0: no limit. */
  readonly timeout: number;
  /** At the limit the connection gets its filter chain all the same. */
  readonly continueOnTimeout: boolean;
}

/** Who goes on with it; exactly one call comes. */
export interface AcceptedOwner {
  onFiltersDone(accepted: AcceptedConnection): void;
  /** It has been closed before it got a filter chain. */
  onFiltersFailed(accepted: AcceptedConnection): void;
}

export class AcceptedConnection implements ConnectionCallbacks, ListenerFilterCallbacks {
  readonly connection: Connection;
  readonly info: ConnectionInfo;
  private readonly filters: ListenerFilters;
  private readonly owner: AcceptedOwner;
  private readonly stats: Float64Array;
  private at = -1;
  private filter: ListenerFilter | undefined;
  /** What has been read and not drained: the first `used` bytes. */
  private kept: Buffer | undefined;
  private used = 0;
  private drained = 0;
  /** Bytes the present filter has been shown. */
  private shown = 0;
  private paused = false;
  private timer: Timer | undefined;
  private over = false;

  constructor(
    connection: Connection,
    info: ConnectionInfo,
    filters: ListenerFilters,
    stats: Float64Array,
    owner: AcceptedOwner,
  ) {
    this.connection = connection;
    this.info = info;
    this.filters = filters;
    this.stats = stats;
    this.owner = owner;
  }

  /** Runs the filters; the owner may have been told on return. */
  start(): void {
    this.connection.callbacks = this;
    this.stats[LISTENER.slot.downstream_pre_cx_active]++;
    this.next();
    if (this.over || this.filters.timeout === 0) return;
    this.timer = new Timer(this, 0);
    this.timer.start(this.filters.timeout);
  }

  /** Ends it, for the listener goes away. */
  close(): void {
    if (!this.over) this.fail();
  }

  // === what filters ask for ===

  drain(length: number): void {
    this.drained += length;
  }

  setDynamicMetadata(namespace: string, fields: Readonly<Record<string, unknown>>): void {
    const { info } = this;
    info.dynamicMetadata ??= new Map();
    info.dynamicMetadata.set(namespace, { ...info.dynamicMetadata.get(namespace), ...fields });
  }

  setFilterState(key: string, value: unknown): void {
    const { info } = this;
    info.filterState ??= new Map();
    info.filterState.set(key, value);
  }

  continueFilterChain(): void {
    if (!this.over) this.next();
  }

  // === what the connection tells ===

  onData(bytes: Buffer, start: number, end: number): void {
    this.keep(bytes, start, end);
    // A filter that waits for something else holds the connection back: the client may not send without end meanwhile.
    if (this.filter?.maxReadBytes === 0 && this.used > this.connection.bufferLimit && !this.paused) {
      this.paused = true;
      this.connection.pauseReading();
    }
    this.show();
  }

  onEnd(): void {
    this.stats[LISTENER.slot.downstream_listener_filter_remote_close]++;
    this.fail();
  }

  onClosed(): void {
    if (this.over) return;
    this.stats[LISTENER.slot.downstream_listener_filter_remote_close]++;
    this.end();
    this.owner.onFiltersFailed(this);
  }

  onBlocked(): void {}
  onWritable(): void {}

  onTimer(): void {
    this.stats[LISTENER.slot.downstream_pre_cx_timeout]++;
    if (this.filters.continueOnTimeout) this.finish();
    else this.fail();
  }

  /** On to the filters behind the present one. */
  private next(): void {
    const { makers, disabled } = this.filters;
    for (;;) {
      this.leaveFilter();
      if (++this.at === makers.length) {
        this.finish();
        return;
      }
      if (disabled[this.at](this.info)) continue;
      this.filter = makers[this.at](this);
      const status = this.filter.onAccept();
      if (status === ListenerFilterStatus.Close) {
        this.fail();
        return;
      }
      if (status === ListenerFilterStatus.Continue) continue;
      this.shown = 0;
      if (this.filter.maxReadBytes > 0) this.resume();
      this.show();
      return;
    }
  }

  /** Shows the present filter the bytes there are, if there are more than it has seen. */
  private show(): void {
    const { filter, used } = this;
    if (filter?.onData === undefined || used <= this.shown) return;
    this.shown = used;
    const status = filter.onData(this.kept!, used);
    this.cut();
    if (status === ListenerFilterStatus.Continue) this.next();
    // All it asked for is there and it cannot tell: it never will.
    else if (status === ListenerFilterStatus.Close || used >= filter.maxReadBytes) this.fail();
  }

  /** Grows by doubling: a client that sends byte by byte must not cost a copy of everything each time. */
  private keep(bytes: Buffer, start: number, end: number): void {
    const { kept, used } = this;
    const size = used + end - start;
    if (kept === undefined || size > kept.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(size, 2 * used));
      kept?.copy(larger, 0, 0, used);
      this.kept = larger;
    }
    bytes.copy(this.kept!, used, start, end);
    this.used = size;
  }

  private resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.connection.resumeReading();
  }

  private cut(): void {
    if (this.drained === 0) return;
    this.kept!.copyWithin(0, this.drained, this.used);
    this.used = Math.max(0, this.used - this.drained);
    this.drained = 0;
    this.shown = 0;
  }

  private finish(): void {
    const { connection, kept, used } = this;
    this.end();
    this.kept = undefined;
    if (kept !== undefined) connection.unread(kept, 0, used);
    this.resume();
    this.owner.onFiltersDone(this);
  }

  /** Envoy only peeks at the bytes: the system resets a connection that is closed with some of them unread. */
  private fail(): void {
    const { connection } = this;
    this.end();
    if (this.used === 0) connection.closeNow();
    else connection.reset();
    this.owner.onFiltersFailed(this);
  }

  /** Bytes that nobody has taken. */
  get hasUnread(): boolean {
    return this.used > 0;
  }

  private end(): void {
    this.over = true;
    this.timer?.stop();
    this.stats[LISTENER.slot.downstream_pre_cx_active]--;
    this.leaveFilter();
  }

  private leaveFilter(): void {
    const { filter } = this;
    this.filter = undefined;
    filter?.onDestroy?.();
  }
}
