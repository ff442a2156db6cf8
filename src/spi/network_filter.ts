/** The contract of a network filter that is not the last of its chain: it sees connections and their bytes first. */
import type { ConnectionInfo } from '../common/stream_info.ts';
import type { Connection } from '../net/connection.ts';
import type { ListenerInfo, WorkerContext } from './worker_context.ts';

/** What the chain does after a callback. */
export const NetworkFilterStatus = {
  Continue: 0,
  /** The filters behind see nothing until this one continues; bytes are kept, and the client is paused at the buffer limit. */
  StopIteration: 1,
} as const;
export type NetworkFilterStatus = (typeof NetworkFilterStatus)[keyof typeof NetworkFilterStatus];

export interface ReadFilterCallbacks {
  readonly connection: Connection;
  readonly info: ConnectionInfo;
  /** Goes on behind this filter after a StopIteration. */
  continueReading(): void;
}

export interface ReadFilter {
  onNewConnection(): NetworkFilterStatus;
  /** All bytes that were not passed on yet, lent for the call. A filter without it costs nothing once it has continued. */
  onData?(bytes: Buffer, start: number, end: number, endStream: boolean): NetworkFilterStatus;
  /** The TLS handshake of the client is complete. */
  onHandshakeComplete?(): void;
  /** The connection has gone; comes once. */
  onClosed?(): void;
}

/** Makes the filter of one connection. */
export type ReadFilterMaker = (callbacks: ReadFilterCallbacks) => ReadFilter;

/** What the `filter.ts` of a filter that is not terminal exports by default. */
export type ReadFilterFactory = (config: unknown, context: WorkerContext, listener: ListenerInfo) => ReadFilterMaker;
