/** Step 4 of the control path, worker: compiles what a generation changed, and only that. */
import { typeNamesIn } from '../api/any_types.ts';
import type { envoy } from '../api/envoy_types.ts';
import type { SharedWords } from '../common/counted_words.ts';
import { Slices } from '../common/slices.ts';
import { namesOfClusters } from '../common/stats/cluster_names.ts';
import type { Listener } from '../listener/listener.ts';
import type { ProcessDrain } from '../listener/listener_drain.ts';
import { type ResourceEntry, resourceType, type SnapshotDelta } from '../snapshot/layout.ts';
import { type PackedSnapshot, unpackSnapshot } from '../snapshot/packed.ts';
import { readResource } from '../snapshot/reader.ts';
import type { StatsStore } from '../spi/stats.ts';
import type { FromWorker } from '../spi/worker_messages.ts';
import type { ClusterManager } from '../upstream/cluster_manager.ts';
import { applyEndpoints } from './apply_endpoints.ts';
import { type CompiledRoutes, compileRoutes } from './compile_routes.ts';
import type { ExtensionLoader } from './extension_loader.ts';
import { LazyClusters } from './lazy_clusters.ts';
import { ListenerTable } from './listener_table.ts';
import type { SecretStore } from './secret_store.ts';

/** Milliseconds of work at most before requests get their turn. */
const sliceTime = 2;

type ScopeList = envoy.extensions.filters.network.http_connection_manager.v3.ScopedRouteConfigurationsList;

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
  private readonly lazy: LazyClusters;
  private readonly hashes = new Map<string, string>();
  /** Discovered ones, by their key. */
  private readonly routes = new Map<string, CompiledRoutes>();
  private queue: Promise<void> = Promise.resolve();

  constructor(parts: ApplierParts) {
    this.parts = parts;
    this.lazy = new LazyClusters(parts.clusters);
    this.listeners = new ListenerTable({
      ...parts,
      onListening: (listener, error) => parts.post({ kind: 'listening', listener, error }),
    });
  }

  /** Generations are applied in the order they come; each is acknowledged when it serves. */
  apply(packed: PackedSnapshot): void {
    this.queue = this.queue.then(() => this.applyNow(packed));
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

  private async applyNow(packed: PackedSnapshot): Promise<void> {
    const slices = new Slices(sliceTime);
    const changed: ResourceEntry[] = [];
    for (const entry of unpackSnapshot(packed)) {
      changed.push(entry);
      if (slices.over) await slices.next();
    }
    const delta: SnapshotDelta = { ...packed, changed };
    const entries = changed.filter((entry) => this.hashes.get(`${entry.type}/${entry.name}`) !== entry.hash);
    for (const entry of entries) this.hashes.set(`${entry.type}/${entry.name}`, entry.hash);
    for (const { type, name } of delta.removed) this.hashes.delete(`${type}/${name}`);
    this.applySecrets(entries, delta);
    await this.applyClusters(entries, slices);
    await this.applyRoutes(entries, delta, slices);
    await this.applyScopes(entries, delta);
    await this.applyExtensions(entries, delta);
    for (const { type, name } of delta.removed) if (type === resourceType.listener) this.listeners.remove(name);
    const listeners = ofType(entries, resourceType.listener);
    const ready: (() => Promise<void>)[] = [];
    for (const entry of listeners) ready.push(await this.listeners.prepare(entry, slices));
    await Promise.all(ready.map((serve) => serve()));
    // Last: what named them is gone by now.
    this.removeClusters(delta.removed.filter(({ type }) => type === resourceType.cluster).map(({ name }) => name));
    this.parts.post({ kind: 'ready', generation: delta.generation });
  }

  private removeClusters(names: readonly string[]): void {
    if (names.length === 0) return;
    const { clusters, stats } = this.parts;
    for (const name of names) {
      this.lazy.remove(name);
      clusters.removeCluster(name);
    }
    stats.drop(namesOfClusters(names, (name) => clusters.live(name) !== undefined));
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

  /** In slices: a cluster is nothing without its hosts, so that both come in the same one. */
  private async applyClusters(entries: readonly ResourceEntry[], slices: Slices): Promise<void> {
    const hosts = new Map(ofType(entries, resourceType.endpoints).map((entry) => [entry.name, entry]));
    for (const entry of ofType(entries, resourceType.cluster)) {
      const own = hosts.get(entry.name);
      hosts.delete(entry.name);
      if (slices.over) await slices.next();
      if (this.lazy.add(entry, own)) continue;
      const message = readResource(entry) as envoy.config.cluster.v3.Cluster;
      if (message.transportSocket !== undefined || message.transportSocketMatches.length > 0)
        await this.parts.loader.load(typeNamesIn(message));
      await this.parts.clusters.setCluster(message, entry.slot, slices);
      if (own !== undefined) await this.applyHosts(own, slices);
    }
    for (const entry of hosts.values()) {
      await this.applyHosts(entry, slices);
      if (slices.over) await slices.next();
    }
  }

  private async applyHosts(entry: ResourceEntry, slices: Slices): Promise<void> {
    if (!this.lazy.setEndpoints(entry)) await applyEndpoints(entry, this.parts.clusters, slices);
  }

  /** After the routes they name. */
  private async applyScopes(entries: readonly ResourceEntry[], delta: SnapshotDelta): Promise<void> {
    const { loader } = this.parts;
    for (const { type, name } of delta.removed)
      if (type === resourceType.scopedRoutes) loader.setScopes(name, undefined);
    for (const entry of ofType(entries, resourceType.scopedRoutes)) {
      const list = readResource(entry) as ScopeList;
      await loader.load(typeNamesIn(list));
      loader.setScopes(entry.name, list);
    }
  }

  /** Before listeners, as routes. */
  private async applyExtensions(entries: readonly ResourceEntry[], delta: SnapshotDelta): Promise<void> {
    const { loader } = this.parts;
    for (const { type, name } of delta.removed) if (type === resourceType.extensionConfig) loader.dropExtension(name);
    for (const entry of ofType(entries, resourceType.extensionConfig)) {
      const message = readResource(entry) as envoy.config.core.v3.TypedExtensionConfig;
      await loader.load(typeNamesIn(message));
      loader.setExtension(entry.name, message);
    }
  }

  /** Before listeners: those that are new serve with their routes from the first request on. */
  private async applyRoutes(entries: readonly ResourceEntry[], delta: SnapshotDelta, slices: Slices): Promise<void> {
    const { loader } = this.parts;
    for (const { type, name } of delta.removed) {
      if (type !== resourceType.routes) continue;
      this.routes.delete(name);
      loader.setRoutes(name, undefined);
    }
    for (const { name, bytes } of ofType(entries, resourceType.routes)) {
      // A copy: protobuf strings cannot be decoded out of shared memory.
      const compiled = await compileRoutes(new Uint8Array(bytes), this.routes.get(name), loader, slices);
      this.routes.set(name, compiled);
      loader.setRoutes(name, compiled.table);
    }
  }
}

function ofType(entries: readonly ResourceEntry[], type: string): ResourceEntry[] {
  return entries.filter((entry) => entry.type === type);
}
