/**
 * Step 3 of the data path: the network filters before the last one of a chain. Made only where a chain has such; once all of
 * them have let the connection pass and none looks at bytes, the last filter has it to itself.
 */
import type { ConnectionInfo } from '../common/stream_info.ts';
import type { Connection, ConnectionCallbacks } from '../net/connection.ts';
import { NetworkFilterStatus, type ReadFilter, type ReadFilterCallbacks } from '../spi/network_filter.ts';
import type { FilterChain } from './filter_chain.ts';

export class ReadFilters implements ConnectionCallbacks, ReadFilterCallbacks {
  readonly connection: Connection;
  readonly info: ConnectionInfo;
  private readonly chain: FilterChain;
  private readonly onGone: () => void;
  private readonly filters: readonly ReadFilter[];
  /** Some filter looks at bytes, or at the end of the handshake. */
  private stays: boolean;
  /** Filters that have seen the connection. */
  private seen = 0;
  /** The last filter's callbacks, once it has the connection. */
  private last: ConnectionCallbacks | undefined;
  /** What no filter behind has seen yet. */
  private kept: Buffer | undefined;
  /** At the beginning of what comes next, and past all filters already. */
  private passed = 0;
  private ended = false;
  /** The filter that waits since it saw the connection; -1: none. */
  private stopped = -1;
  private paused = false;
  private gone = false;

  constructor(chain: FilterChain, connection: Connection, info: ConnectionInfo, onGone: () => void) {
    this.chain = chain;
    this.connection = connection;
    this.info = info;
    this.onGone = onGone;
    connection.callbacks = this;
    this.filters = chain.filters.map((make) => make(this));
    this.stays = this.filters.some((filter) => filter.onData !== undefined || filter.onHandshakeComplete !== undefined);
  }

  /** The connection is there. */
  start(): void {
    while (this.seen < this.filters.length) if (!this.meet()) return;
    this.reachLast();
  }

  // === what filters ask for ===

  continueReading(): void {
    this.stopped = -1;
    if (this.connection.isClosing) return;
    if (this.kept === undefined && !this.ended) this.start();
    else this.pass(this.kept ?? Buffer.alloc(0));
  }

  // === what the connection tells ===

  onConnected(): void {
    for (const filter of this.filters) filter.onHandshakeComplete?.();
    this.tellLast((last) => last.onConnected?.());
  }

  onData(bytes: Buffer, start: number, end: number): void {
    const before = Math.min(this.passed, end - start);
    this.passed -= before;
    if (before > 0) {
      this.tellLast((last) => last.onData(bytes, start, start + before));
      if (this.passed === 0 && this.ended) this.tellLast((last) => last.onEnd());
      if (start + before === end) return;
    }
    const more = bytes.subarray(start + before, end);
    this.pass(this.kept === undefined ? more : Buffer.concat([this.kept, more]));
  }

  onEnd(): void {
    this.ended = true;
    if (this.last !== undefined && this.kept === undefined) this.tellLast((last) => last.onEnd());
    else this.pass(this.kept ?? Buffer.alloc(0));
  }

  onBlocked(): void {
    this.tellLast((last) => last.onBlocked());
  }

  onWritable(): void {
    this.tellLast((last) => last.onWritable());
  }

  onClosed(local: boolean, reason: string): void {
    const { last } = this;
    if (last !== undefined) last.onClosed(local, reason);
    else this.end();
  }

  /** Shows the connection to the next filter; false when it goes no further for now. */
  private meet(): boolean {
    const index = this.seen++;
    if (this.filters[index].onNewConnection() === NetworkFilterStatus.StopIteration) this.stopped = index;
    return this.stopped < 0 && !this.connection.isClosing;
  }

  /** Shows all that is there to the filters in turn. */
  private pass(bytes: Buffer): void {
    for (let i = 0; i < this.filters.length; i++) {
      const filter = this.filters[i];
      if (i === this.seen && !this.meet()) {
        this.keep(bytes);
        return;
      }
      const status = filter.onData?.(bytes, 0, bytes.length, this.ended) ?? NetworkFilterStatus.Continue;
      if (this.connection.isClosing) return;
      if (status === NetworkFilterStatus.StopIteration || (i === this.stopped && filter.onData === undefined)) {
        this.keep(bytes);
        return;
      }
    }
    this.release(bytes);
  }

  private keep(bytes: Buffer): void {
    this.kept = bytes.length === 0 || bytes === this.kept ? this.kept : Buffer.from(bytes);
    if (this.paused || bytes.length < this.connection.bufferLimit) return;
    this.paused = true;
    this.connection.pauseReading();
  }

  /** All filters have let it pass. */
  private release(bytes: Buffer): void {
    this.kept = undefined;
    if (this.last === undefined) {
      // The last filter may hold reading back until it is ready: the bytes wait where such bytes do.
      this.stays ||= this.ended;
      this.reachLast();
      this.passed = this.stays ? bytes.length : 0;
      this.connection.unread(bytes);
    } else if (bytes.length > 0) this.tellLast((last) => last.onData(bytes, 0, bytes.length));
    if (this.ended && this.passed === 0) this.tellLast((last) => last.onEnd());
    if (!this.paused) return;
    this.paused = false;
    this.connection.resumeReading();
  }

  private reachLast(): void {
    const { connection } = this;
    this.chain.taker.accept(connection, this.info, () => this.end());
    this.last = connection.callbacks;
    if (this.stays) connection.callbacks = this;
  }

  /** The last filter may give the connection to another part of itself: it is asked after each call. */
  private tellLast(tell: (last: ConnectionCallbacks) => void): void {
    const { connection, last } = this;
    if (last === undefined) return;
    connection.callbacks = last;
    tell(last);
    this.last = connection.callbacks;
    connection.callbacks = this.stays ? this : this.last;
  }

  private end(): void {
    if (this.gone) return;
    this.gone = true;
    for (const filter of this.filters) filter.onClosed?.();
    this.onGone();
  }
}
