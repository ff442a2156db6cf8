/**
 * Step 4 of the control path, the one file both sides share: what the main thread publishes to workers, and the named
 * words in shared memory that all threads change with Atomics.
 */

import type { envoy } from '../api/envoy_types.ts';
import { encode } from '../api/registry.ts';
import { namedWordSize } from '../common/named_words.ts';

/** Words of one host; the main thread writes HEALTH and WEIGHT, workers the rest. */
export const HostWord = {
  /** Bits of `HealthFlag`; 0 = healthy. */
  Health: 0,
  Weight: 1,
  ActiveRequests: 2,
  ActiveConnections: 3,
  ConsecutiveErrors: 4,
  ConsecutiveGatewayErrors: 5,
  ConsecutiveLocalErrors: 6,
} as const;
export const hostWords = 8;

/** Envoy's reasons why a host is not simply healthy, as bits of the word HEALTH. */
export const HealthFlag = {
  FailedActiveHc: 1,
  FailedOutlierCheck: 2,
  FailedEdsHealth: 4,
  DegradedActiveHc: 8,
  DegradedEdsHealth: 16,
  PendingDynamicRemoval: 32,
  PendingActiveHc: 64,
  ExcludedViaImmediateHcFail: 128,
  ActiveHcTimeout: 256,
  EdsStatusDraining: 512,
} as const;

/** Beside the flags in the word HEALTH: a checker has written them, so that they hold for whoever takes the host over. */
export const activeHcChecked = 1 << 30;

const unhealthyFlags =
  HealthFlag.FailedActiveHc | HealthFlag.FailedOutlierCheck | HealthFlag.FailedEdsHealth | HealthFlag.EdsStatusDraining;
const degradedFlags = HealthFlag.DegradedActiveHc | HealthFlag.DegradedEdsHealth;
const excludedFlags = HealthFlag.PendingActiveHc | HealthFlag.ExcludedViaImmediateHcFail | HealthFlag.EdsStatusDraining;

/** What the flags of a host mean for load balancing. */
export function healthOfFlags(flags: number): 'healthy' | 'degraded' | 'unhealthy' {
  if ((flags & unhealthyFlags) !== 0) return 'unhealthy';
  return (flags & degradedFlags) !== 0 ? 'degraded' : 'healthy';
}

/** True when the host is left out of its level's total, as if it were not there, when health is weighed. */
export function isExcluded(flags: number): boolean {
  return (flags & excludedFlags) !== 0;
}

/** The flag of `health_status` of an endpoint (a value of envoy.config.core.v3.HealthStatus). */
export function flagsOfHealthStatus(status: number): number {
  switch (status) {
    case 2: // UNHEALTHY
    case 4: // TIMEOUT
      return HealthFlag.FailedEdsHealth;
    case 3: // DRAINING
      return HealthFlag.EdsStatusDraining;
    case 5: // DEGRADED
      return HealthFlag.DegradedEdsHealth;
    default:
      return 0;
  }
}

/** The flags that `flagsOfHealthStatus` may give. */
export const healthStatusFlags =
  HealthFlag.FailedEdsHealth | HealthFlag.EdsStatusDraining | HealthFlag.DegradedEdsHealth;

/** Words of one cluster: the breaker counts of the default and the high priority, then a round-robin counter a priority level. */
export const ClusterWord = {
  Connections: 0,
  PendingRequests: 1,
  Requests: 2,
  Retries: 3,
  Pools: 4,
  /** Distance from the default priority's words to the high priority's. */
  Priority: 5,
  /** Of the priority levels 0, 1, 2; the deeper ones share the last. */
  RoundRobin: 10,
} as const;
/** How many round-robin counters there are. */
export const roundRobinWords = 3;
const clusterWords = 13;

/** Most clusters and hosts a process can hold; untouched pages of the shared buffers cost no memory. */
export const mostClusters = 65_536;
export const mostHosts = 262_144;

const hostRegion = mostClusters * clusterWords;
/** How many sockets the data paths of all workers hold open. */
export const socketsWord = hostRegion + mostHosts * hostWords;
/** How many connections the workers have had, in both directions. */
export const connectionIdWord = socketsWord + 1;
/** How many clients are connected, over all workers and listeners. */
export const clientsWord = connectionIdWord + 1;
/** Places for what filters count over all workers, by name: common/named_words.ts. The base is even. */
export const mostNamed = 16_384;
export const namedBase = clientsWord + 1 + ((clientsWord + 1) % 2);
const totalWords = namedBase + mostNamed * namedWordSize;

/** Index of the first word of a cluster. */
export function clusterBase(slot: number): number {
  return slot * clusterWords;
}

/** Index of the first word of a host. */
export function hostBase(slot: number): number {
  return hostRegion + slot * hostWords;
}

/** Shared memory for the words of all clusters and hosts, or for one worker's ledger of them. */
export function makeWords(): SharedArrayBuffer {
  return new SharedArrayBuffer(totalWords * Int32Array.BYTES_PER_ELEMENT);
}

/** One resource of a snapshot: a canonical v3 message in protobuf binary. */
export interface ResourceEntry {
  /** Full message name, e.g. `envoy.config.cluster.v3.Cluster`. */
  readonly type: string;
  readonly name: string;
  /** Hash of the bytes: an unchanged resource is not compiled again. */
  readonly hash: string;
  /** On a worker in shared memory, which is given up with the message that brought it. */
  readonly bytes: Uint8Array;
  /** Slot of a cluster's words; a listener counts its connections in such words too. */
  readonly slot: number;
  /** Slots of the hosts of a ClusterLoadAssignment, in the order of its endpoints. */
  readonly hostSlots: readonly number[];
}

/** What changed with a generation; the first one a worker gets holds everything. */
export interface SnapshotDelta {
  readonly generation: number;
  readonly changed: readonly ResourceEntry[];
  readonly removed: readonly { readonly type: string; readonly name: string }[];
}

export const resourceType = {
  listener: 'envoy.config.listener.v3.Listener',
  cluster: 'envoy.config.cluster.v3.Cluster',
  endpoints: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  /** Named as in common/tls/secret_refs.ts. */
  secret: 'envoy.extensions.transport_sockets.tls.v3.Secret',
  /** Named by `routeKey`. */
  routes: 'envoy.config.route.v3.RouteConfiguration',
  /** Named by `scopedRoutesKey`. */
  scopedRoutes: 'envoy.extensions.filters.network.http_connection_manager.v3.ScopedRouteConfigurationsList',
  /** Named by `extensionKey` of common/discovered_extensions.ts; without a configuration while there is none. */
  extensionConfig: 'envoy.config.core.v3.TypedExtensionConfig',
} as const;

/** The name of a set of scopes among the published ones: connection managers that say the same share it. */
export function scopedRoutesKey(
  message: envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes,
): string {
  const bytes = encode('envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes', message);
  return `${message.name}@${Buffer.from(bytes).toString('base64url')}`;
}

/** The name of a route configuration among the published ones: two sources may have one of the same name. */
export function routeKey(rds: envoy.extensions.filters.network.http_connection_manager.v3.Rds): string {
  const source = rds.configSource?.configSourceSpecifier;
  if (source === undefined || source.case === 'ads' || source.case === 'self') return rds.routeConfigName;
  const bytes = encode('envoy.config.core.v3.ConfigSource', rds.configSource!);
  return `${rds.routeConfigName}@${Buffer.from(bytes).toString('base64url')}`;
}
