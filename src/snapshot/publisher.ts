/** Step 4 of the control path, main thread: turns canonical resources into generations that workers read without copying. */
import { createHash } from 'node:crypto';
import type { envoy } from '../api/envoy_types.ts';
import { encode } from '../api/registry.ts';
import { HostWord, hostBase, type ResourceEntry, resourceType, type SnapshotDelta } from './layout.ts';
import { SlotAllocator } from './slots.ts';

type Key = string;

/** What waits to be freed until every worker runs a generation that does not name it. */
interface Retired {
  readonly generation: number;
  readonly hostSlots: readonly number[];
  readonly clusterSlot: number | undefined;
}

export class SnapshotPublisher {
  private readonly words: Int32Array;
  private readonly clusterSlots: SlotAllocator;
  private readonly hostSlots: SlotAllocator;
  private readonly resources = new Map<Key, ResourceEntry>();
  private readonly slotOfHost = new Map<string, number>();
  private changed = new Map<Key, ResourceEntry>();
  private removed: { type: string; name: string }[] = [];
  private retired: Retired[] = [];
  private generation = 0;

  constructor(words: Int32Array, mostClusters: number, mostHosts: number) {
    this.words = words;
    this.clusterSlots = new SlotAllocator(mostClusters);
    this.hostSlots = new SlotAllocator(mostHosts);
  }

  setListener(message: envoy.config.listener.v3.Listener, name: string): void {
    this.put(resourceType.listener, name, encode(resourceType.listener, message), 0, []);
  }

  /** Throws a RangeError when the process holds as many clusters as it can. */
  setCluster(message: envoy.config.cluster.v3.Cluster): void {
    const present = this.resources.get(keyOf(resourceType.cluster, message.name));
    const slot = present?.slot ?? this.clusterSlots.take();
    this.put(resourceType.cluster, message.name, encode(resourceType.cluster, message), slot, []);
  }

  /** The resolved hosts of a cluster. Throws a RangeError when the process holds as many hosts as it can. */
  setEndpoints(message: envoy.config.endpoint.v3.ClusterLoadAssignment): void {
    const before = this.resources.get(keyOf(resourceType.endpoints, message.clusterName));
    const slots: number[] = [];
    for (const locality of message.endpoints) {
      for (const host of locality.lbEndpoints) {
        const slot = this.slotFor(hostKey(message.clusterName, locality.priority, host));
        this.words[hostBase(slot) + HostWord.Weight] = host.loadBalancingWeight ?? 1;
        slots.push(slot);
      }
    }
    const gone = before?.hostSlots.filter((slot) => !slots.includes(slot)) ?? [];
    if (gone.length > 0)
      this.retired.push({ generation: this.generation + 1, hostSlots: gone, clusterSlot: undefined });
    const bytes = encode(resourceType.endpoints, message);
    this.put(resourceType.endpoints, message.clusterName, bytes, 0, slots);
  }

  /** What changed since the last call as a new generation; undefined when nothing did. */
  publish(): SnapshotDelta | undefined {
    if (this.changed.size === 0 && this.removed.length === 0) return undefined;
    this.generation++;
    const delta = { generation: this.generation, changed: [...this.changed.values()], removed: this.removed };
    this.changed = new Map();
    this.removed = [];
    return delta;
  }

  /** Everything, for a worker that starts. */
  everything(): SnapshotDelta {
    return { generation: this.generation, changed: [...this.resources.values()], removed: [] };
  }

  /** All workers run at least this generation: what only older ones named is free again. */
  acknowledge(generation: number): void {
    const done = this.retired.filter((entry) => entry.generation <= generation);
    if (done.length === 0) return;
    this.retired = this.retired.filter((entry) => entry.generation > generation);
    for (const entry of done) {
      for (const slot of entry.hostSlots) this.freeHost(slot);
      if (entry.clusterSlot !== undefined) this.clusterSlots.free(entry.clusterSlot);
    }
  }

  get currentGeneration(): number {
    return this.generation;
  }

  /** Slot of a cluster's words, for the admin pages. */
  clusterSlot(name: string): number | undefined {
    return this.resources.get(keyOf(resourceType.cluster, name))?.slot;
  }

  private put(type: string, name: string, bytes: Uint8Array, slot: number, hostSlots: number[]): void {
    const hash = createHash('sha256').update(bytes).update(hostSlots.join()).digest('base64url');
    const key = keyOf(type, name);
    if (this.resources.get(key)?.hash === hash) return;
    const shared = new SharedArrayBuffer(bytes.length);
    new Uint8Array(shared).set(bytes);
    const entry = { type, name, hash, bytes: shared, offset: 0, length: bytes.length, slot, hostSlots };
    this.resources.set(key, entry);
    this.changed.set(key, entry);
  }

  private slotFor(key: string): number {
    let slot = this.slotOfHost.get(key);
    if (slot === undefined) {
      slot = this.hostSlots.take();
      this.slotOfHost.set(key, slot);
    }
    return slot;
  }

  private freeHost(slot: number): void {
    for (const [key, taken] of this.slotOfHost) if (taken === slot) this.slotOfHost.delete(key);
    const base = hostBase(slot);
    this.words.fill(0, base, hostBase(slot + 1));
    this.hostSlots.free(slot);
  }
}

function keyOf(type: string, name: string): Key {
  return `${type}/${name}`;
}

function hostKey(cluster: string, priority: number, host: envoy.config.endpoint.v3.LbEndpoint): string {
  const endpoint = host.hostIdentifier.case === 'endpoint' ? host.hostIdentifier.value : undefined;
  const address = endpoint?.address?.address;
  const where = address?.case === 'socketAddress' ? `${address.value.address}|${portOf(address.value)}` : '';
  return `${cluster}/${priority}/${where}/${endpoint?.hostname ?? ''}`;
}

function portOf(address: envoy.config.core.v3.SocketAddress): number {
  return address.portSpecifier.case === 'portValue' ? address.portSpecifier.value : 0;
}
