/**
 * Step 4 of the control path, the one file both sides share: what the main thread publishes to workers, and the named
 * words in shared memory that all threads change with Atomics.
 */

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
const hostWords = 8;

/** Words of one cluster: the breaker counts of the default and the high priority, then the shared round-robin counter. */
export const ClusterWord = {
  Connections: 0,
  PendingRequests: 1,
  Requests: 2,
  Retries: 3,
  /** Distance from the default priority's words to the high priority's. */
  Priority: 4,
  RoundRobin: 8,
} as const;
const clusterWords = 12;

/** Most clusters and hosts a process can hold; untouched pages of the shared buffers cost no memory. */
export const mostClusters = 65_536;
export const mostHosts = 262_144;

const hostRegion = mostClusters * clusterWords;
const totalWords = hostRegion + mostHosts * hostWords;

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
  readonly bytes: SharedArrayBuffer;
  readonly offset: number;
  readonly length: number;
  /** Slot of a cluster's words. */
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
} as const;
