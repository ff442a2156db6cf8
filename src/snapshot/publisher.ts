/** Step 4 of the control path, main thread: turns canonical resources into generations that workers read without copying. */
import { createHash } from 'node:crypto';
import type { envoy } from '../api/envoy_types.ts';
import { encode } from '../api/registry.ts';
import {
  clusterBase,
  flagsOfHealthStatus,
  HostWord,
  healthStatusFlags,
  hostBase,
  type ResourceEntry,
  resourceType,
  type SnapshotDelta,
} from './layout.ts';
import { SlotAllocator } from './slots.ts';

type Key = string;

/** Told of every listener and cluster before it is published, and when it goes. */
export interface PublishObserver {
  onListener(message: envoy.config.listener.v3.Listener, name: string): void;
  onCluster(message: envoy.config.cluster.v3.Cluster): void;
  onRemoved(type: string, name: string): void;
}

export class SnapshotPublisher {
  private readonly words: Int32Array;
  private readonly clusterSlots: SlotAllocator;
  private readonly hostSlots: SlotAllocator;
  private readonly resources = new Map<Key, ResourceEntry>();
  private readonly slotOfHost = new Map<string, number>();
  private readonly hostOfSlot = new Map<number, string>();
  private changed = new Map<Key, ResourceEntry>();
  private removed = new Map<Key, { type: string; name: string }>();
  /** Slots of hosts that went, with the first generation that does not name them: free when every worker runs it. */
  private readonly retired = new Map<number, number>();
  /** As above, slots of clusters and listeners. */
  private readonly retiredClusters = new Map<number, number>();
  /** Slots of hosts of clusters that are not published yet. */
  private readonly reserved = new Map<string, readonly number[]>();
  private generation = 0;
  private acknowledged = 0;
  private awaited: { readonly generation: number; readonly resolve: () => void }[] = [];
  /** Publishes what listeners and clusters need beside themselves, in the same generation. */
  observer: PublishObserver | undefined;

  constructor(words: Int32Array, mostClusters: number, mostHosts: number) {
    this.words = words;
    this.clusterSlots = new SlotAllocator(mostClusters);
    this.hostSlots = new SlotAllocator(mostHosts);
  }

  /** A listener counts its connections in the words of a cluster. Throws a RangeError when no slot is free. */
  setListener(message: envoy.config.listener.v3.Listener, name: string): void {
    const slot = this.resources.get(keyOf(resourceType.listener, name))?.slot ?? this.clusterSlots.take();
    this.observer?.onListener(message, name);
    this.put(resourceType.listener, name, encode(resourceType.listener, message), slot, []);
  }

  /** Throws a RangeError when the process holds as many clusters as it can. */
  setCluster(message: envoy.config.cluster.v3.Cluster): void {
    const present = this.resources.get(keyOf(resourceType.cluster, message.name));
    const slot = present?.slot ?? this.clusterSlots.take();
    this.observer?.onCluster(message);
    this.put(resourceType.cluster, message.name, encode(resourceType.cluster, message), slot, []);
  }

  /** Any other resource, under a name of its own. */
  setResource(type: string, name: string, message: unknown): void {
    this.put(type, name, encode(type, message as never), 0, []);
  }

  /** The same, encoded by its owner. */
  setEncoded(type: string, name: string, bytes: Uint8Array): void {
    this.put(type, name, bytes, 0, []);
  }

  /** Takes a resource away from the workers; a cluster with its hosts. */
  remove(type: string, name: string): void {
    const key = keyOf(type, name);
    const entry = this.resources.get(key);
    if (entry === undefined) return;
    this.resources.delete(key);
    this.changed.delete(key);
    this.removed.set(key, { type, name });
    if (type === resourceType.cluster) this.remove(resourceType.endpoints, name);
    if (type === resourceType.endpoints) this.retireHosts(entry.hostSlots);
    else if (type === resourceType.cluster || type === resourceType.listener)
      this.retiredClusters.set(entry.slot, this.generation + 1);
    this.observer?.onRemoved(type, name);
  }

  /**
   * The resolved hosts of a cluster; `moving` when its one host keeps its words wherever its address moves to.
   * Throws a RangeError when the process holds as many hosts as it can.
   */
  setEndpoints(message: envoy.config.endpoint.v3.ClusterLoadAssignment, moving = false): void {
    const before = this.resources.get(keyOf(resourceType.endpoints, message.clusterName));
    const slots = this.slotsOf(message, moving);
    const reserved = this.reserved.get(message.clusterName);
    this.reserved.delete(message.clusterName);
    const staying = new Set(slots);
    this.retireHosts([...(before?.hostSlots ?? []), ...(reserved ?? [])].filter((slot) => !staying.has(slot)));
    const bytes = encode(resourceType.endpoints, message);
    this.put(resourceType.endpoints, message.clusterName, bytes, 0, slots);
  }

  /** Gives the hosts of a cluster their words, e.g. to check their health, while workers do not know them yet. */
  reserveEndpoints(message: envoy.config.endpoint.v3.ClusterLoadAssignment, moving = false): readonly number[] {
    const slots = this.slotsOf(message, moving);
    this.dropReservation(message.clusterName, new Set(slots));
    this.reserved.set(message.clusterName, slots);
    return slots;
  }

