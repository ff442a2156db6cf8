/** Step 4 of the control path, worker: compiles what a generation changed, and only that. */
import { typeNamesIn } from '../api/any_types.ts';
import type { envoy } from '../api/envoy_types.ts';
import { logger } from '../common/log.ts';
import { Listener, listenerInfo } from '../listener/listener.ts';
import { type ResourceEntry, resourceType, type SnapshotDelta } from '../snapshot/layout.ts';
import { readResource } from '../snapshot/reader.ts';
import type { StatsStore } from '../spi/stats.ts';
import type { NetworkFilterFactory } from '../spi/worker_context.ts';
import type { FromWorker } from '../spi/worker_messages.ts';
import type { ClusterManager } from '../upstream/cluster_manager.ts';
import type { ExtensionLoader } from './extension_loader.ts';

const log = logger('config');

export class SnapshotApplier {
  private readonly worker: number;
  private readonly clusters: ClusterManager;
  private readonly loader: ExtensionLoader;
  private readonly stats: StatsStore;
  private readonly post: (message: FromWorker) => void;
  private readonly listeners = new Map<string, Listener>();
  private readonly hashes = new Map<string, string>();
  private queue: Promise<void> = Promise.resolve();

  constructor(
    worker: number,
    clusters: ClusterManager,
    loader: ExtensionLoader,
    stats: StatsStore,
    post: (message: FromWorker) => void,
  ) {
    this.worker = worker;
    this.clusters = clusters;
    this.loader = loader;
    this.stats = stats;
    this.post = post;
  }

  /** Generations are applied in the order they come; each is acknowledged when it serves. */
  apply(delta: SnapshotDelta): void {
    this.queue = this.queue.then(() => this.applyNow(delta));
  }

  drainListeners(done: () => void): void {
    let left = this.listeners.size;
    if (left === 0) done();
    for (const listener of this.listeners.values()) {
      listener.drain(() => {
        left--;
        if (left === 0) done();
      });
    }
  }

  closeListeners(): void {
    for (const listener of this.listeners.values()) listener.close();
  }

  private async applyNow(delta: SnapshotDelta): Promise<void> {
    const entries = delta.changed.filter((entry) => this.hashes.get(`${entry.type}/${entry.name}`) !== entry.hash);
    for (const entry of entries) this.hashes.set(`${entry.type}/${entry.name}`, entry.hash);
    this.applyClusters(entries, delta);
    await Promise.all(ofType(entries, resourceType.listener).map((entry) => this.addListener(entry)));
    this.post({ kind: 'ready', generation: delta.generation });
  }

  private applyClusters(entries: readonly ResourceEntry[], delta: SnapshotDelta): void {
    for (const { type, name } of delta.removed) if (type === resourceType.cluster) this.clusters.removeCluster(name);
    for (const entry of ofType(entries, resourceType.cluster)) {
      this.clusters.setCluster(readResource(entry) as envoy.config.cluster.v3.Cluster, entry.slot);
    }
    for (const entry of ofType(entries, resourceType.endpoints)) {
      const assignment = readResource(entry) as envoy.config.endpoint.v3.ClusterLoadAssignment;
      this.clusters.setEndpoints(assignment, entry.hostSlots);
    }
  }

  private async addListener(entry: ResourceEntry): Promise<void> {
    const message = readResource(entry) as envoy.config.listener.v3.Listener;
    await this.loader.load(typeNamesIn(message));
    const info = listenerInfo(message, entry.name);
    const chain = message.filterChains[0] ?? message.defaultFilterChain;
    const { name, configType } = chain.filters[chain.filters.length - 1];
    const typedConfig = configType.case === 'typedConfig' ? configType.value : undefined;
    const terminal = this.loader.extension({ name, typedConfig });
    const create = terminal.create as NetworkFilterFactory;
    const taker = create(terminal.message, this.loader, info);
    const listener = new Listener(message, info, taker, this.stats, this.worker);
    this.listeners.set(entry.name, listener);
    await new Promise<void>((resolve) => {
      listener.listen((error) => {
        if (error !== undefined) log.error(`listener '${entry.name}': ${error.message}`);
        this.post({ kind: 'listening', listener: entry.name, error: error?.message ?? '' });
        resolve();
      });
    });
  }
}

function ofType(entries: readonly ResourceEntry[], type: string): ResourceEntry[] {
  return entries.filter((entry) => entry.type === type);
}
