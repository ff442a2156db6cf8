/** The control path once more: the bootstrap is loaded again and its difference applied, by the same sets that discovery feeds. */
import { create, equals } from '@bufbuild/protobuf';
import type { envoy } from '../api/envoy_types.ts';
import { type AnyMessage, messageType } from '../api/registry.ts';
import { addressOfMessage } from '../common/address.ts';
import { logger } from '../common/log.ts';
import type { Diagnostic } from '../config/diagnostic.ts';
import type { LoadedBootstrap } from '../config/load.ts';
import type { ClusterSet } from './cluster_set.ts';
import type { ListenerSet } from './listener_set.ts';
import type { RuntimeLayers } from './runtime_layers.ts';
import type { SecretSet } from './secrets/secret_set.ts';
import { listenerName, staticListeners } from './static_listeners.ts';

type Bootstrap = envoy.config.bootstrap.v3.Bootstrap;
type Cluster = envoy.config.cluster.v3.Cluster;
type Listener = envoy.config.listener.v3.Listener;

const log = logger('config');

export interface ReloaderParts {
  readonly loaded: LoadedBootstrap;
  /** Fills in what the command line says, as it was done with the first. */
  readonly prepare: (bootstrap: Bootstrap) => void;
  readonly clusters: ClusterSet;
  readonly listeners: ListenerSet;
  readonly secrets: SecretSet;
  readonly runtime: RuntimeLayers;
  readonly onRuntime: () => void;
  /** Resolves when every worker runs what the sets were told until now. */
  readonly whenServed: () => Promise<void>;
  /** Shows what is wrong or worth a warning. */
  readonly report: (diagnostics: readonly Diagnostic[]) => void;
  /** It serves now. */
  readonly onApplied: (bootstrap: Bootstrap) => void;
}

/** What a reload comes to, by name. */
interface Difference<T> {
  readonly added: readonly T[];
  readonly changed: readonly T[];
  readonly removed: readonly string[];
}

const bootstrapType = 'envoy.config.bootstrap.v3.Bootstrap';
/** What a running process can take up; every other field waits for a restart. */
const takenUp = new Set(['static_resources', 'layered_runtime']);

export class Reloader {
  private readonly parts: ReloaderParts;
  private loaded: LoadedBootstrap;
  private running: Promise<boolean> | undefined;
  private again: Promise<boolean> | undefined;

  constructor(parts: ReloaderParts) {
    this.parts = parts;
    this.loaded = parts.loaded;
  }

  /**
   * Resolves when what the sources say now serves, with false when it was refused. One at a time: who asks during another one
   * gets a second, which sees everything that was written until then.
   */
  reload(): Promise<boolean> {
    if (this.running === undefined) {
      this.running = this.run().finally(() => {
        this.running = undefined;
      });
      return this.running;
    }
    this.again ??= this.running.then(() => {
      this.again = undefined;
      return this.reload();
    });
    return this.again;
  }

  private async run(): Promise<boolean> {
    const next = this.loaded.again();
    const errors = next.bootstrap === undefined ? next.errors : await this.bindErrors(next);
    if (next.bootstrap === undefined || errors.length > 0) {
      this.parts.report([...next.warnings, ...errors]);
      const count = errors.length === 1 ? '1 error' : `${errors.length} errors`;
      log.error(`reload refused: ${count} in the configuration; the former one keeps serving`);
      return false;
    }
    this.parts.prepare(next.bootstrap);
    this.parts.report([...next.warnings, ...this.unchangeable(next)]);
    await this.apply(this.loaded.bootstrap!, next.bootstrap);
    this.loaded = next;
    this.parts.onApplied(next.bootstrap);
    return true;
  }

  /** Before anything is applied: a listener that cannot listen refuses the whole file, as it does at a start. */
  private async bindErrors(next: LoadedBootstrap): Promise<Diagnostic[]> {
    const listeners = next.bootstrap!.staticResources?.listeners ?? [];
    const errors = await this.parts.listeners.tryBinding(listeners);
    return errors.map(({ index, reason }) =>
      next.diagnose('error', `static_resources.listeners[${index}].address`, reason),
    );
  }

  private unchangeable(next: LoadedBootstrap): Diagnostic[] {
    const former = this.loaded.bootstrap!;
    return changedFields(former, next.bootstrap!)
      .filter((name) => !takenUp.has(name))
      .map((name) =>
        next.diagnose('warning', name, `'${name}' has changed: that takes a restart, the former stays in use`),
      );
  }

