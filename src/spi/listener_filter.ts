/** The contract of a listener filter: it sees a connection before the filter chain is chosen, and says by what to choose. */
import type { ConnectionInfo } from '../common/stream_info.ts';
import type { ListenerInfo, WorkerContext } from './worker_context.ts';

/** What the listener does after a callback. */
export const ListenerFilterStatus = {
  /** On to the next filter, which gets all bytes again that were not drained. */
  Continue: 0,
  /** More bytes are needed, or `continueFilterChain()` will come. */
  StopIteration: 1,
  /** The connection ends here: with a reset where the client has sent something, as Envoy leaves it unread. */
  Close: 2,
} as const;
export type ListenerFilterStatus = (typeof ListenerFilterStatus)[keyof typeof ListenerFilterStatus];

/** What a filter may do with the connection. */
export interface ListenerFilterCallbacks {
  /** Addresses, server name and protocols may be set. */
  readonly info: ConnectionInfo;
  /** Takes bytes away from the beginning: the filters behind and the filter chain do not see them. */
  drain(length: number): void;
  /** Merges fields into a namespace of the connection's dynamic metadata. */
  setDynamicMetadata(namespace: string, fields: Readonly<Record<string, unknown>>): void;
  setFilterState(key: string, value: unknown): void;
  /** Goes on after a StopIteration of `onAccept` that did not wait for bytes. */
  continueFilterChain(): void;
}

export interface ListenerFilter {
  /** Bytes it looks at, at most; it is asked again with more until then. 0: none. May grow between calls. */
  readonly maxReadBytes: number;
  onAccept(): ListenerFilterStatus;
  /** All bytes of the connection, lent for the call; comes while `onAccept` or the last call stopped the iteration. */
  onData?(bytes: Buffer, length: number): ListenerFilterStatus;
  /** The filter is not asked any more: it is done, or the connection has gone. */
  onDestroy?(): void;
}

/** Makes the filter of one connection. */
export type ListenerFilterMaker = (callbacks: ListenerFilterCallbacks) => ListenerFilter;

/** What a listener filter's `filter.ts` exports by default. */
export type ListenerFilterFactory = (
  config: unknown,
  context: WorkerContext,
  listener: ListenerInfo,
) => ListenerFilterMaker;
