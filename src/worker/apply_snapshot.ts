/** Step 4 of the control path, worker: compiles what a generation changed, and only that. */
import { typeNamesIn } from '../api/any_types.ts';
import type { envoy } from '../api/envoy_types.ts';
import type { Listener } from '../listener/listener.ts';
import type { ProcessDrain } from '../listener/listener_drain.ts';
import { type ResourceEntry, resourceType, type SnapshotDelta } from '../snapshot/layout.ts';
import { readResource } from '../snapshot/reader.ts';
import type { StatsStore } from '../spi/stats.ts';
import type { FromWorker } from '../spi/worker_messages.ts';
import type { SharedWords } from '../upstream/circuit_breaker.ts';
import type { ClusterManager } from '../upstream/cluster_manager.ts';
import type { ExtensionLoader } from './extension_loader.ts';
import { ListenerTable } from './listener_table.ts';
import type { SecretStore } from './secret_store.ts';

/** What a worker lends to the listeners and clusters it compiles. */
export interface ApplierParts {
  readonly worker: number;
  readonly concurrency: number;
  readonly clusters: ClusterManager;
  readonly secrets: SecretStore;
  readonly loader: ExtensionLoader;
  readonly stats: StatsStore;
  readonly shared: SharedWords;
  readonly drain: ProcessDrain;
  readonly post: (message: FromWorker) => void;
}

export class SnapshotApplier {
  private readonly parts: ApplierParts;
  private readonly listeners: ListenerTable;
  private readonly hashes = new Map<string, string>();
  private queue: Promise<void> = Promise.resolve();

  constructor(parts: ApplierParts) {
    this.parts = parts;
    this.listeners = new ListenerTable({
      ...parts,
      onListening: (listener, error) => parts.post({ kind: 'listening', listener, error }),
    });
  }

  /** Generations are applied in the order they come; each is acknowledged when it serves. */
  apply(delta: SnapshotDelta): void {
    this.queue = this.queue.then(() => this.applyNow(delta));
  }

  drainListeners(done: () => void): void {
    this.listeners.drain(done);
  }

  /** Behind the snapshots that came before: a worker that starts anew is told what holds before it has listeners. */
  startDrainSequence(inboundOnly: boolean): void {
    this.queue = this.queue.then(() => {
      for (const listener of this.chosen(inboundOnly)) listener.startDrainSequence();
    });
  }

  stopListeners(inboundOnly: boolean, done: () => void): void {
    this.queue = this.queue.then(() => {
      // Behind the accepts of this turn of the loop: what waits in a queue that is closed is reset.
      setImmediate(() => {
        for (const listener of this.chosen(inboundOnly)) listener.stop();
        done();
      });
    });
  }

  closeListeners(): void {
    this.listeners.close();
  }

  private chosen(inboundOnly: boolean): Listener[] {
    return this.listeners.all().filter((listener) => !inboundOnly || listener.inbound);
  }

  private async applyNow(delta: SnapshotDelta): Promise<void> {
    const entries = delta.changed.filter((entry) => this.hashes.get(`${entry.type}/${entry.name}`) !== entry.hash);
    for (const entry of entries) this.hashes.set(`${entry.type}/${entry.name}`, entry.hash);
    for (const { type, name } of delta.removed) this.hashes.delete(`${type}/${name}`);
    this.applySecrets(entries, delta);
    await this.applyClusters(entries, delta);
    await this.applyRoutes(entries, delta);
    for (const { type, name } of delta.removed) if (type === resourceType.listener) this.listeners.remove(name);
    await Promise.all(ofType(entries, resourceType.listener).map((entry) => this.listeners.apply(entry)));
    this.parts.post({ kind: 'ready', generation: delta.generation });
  }

  /** Before what is secured by them. */
  private applySecrets(entries: readonly ResourceEntry[], delta: SnapshotDelta): void {
    const changed = new Map<string, envoy.extensions.transport_sockets.tls.v3.Secret>();
    for (const entry of ofType(entries, resourceType.secret)) {
      changed.set(entry.name, readResource(entry) as envoy.extensions.transport_sockets.tls.v3.Secret);
    }
    const removed = delta.removed.filter(({ type }) => type === resourceType.secret).map(({ name }) => name);
    if (changed.size > 0 || removed.length > 0) this.parts.secrets.apply(changed, removed);
  }

  private async applyClusters(entries: readonly ResourceEntry[], delta: SnapshotDelta): Promise<void> {
    for (const { type, name } of delta.removed)
      if (type === resourceType.cluster) this.parts.clusters.removeCluster(name);
    for (const entry of ofType(entries, resourceType.cluster)) {
      const message = readResource(entry) as envoy.config.cluster.v3.Cluster;
      if (message.transportSocket !== undefined || message.transportSocketMatches.length > 0)
        await this.parts.loader.load(typeNamesIn(message));
      this.parts.clusters.setCluster(message, entry.slot);
    }
    for (const entry of ofType(entries, resourceType.endpoints)) {
      const assignment = readResource(entry) as envoy.config.endpoint.v3.ClusterLoadAssignment;
      this.parts.clusters.setEndpoints(assignment, entry.hostSlots);
    }
  }

  /** Before listeners: those that are new serve with their routes from the first request on. */
  private async applyRoutes(entries: readonly ResourceEntry[], delta: SnapshotDelta): Promise<void> {
    const { loader } = this.parts;
    for (const { type, name } of delta.removed) if (type === resourceType.routes) loader.setRoutes(name, undefined);
    for (const entry of ofType(entries, resourceType.routes)) {
      const message = readResource(entry) as envoy.config.route.v3.RouteConfiguration;
      await loader.load(typeNamesIn(message));
      loader.setRoutes(entry.name, message);
    }
  }
}

function ofType(entries: readonly ResourceEntry[], type: string): ResourceEntry[] {
  return entries.filter((entry) => entry.type === type);
}
