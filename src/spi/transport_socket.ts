/** What a transport socket is made from on a worker: the contract between listeners or clusters and the extensions that secure connections. */
import type { envoy } from '../api/envoy_types.ts';
import type { LogFiles } from '../common/access_log/log_files.ts';
import type { TlsConnector } from '../net/connect.ts';
import type { TlsStarter } from '../net/tls_starter.ts';
import type { StatsStore } from './stats.ts';

type Secret = envoy.extensions.transport_sockets.tls.v3.Secret;

/** The secrets the main thread has published, by the names of common/tls/secret_refs.ts. */
export interface SecretSource {
  /** Undefined while it has not come. */
  get(key: string): Secret | undefined;
  /** `onChange` is called after each change of one of these. Answers how to stop that. */
  watch(keys: readonly string[], onChange: () => void): () => void;
}

export interface TransportSocketContext {
  readonly stats: StatsStore;
  /** `listener.<address>.` or `cluster.<name>.` */
  readonly scope: string;
  readonly secrets: SecretSource;
  readonly files: LogFiles;
  /** What all workers do alike is counted by the one with the number 0. */
  readonly worker: number;
}

/** What a listener's transport socket exports by default; undefined: connections stay as they are. */
export type DownstreamTransportFactory = (
  config: unknown,
  context: TransportSocketContext,
) => Transport<TlsStarter> | undefined;

/** What a cluster's transport socket exports by default. */
export type UpstreamTransportFactory = (
  config: unknown,
  context: TransportSocketContext,
) => Transport<TlsConnector> | undefined;

export interface Transport<T> {
  readonly tls: T;
  /** The listener or cluster is gone: secrets are no longer looked at. */
  close(): void;
}
