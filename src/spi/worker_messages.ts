/** The control messages between the main thread and a worker, over the worker's own port. */
import type { MessagePort } from 'node:worker_threads';
import type { LogOptions } from '../common/log.ts';
import type { RuntimeValues } from '../common/runtime.ts';
import type { HistogramInterval } from '../common/stats/histogram.ts';
import type { StatsAnnouncement } from '../common/stats/messages.ts';
import type { PackedSnapshot } from '../snapshot/packed.ts';

/** Milliseconds between the beats a worker writes to its pulse. */
export const beatInterval = 500;

/** How a worker may be told to fail. */
export type Crash = 'exit' | 'loop' | 'memory';

/** What a worker starts with. */
export interface WorkerTask {
  readonly port: MessagePort;
  readonly index: number;
  readonly words: SharedArrayBuffer;
  /** This worker's own part of the additive words, taken back when it dies. */
  readonly ledger: SharedArrayBuffer;
  /** Two words: raised with every beat, and the id of the thread. */
  readonly pulse: SharedArrayBuffer;
  readonly log: LogOptions;
  readonly serviceCluster: string;
  readonly serviceNode: string;
  /** Milliseconds between flushes of access log files. */
  readonly fileFlushInterval: number;
  readonly snapshot: PackedSnapshot;
  readonly runtime: RuntimeValues;
  /** Sockets all workers together may hold open. */
  readonly mostSockets: number;
  /** Clients that all workers together may have connected; undefined leaves it to the runtime. */
  readonly mostClients: number | undefined;
  /** How many workers there are. */
  readonly concurrency: number;
  /** Milliseconds of a drain sequence. */
  readonly drainTime: number;
  /** In a drain sequence every answer closes its connection; else ever more of them do. */
  readonly drainAtOnce: boolean;
}

/** What an exchange may wait for: the routes of its host (VHDS), or a cluster (ODCDS). */
export interface OnDemandRequest {
  readonly what: 'host' | 'cluster';
  /** The key of the route configuration; of a cluster its ConfigSource, protobuf binary in base64. */
  readonly from: string;
  readonly name: string;
  /** Milliseconds; of a host what its source says. */
  readonly timeout: number;
}

export type ToWorker =
  | { readonly kind: 'snapshot'; readonly snapshot: PackedSnapshot }
  /** Stop accepting, let connections end. */
  | { readonly kind: 'drain' }
  /** Listeners let their connections end as the drain strategy says, and go on accepting. */
  | { readonly kind: 'drain_sequence'; readonly inboundOnly: boolean }
  /** Listeners stop accepting; what is open stays. */
  | { readonly kind: 'stop_listeners'; readonly inboundOnly: boolean }
  /** /healthcheck/fail holds, or no longer. */
  | { readonly kind: 'health_failed'; readonly failed: boolean }
  /** The answer to an `on_demand`, behind the snapshot with what came of it. */
  | { readonly kind: 'on_demand_answer'; readonly request: OnDemandRequest }
  /** Health flags of hosts of a cluster changed in shared memory. */
  | { readonly kind: 'host_health'; readonly cluster: string }
  /** End now. */
  | { readonly kind: 'stop' }
  | { readonly kind: 'flush_histograms' }
  | { readonly kind: 'reopen_logs' }
  | { readonly kind: 'runtime'; readonly values: RuntimeValues }
  | { readonly kind: 'log_levels'; readonly log: LogOptions }
  /** Dies, hangs or runs out of memory at once, as by a fault: for tests of what the others do. */
  | { readonly kind: 'crash'; readonly how: Crash };

export type FromWorker =
  | { readonly kind: 'stats'; readonly announcement: StatsAnnouncement }
  | { readonly kind: 'ready'; readonly generation: number }
  | { readonly kind: 'listening'; readonly listener: string; readonly error: string }
  | { readonly kind: 'histograms'; readonly values: HistogramInterval[] }
  | { readonly kind: 'fault'; readonly text: string }
  /** An exchange waits for what is not there yet. */
  | { readonly kind: 'on_demand'; readonly request: OnDemandRequest }
  /** After `stop_listeners`: the listening sockets are closed. */
  | { readonly kind: 'listeners_stopped' }
  /** After `drain`: no connection is left. */
  | { readonly kind: 'drained' };