  /** The cluster will not be published after all. */
  dropReservation(clusterName: string, staying: ReadonlySet<number> = new Set()): void {
    const published = new Set(this.resources.get(keyOf(resourceType.endpoints, clusterName))?.hostSlots);
    const gone = this.reserved.get(clusterName) ?? [];
    this.reserved.delete(clusterName);
    this.retireHosts(gone.filter((slot) => !staying.has(slot) && !published.has(slot)));
  }

  /** Slots of the hosts of a cluster, in the order of its endpoints, published or reserved. */
  hostSlotsOf(clusterName: string): readonly number[] {
    return (
      this.reserved.get(clusterName) ?? this.resources.get(keyOf(resourceType.endpoints, clusterName))?.hostSlots ?? []
    );
  }

  /** What changed since the last call as a new generation; undefined when nothing did. */
  publish(): SnapshotDelta | undefined {
    if (this.changed.size === 0 && this.removed.size === 0) return undefined;
    this.generation++;
    const delta = {
      generation: this.generation,
      changed: [...this.changed.values()],
      removed: [...this.removed.values()],
    };
    this.changed = new Map();
    this.removed = new Map();
    return delta;
  }

  /** Everything, for a worker that starts. */
  everything(): SnapshotDelta {
    return { generation: this.generation, changed: [...this.resources.values()], removed: [] };
  }

  /** Resolves when every worker runs what was put or removed until now. */
  whenServed(): Promise<void> {
    const generation = this.generation + (this.changed.size + this.removed.size > 0 ? 1 : 0);
    if (generation <= this.acknowledged) return Promise.resolve();
    return new Promise((resolve) => this.awaited.push({ generation, resolve }));
  }

  /** All workers run at least this generation: what only older ones named is free again. */
  acknowledge(generation: number): void {
    this.acknowledged = generation;
    const due = this.awaited.filter((each) => each.generation <= generation);
    this.awaited = this.awaited.filter((each) => each.generation > generation);
    for (const { resolve } of due) resolve();
    for (const [slot, since] of this.retired) {
      if (since > generation) continue;
      this.retired.delete(slot);
      this.freeHost(slot);
    }
    for (const [slot, since] of this.retiredClusters) {
      if (since > generation) continue;
      this.retiredClusters.delete(slot);
      this.words.fill(0, clusterBase(slot), clusterBase(slot + 1));
      this.clusterSlots.free(slot);
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
    const hash = createHash('sha256').update(bytes).update(`${slot} ${hostSlots.join()}`).digest('base64url');
    const key = keyOf(type, name);
    if (this.resources.get(key)?.hash === hash) return;
    const entry = { type, name, hash, bytes, slot, hostSlots };
    this.resources.set(key, entry);
    this.changed.set(key, entry);
    this.removed.delete(key);
  }

  private slotsOf(message: envoy.config.endpoint.v3.ClusterLoadAssignment, moving: boolean): number[] {
    const slots: number[] = [];
    for (const locality of message.endpoints) {
      for (const host of locality.lbEndpoints) {
        const slot = this.slotFor(hostKey(message.clusterName, locality.priority, host, moving));
        this.setWords(slot, host);
        slots.push(slot);
      }
    }
    return slots;
  }

  private retireHosts(slots: readonly number[]): void {
    for (const slot of slots) this.retired.set(slot, this.generation + 1);
  }

  private setWords(slot: number, host: envoy.config.endpoint.v3.LbEndpoint): void {
    const base = hostBase(slot);
    this.words[base + HostWord.Weight] = host.loadBalancingWeight ?? 1;
    Atomics.and(this.words, base + HostWord.Health, ~healthStatusFlags);
    Atomics.or(this.words, base + HostWord.Health, flagsOfHealthStatus(host.healthStatus));
  }

  private slotFor(key: string): number {
    let slot = this.slotOfHost.get(key);
    if (slot === undefined) {
      slot = this.hostSlots.take();
      this.slotOfHost.set(key, slot);
      this.hostOfSlot.set(slot, key);
    } else this.retired.delete(slot); // it came back
    return slot;
  }

  private freeHost(slot: number): void {
    const key = this.hostOfSlot.get(slot);
    if (key !== undefined) this.slotOfHost.delete(key);
    this.hostOfSlot.delete(slot);
    const base = hostBase(slot);
    this.words.fill(0, base, hostBase(slot + 1));
    this.hostSlots.free(slot);
  }
}

function keyOf(type: string, name: string): Key {
  return `${type}/${name}`;
}

function hostKey(
  cluster: string,
  priority: number,
  host: envoy.config.endpoint.v3.LbEndpoint,
  moving: boolean,
): string {
  const endpoint = host.hostIdentifier.case === 'endpoint' ? host.hostIdentifier.value : undefined;
  const address = endpoint?.address?.address;
  let where = '';
  if (moving) where = 'anywhere';
  else if (address?.case === 'socketAddress') where = `${address.value.address}|${portOf(address.value)}`;
  else if (address?.case === 'pipe') where = address.value.path;
  return `${cluster}/${priority}/${where}/${endpoint?.hostname ?? ''}`;
}

function portOf(address: envoy.config.core.v3.SocketAddress): number {
  return address.portSpecifier.case === 'portValue' ? address.portSpecifier.value : 0;
}
