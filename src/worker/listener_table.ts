/** Step 4 of the control path, worker: the listeners of one worker: opened, changed in place, replaced, taken away. */
import { typeNamesIn } from '../api/any_types.ts';
import type { envoy } from '../api/envoy_types.ts';
import { releaseCounts, type SharedWords } from '../common/counted_words.ts';
import { sameButChains } from '../common/listener_changes.ts';
import { logger } from '../common/log.ts';
import type { Slices } from '../common/slices.ts';
import { ConnectionLimit, globalLimitKey, listenerLimitKey } from '../listener/connection_limit.ts';
import type { FilterChain, FilterChainSet } from '../listener/filter_chain.ts';
import { Listener, listenerInfo } from '../listener/listener.ts';
import { ListenerDrain, type ProcessDrain } from '../listener/listener_drain.ts';
import { clientsWord, clusterBase, type ResourceEntry } from '../snapshot/layout.ts';
import type { StatsStore } from '../spi/stats.ts';
import type { ListenerInfo } from '../spi/worker_context.ts';
import { compileFilterChains, compileListenerFilters, readListener } from './compile_listener.ts';
import type { ExtensionLoader } from './extension_loader.ts';

const log = logger('config');

type ListenerMessage = envoy.config.listener.v3.Listener;

export interface ListenerTableParts {
  readonly worker: number;
  readonly concurrency: number;
  readonly loader: ExtensionLoader;
  readonly stats: StatsStore;
  readonly shared: SharedWords;
  readonly drain: ProcessDrain;
  readonly onListening: (listener: string, error: string) => void;
}

export class ListenerTable {
  private readonly parts: ListenerTableParts;
  private readonly listeners = new Map<string, Listener>();
  /** Those that accept no more and wait for their connections, each with the end of its drain time. */
  private readonly draining = new Map<Listener, NodeJS.Timeout>();
  /** Where their connections are counted. */
  private readonly slots = new Map<string, number>();
  private readonly drainingChains = new Map<FilterChain, NodeJS.Timeout>();
  /** Of listeners that went: until then their statistics stay. */
  private readonly forgetting = new Set<NodeJS.Timeout>();

  constructor(parts: ListenerTableParts) {
    this.parts = parts;
  }

  all(): Listener[] {
    return [...this.listeners.values()];
  }

  /**
   * A listener that is new, or that changed. When nothing but its filter chains did, it stays, and so do the connections of
   * the chains it keeps. Else another one takes over its sockets; connections of the former one drain. It is compiled in
   * slices; what is resolved with then makes it serve.
   */
  async prepare(entry: ResourceEntry, slices: Slices): Promise<() => Promise<void>> {
    const { loader } = this.parts;
    const read = await readListener(entry, slices);
    const { message } = read;
    await loader.load(typeNamesIn({ ...message, filterChains: [], defaultFilterChain: undefined }));
    const former = this.listeners.get(entry.name);
    if (former !== undefined && sameButChains(former.message, message)) {
      const chains = await compileFilterChains(read, loader, former.info, slices, former.filterChains);
      return async () => this.changeChains(former, message, chains);
    }
    const drain = new ListenerDrain(this.parts.drain, message.drainType);
    const info = listenerInfo(message, entry.name, drain);
    const chains = await compileFilterChains(read, loader, info, slices);
    const listener = this.make(entry, message, info, drain, chains);
    return () => this.open(entry, listener, former);
  }

  remove(name: string): void {
    const listener = this.listeners.get(name);
    if (listener === undefined) return;
    this.listeners.delete(name);
    this.leaveSlot(name);
    // What the kernel has set up already is accepted in this turn of the loop.
    setImmediate(() => {
      listener.stop();
      this.letGo(listener);
    });
  }

  /** The words get another owner while the last connections go on. */
  private leaveSlot(name: string): void {
    const slot = this.slots.get(name);
    this.slots.delete(name);
    if (slot !== undefined) releaseCounts(this.parts.shared, clusterBase(slot));
  }