  private async apply(former: Bootstrap, next: Bootstrap): Promise<void> {
    const { secrets, runtime, clusters, listeners, onRuntime } = this.parts;
    secrets.reloadStatic(next.staticResources?.secrets ?? []);
    if (changedFields(former, next).includes('layered_runtime')) {
      runtime.replace(next.layeredRuntime);
      onRuntime();
    }
    const changedClusters = this.difference('cluster', clusters.known(), staticClusters(former), staticClusters(next));
    const changedListeners = this.difference('listener', listeners.known(), listenersOf(former), listenersOf(next));
    const source = { dynamic: false, version: '' };
    // New clusters are there before a route leads to them, old ones until none does.
    await Promise.all(
      [...changedClusters.added, ...changedClusters.changed].map((each) => clusters.apply(each, source)),
    );
    this.makeRoom(changedListeners);
    for (const each of [...changedListeners.added, ...changedListeners.changed]) {
      const reason = await listeners.apply(each, source);
      if (reason !== '') log.error(`reload: listener '${listenerName(each)}': ${reason}`);
    }
    await listeners.warm();
    for (const name of changedListeners.removed) listeners.remove(name);
    await this.parts.whenServed();
    for (const name of changedClusters.removed) clusters.remove(name);
    await this.parts.whenServed();
    const parts = [summary('clusters', changedClusters), summary('listeners', changedListeners)].filter(Boolean);
    log.info(`configuration reloaded: ${parts.join('; ') || 'no cluster and no listener has changed'}`);
  }

  /** A listener that only took another name cannot have its address before the old one has gone. */
  private makeRoom({ added, removed }: Difference<Listener>): void {
    const wanted = new Set(added.map((each) => addressOfMessage(each.address).text));
    for (const each of this.parts.listeners.all()) {
      if (removed.includes(each.name) && wanted.has(each.address.text)) this.parts.listeners.remove(each.name);
    }
  }

  /** Names that discovery has taken are left to it. */
  private difference<T extends object>(
    kind: string,
    known: ReadonlyMap<string, { readonly dynamic: boolean }>,
    former: ReadonlyMap<string, T>,
    next: ReadonlyMap<string, T>,
  ): Difference<T> {
    const added: T[] = [];
    const changed: T[] = [];
    for (const [name, message] of next) {
      const before = former.get(name);
      if (known.get(name)?.dynamic === true)
        log.warn(`reload: ${kind} '${name}' is served by discovery, the file's is left out`);
      else if (before === undefined) added.push(message);
      else if (!same(before, message)) changed.push(message);
    }
    const removed = [...former.keys()].filter((name) => !next.has(name) && known.get(name)?.dynamic === false);
    return { added, changed, removed };
  }
}

/** Names of the bootstrap's fields that are not the same. */
function changedFields(one: Bootstrap, other: Bootstrap): string[] {
  const type = messageType(bootstrapType);
  const changed = type.fields.filter((field) => {
    const name = field.oneof?.localName ?? field.localName;
    const alone = (bootstrap: Bootstrap) =>
      create(type, { [name]: (bootstrap as unknown as AnyMessage)[name] } as Record<string, unknown>);
    return !equals(type, alone(one), alone(other));
  });
  return changed.map((field) => field.name);
}

function same(one: object, other: object): boolean {
  return equals(messageType((one as AnyMessage).$typeName), one as AnyMessage, other as AnyMessage);
}

function staticClusters(bootstrap: Bootstrap): Map<string, Cluster> {
  return new Map((bootstrap.staticResources?.clusters ?? []).map((cluster) => [cluster.name, cluster]));
}

function listenersOf(bootstrap: Bootstrap): Map<string, Listener> {
  const listeners = staticListeners(bootstrap.staticResources?.listeners ?? []);
  return new Map([...listeners].map(([name, { message }]) => [name, message]));
}

function summary(kind: string, { added, changed, removed }: Difference<{ name: string }>): string {
  const names = (what: string, list: readonly string[]) => (list.length === 0 ? [] : [`${what} ${list.join(', ')}`]);
  const nameOf = (each: { name: string }) => each.name || 'without a name';
  const parts = [
    ...names('added', added.map(nameOf)),
    ...names('changed', changed.map(nameOf)),
    ...names('removed', removed),
  ];
  return parts.length === 0 ? '' : `${kind}: ${parts.join('; ')}`;
}
