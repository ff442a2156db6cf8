/** Control path, step 3: the contract between the transports of xDS and the resource types that are fetched by them. */
import type { envoy } from '../api/envoy_types.ts';
import type { AnyMessage } from '../api/registry.ts';

/** One resource as it came, decoded. */
export interface DecodedResource {
  readonly name: string;
  /** Per-resource version (delta), or the response's. */
  readonly version: string;
  readonly message: AnyMessage;
  /** Other names it was asked for by: VHDS. */
  readonly aliases?: readonly string[];
  /** Milliseconds it is good for; 0: until it is replaced. The transport removes it when it expires. */
  readonly ttl: number;
}

/** Why resources of a response were refused, in full; becomes error_detail of the NACK. */
export interface Rejection {
  /** Empty when it is not about one resource. */
  readonly resource: string;
  readonly reason: string;
}

/** A resource type is told what its subscription brings. */
export interface SubscriptionCallbacks {
  /**
   * State of the world: `resources` is everything of the response. The answer is what was refused; empty: all is accepted.
   * It may come late: the ACK of clusters waits while they warm.
   */
  onConfigUpdate(resources: readonly DecodedResource[], version: string): Promise<Rejection[]> | Rejection[];
  /** Delta: what is new or changed, and what went. */
  onDeltaUpdate(
    added: readonly DecodedResource[],
    removed: readonly string[],
    version: string,
  ): Promise<Rejection[]> | Rejection[];
  /**
   * Nothing came within initial_fetch_timeout, the transport failed before a first answer, or a response could not be
   * decoded. Traffic goes on with what is there.
   */
  onConfigUpdateFailed(why: 'connection failure' | 'fetch timed out' | 'update rejected', reason: string): void;
}

export interface Subscription {
  /** Undefined: everything there is (LDS, CDS). Called once. */
  start(names: ReadonlySet<string> | undefined): void;
  /** Another set of names. */
  updateNames(names: ReadonlySet<string>): void;
  stop(): void;
}

/** `cluster_manager.cds.`, `listener_manager.lds.`, `http.<prefix>.rds.<name>.`, `cluster.<name>.`: where `update_attempt` and its kin are counted. */
export type StatPrefix = string;

export interface SubscriptionFactory {
  /** `typeName` is the full name of the v3 message, e.g. `envoy.config.cluster.v3.Cluster`. Refusals of the source are thrown before, at validation. */
  subscribe(
    source: envoy.config.core.v3.ConfigSource,
    typeName: string,
    statPrefix: StatPrefix,
    callbacks: SubscriptionCallbacks,
  ): Subscription;
}