  /** Stops accepting; `done` is called when no connection is left. */
  drain(done: () => void): void {
    const all = [...this.listeners.values(), ...this.draining.keys()];
    let left = all.length;
    if (left === 0) done();
    for (const listener of all) {
      listener.drain(() => {
        left--;
        if (left === 0) done();
      });
    }
  }

  close(): void {
    const timers = [...this.draining.values(), ...this.drainingChains.values(), ...this.forgetting];
    for (const timer of timers) clearTimeout(timer);
    for (const listener of [...this.listeners.values(), ...this.draining.keys()]) listener.close();
  }

  private changeChains(listener: Listener, message: ListenerMessage, chains: FilterChainSet): void {
    for (const chain of listener.replaceChains(message, chains)) this.letGoChain(chain, listener.drainTime);
  }

  private make(
    entry: ResourceEntry,
    message: ListenerMessage,
    info: ListenerInfo,
    drain: ListenerDrain,
    chains: FilterChainSet,
  ): Listener {
    const { loader, stats, shared, worker, concurrency } = this.parts;
    return new Listener({
      message,
      info,
      chains,
      filters: compileListenerFilters(message, loader, info),
      store: stats,
      drain,
      accessLoggers: loader.accessLoggers(message.accessLog),
      limit: new ConnectionLimit(listenerLimitKey(entry.name), loader.runtime, shared, clusterBase(entry.slot)),
      globalLimit: message.ignoreGlobalConnLimit
        ? undefined
        : new ConnectionLimit(globalLimitKey, loader.runtime, shared, clientsWord),
      worker,
      acceptsAlone: entry.slot % concurrency === worker,
    });
  }

  private async open(entry: ResourceEntry, listener: Listener, former: Listener | undefined): Promise<void> {
    if (this.slots.get(entry.name) !== entry.slot) this.leaveSlot(entry.name);
    this.slots.set(entry.name, entry.slot);
    former?.handOverAcceptors(listener);
    this.listeners.set(entry.name, listener);
    const { promise, resolve } = Promise.withResolvers<void>();
    listener.listen((error) => {
      if (error !== undefined) log.error(`listener '${entry.name}': ${error.message}`);
      this.parts.onListening(entry.name, error?.message ?? '');
      resolve();
    });
    await promise;
    if (former === undefined) return;
    former.stop();
    this.letGo(former);
  }

  /** Its connections go as the drain strategy says; what is left at the end of the drain time is closed. */
  private letGo(listener: Listener): void {
    if (listener.isEmpty) listener.close();
    else this.letEnd(listener);
    this.forgetLater(listener.info.statPrefix, listener.drainTime);
  }

  private letEnd(listener: Listener): void {
    listener.startDrainSequence();
    const timer = setTimeout(() => {
      this.draining.delete(listener);
      listener.close();
    }, listener.drainTime);
    this.draining.set(listener, timer);
    listener.onceEmpty(() => {
      clearTimeout(timer);
      this.draining.delete(listener);
    });
  }

  /** Its statistics go with the end of the drain time, unless another listener counts under the same prefix. */
  private forgetLater(statPrefix: string, drainTime: number): void {
    const timer = setTimeout(() => {
      this.forgetting.delete(timer);
      const used = [...this.listeners.values(), ...this.draining.keys()].map(({ info }) => info.statPrefix);
      if (used.includes(statPrefix)) return;
      this.parts.stats.drop((name) => name.startsWith(statPrefix) && !used.some((longer) => name.startsWith(longer)));
    }, drainTime);
    timer.unref();
    this.forgetting.add(timer);
  }

  private letGoChain(chain: FilterChain, drainTime: number): void {
    const close = (): void => {
      this.drainingChains.delete(chain);
      chain.taker.close();
      chain.transport?.close();
    };
    if (chain.connections === 0) {
      close();
      return;
    }
    chain.drain.start();
    this.drainingChains.set(chain, setTimeout(close, drainTime));
  }
}
