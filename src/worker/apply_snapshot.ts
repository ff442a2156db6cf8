/** Step 4 of the control path, worker: compiles what a generation changed, and only that. */
import { typeNamesIn } from '../api/any_types.ts';
import type { envoy } from '../api/envoy_types.ts';
import { logger } from '../common/log.ts';
import { ConnectionLimit } from '../listener/connection_limit.ts';
import { Listener, listenerInfo } from '../listener/listener.ts';
import { ListenerDrain, type ProcessDrain } from '../listener/listener_drain.ts';
import { clusterBase, type ResourceEntry, resourceType, type SnapshotDelta } from '../snapshot/layout.ts';
import { readResource } from '../snapshot/reader.ts';
import type { StatsStore } from '../spi/stats.ts';
import type { NetworkFilterFactory } from '../spi/worker_context.ts';
import type { FromWorker } from '../spi/worker_messages.ts';
import type { SharedWords } from '../upstream/circuit_breaker.ts';
import type { ClusterManager } from '../upstream/cluster_manager.ts';
import type { ExtensionLoader } from './extension_loader.ts';

const log = logger('config');

/** What a worker lends to the listeners and clusters it compiles. */
export interface ApplierParts {
  readonly worker: number;
  readonly concurrency: number;
  readonly clusters: ClusterManager;
  readonly loader: ExtensionLoader;
  readonly stats: StatsStore;
  readonly shared: SharedWords;
  readonly drain: ProcessDrain;
  readonly post: (message: FromWorker) => void;
}

export class SnapshotApplier {
  private readonly parts: ApplierParts;
  private readonly listeners = new Map<string, Listener>();
  private readonly hashes = new Map<string, string>();
  private queue: Promise<void> = Promise.resolve();

  constructor(parts: ApplierParts) {
    this.parts = parts;
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
    for (const listener of this.listeners.values()) listener.close();
  }

  private chosen(inboundOnly: boolean): Listener[] {
    return [...this.listeners.values()].filter((listener) => !inboundOnly || listener.inbound);
  }

  private async applyNow(delta: SnapshotDelta): Promise<void> {
    const entries = delta.changed.filter((entry) => this.hashes.get(`${entry.type}/${entry.name}`) !== entry.hash);
    for (const entry of entries) this.hashes.set(`${entry.type}/${entry.name}`, entry.hash);
    this.applyClusters(entries, delta);
    await Promise.all(ofType(entries, resourceType.listener).map((entry) => this.addListener(entry)));
    this.parts.post({ kind: 'ready', generation: delta.generation });
  }

  private applyClusters(entries: readonly ResourceEntry[], delta: SnapshotDelta): void {
    for (const { type, name } of delta.removed)
      if (type === resourceType.cluster) this.parts.clusters.removeCluster(name);
    for (const entry of ofType(entries, resourceType.cluster)) {
      this.parts.clusters.setCluster(readResource(entry) as envoy.config.cluster.v3.Cluster, entry.slot);
    }
    for (const entry of ofType(entries, resourceType.endpoints)) {
      const assignment = readResource(entry) as envoy.config.endpoint.v3.ClusterLoadAssignment;
      this.parts.clusters.setEndpoints(assignment, entry.hostSlots);
    }
  }

  private async addListener(entry: ResourceEntry): Promise<void> {
    const message = readResource(entry) as envoy.config.listener.v3.Listener;
    const { loader, stats, shared, worker, concurrency } = this.parts;
    await loader.load(typeNamesIn(message));
    const drain = new ListenerDrain(this.parts.drain, message.drainType);
    const info = listenerInfo(message, entry.name, drain);
    const chain = message.filterChains[0] ?? message.defaultFilterChain;
    const { name, configType } = chain.filters[chain.filters.length - 1];
    const typedConfig = configType.case === 'typedConfig' ? configType.value : undefined;
    const terminal = loader.extension({ name, typedConfig });
    const create = terminal.create as NetworkFilterFactory;
    const listener = new Listener({
      message,
      info,
      taker: create(terminal.message, loader, info),
      filterChainName: chain.name,
      store: stats,
      drain,
      accessLoggers: loader.accessLoggers(message.accessLog),
      limit: new ConnectionLimit(entry.name, loader.runtime, shared, clusterBase(entry.slot)),
      worker,
      acceptsAlone: entry.slot % concurrency === worker,
    });
    this.listeners.set(entry.name, listener);
    await new Promise<void>((resolve) => {
      listener.listen((error) => {
        if (error !== undefined) log.error(`listener '${entry.name}': ${error.message}`);
        this.parts.post({ kind: 'listening', listener: entry.name, error: error?.message ?? '' });
        resolve();
      });
    });
  }
}

function ofType(entries: readonly ResourceEntry[], type: string): ResourceEntry[] {
  return entries.filter((entry) => entry.type === type);
}
