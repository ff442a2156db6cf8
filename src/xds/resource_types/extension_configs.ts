/** Control path, step 3: ECDS: configurations of filters that listeners name, each fetched once and shared by all that name it. */
import { create } from '@bufbuild/protobuf';
import type { envoy } from '../../api/envoy_types.ts';
import { encode, messageType, typeNameOf } from '../../api/registry.ts';
import { categoryOf, type DiscoveredExtension, extensionKey } from '../../common/discovered_extensions.ts';
import { defineLayout } from '../../common/stats/layout.ts';
import { checkResource, reasonsOf } from '../../config/check_resource.ts';
import { factoryByType } from '../../extensions/registry.ts';
import { resourceType } from '../../snapshot/layout.ts';
import type { SnapshotPublisher } from '../../snapshot/publisher.ts';
import type { ExtensionFactory } from '../../spi/extension.ts';
import type { StatsStore } from '../../spi/stats.ts';
import type { DecodedResource, Rejection, Subscription, SubscriptionFactory } from '../subscription.ts';

type TypedExtensionConfig = envoy.config.core.v3.TypedExtensionConfig;

/** `extension_config_discovery.<kind>.<name>.`, beside what every subscription counts. */
const EXTENSION_CONFIG = defineLayout('extension_config', ['config_conflict', 'config_fail', 'config_reload']);

export interface ExtensionConfigSetParts {
  readonly publisher: SnapshotPublisher;
  readonly stats: StatsStore;
  readonly subscriptions: () => SubscriptionFactory;
  readonly clusters: () => ReadonlySet<string>;
  readonly onChange: () => void;
}

/** One configuration in use. */
export interface KnownExtensionConfig {
  readonly name: string;
  readonly version: string;
  readonly updatedAt: number;
  readonly message: TypedExtensionConfig;
}

class Entry {
  readonly key: string;
  readonly name: string;
  readonly stats: Float64Array;
  readonly users: DiscoveredExtension[] = [];
  readonly ready = Promise.withResolvers<void>();
  subscription: Subscription | undefined;
  known: KnownExtensionConfig | undefined;

  constructor(key: string, name: string, stats: Float64Array) {
    this.key = key;
    this.name = name;
    this.stats = stats;
  }

  count(name: keyof typeof EXTENSION_CONFIG.slot): void {
    this.stats[EXTENSION_CONFIG.slot[name]]++;
  }
}

export class ExtensionConfigSet {
  private readonly parts: ExtensionConfigSetParts;
  private readonly entries = new Map<string, Entry>();

  constructor(parts: ExtensionConfigSetParts) {
    this.parts = parts;
  }

  all(): readonly KnownExtensionConfig[] {
    return [...this.entries.values()].flatMap(({ known }) => known ?? []);
  }

  /** Someone names this configuration; resolves when it is there, will not come in time, or need not be waited for. */
  async acquire(user: DiscoveredExtension): Promise<void> {
    const { kind, name, source } = user;
    const key = extensionKey(kind, name, source);
    let entry = this.entries.get(key);
    if (entry === undefined) {
      const prefix = `extension_config_discovery.${kind}.${name}.`;
      entry = new Entry(key, name, this.parts.stats.block(EXTENSION_CONFIG, prefix));
      for (let i = 0; i < entry.stats.length; i++) entry.stats[i] += 0;
      entry.users.push(user);
      this.entries.set(key, entry);
      entry.subscription = this.subscribe(source.configSource!, prefix, entry);
      entry.subscription.start(new Set([name]));
    } else {
      entry.users.push(user);
      // This user goes on with its default: the worker looks at the type as well.
      if (entry.known !== undefined && misfit(user, entry.known.message) !== '') entry.count('config_conflict');
    }
    if (!source.applyDefaultConfigWithoutWarming) await entry.ready.promise;
  }

  /** One fewer names it. */
  release(user: DiscoveredExtension): void {
    const key = extensionKey(user.kind, user.name, user.source);
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    const at = entry.users.findIndex(({ source, last }) => source === user.source && last === user.last);
    entry.users.splice(Math.max(0, at), 1);
    if (entry.users.length > 0) return;
    this.entries.delete(key);
    entry.subscription?.stop();
    this.parts.publisher.remove(resourceType.extensionConfig, key);
  }

  stop(): void {
    for (const entry of this.entries.values()) entry.subscription?.stop();
  }

  private subscribe(source: envoy.config.core.v3.ConfigSource, prefix: string, entry: Entry): Subscription {
    const fail = (rejections: Rejection[]): Rejection[] => {
      if (rejections.length > 0) entry.count('config_fail');
      entry.ready.resolve();
      return rejections;
    };
    // Over ADS a response may be about other filters alone.
    const shared = source.configSourceSpecifier.case === 'ads';
    return this.parts.subscriptions().subscribe(source, resourceType.extensionConfig, prefix, {
      onConfigUpdate: (resources, version) => {
        const mine = resources.filter(({ name }) => name === entry.name);
        return mine.length === 0 && shared ? [] : fail(this.take(entry, mine, version));
      },
      onDeltaUpdate: (added, removed, version) => {
        if (added.length > 0) return fail(this.take(entry, added, version));
        if (removed.includes(entry.name)) this.forget(entry);
        return fail([]);
      },
      onConfigUpdateFailed: (why) => {
        entry.count('config_fail');
        if (why !== 'connection failure') entry.ready.resolve();
      },
    });
  }

  /** Why it cannot be used; nothing has changed then. */
  private take(entry: Entry, resources: readonly DecodedResource[], version: string): Rejection[] {
    const { name } = entry;
    if (resources.length !== 1) {
      const reason = `Unexpected number of resources in ExtensionConfigDS response: ${resources.length}`;
      return [{ resource: name, reason }];
    }
    const [resource] = resources;
    const message = resource.message as unknown as TypedExtensionConfig;
    if (entry.known !== undefined && sameConfig(entry.known.message, message)) return [];
    for (const user of entry.users) {
      const reason = misfit(user, message);
      if (reason !== '') return [{ resource: name, reason }];
    }
    const diagnostics = checkResource(resource.message, this.parts.clusters());
    if (diagnostics.errors.length > 0) return [{ resource: name, reason: reasonsOf(diagnostics) }];
    entry.known = { name, version: resource.version || version, updatedAt: Date.now(), message };
    entry.count('config_reload');
    this.parts.publisher.setResource(resourceType.extensionConfig, entry.key, message);
    this.parts.onChange();
    return [];
  }

  /** The control plane has taken it away: filters go on with their defaults. */
  private forget(entry: Entry): void {
    entry.known = undefined;
    const empty = create(messageType(resourceType.extensionConfig), { name: entry.name } as never);
    this.parts.publisher.setResource(resourceType.extensionConfig, entry.key, empty);
    this.parts.onChange();
  }
}

/** Why a filter cannot have this configuration, in Envoy's words; empty: it can. */
function misfit({ kind, name, source, last }: DiscoveredExtension, { typedConfig }: TypedExtensionConfig): string {
  const type = typeNameOf(typedConfig?.typeUrl ?? '');
  const allowed = source.typeUrls.map(typeNameOf);
  if (!allowed.includes(type)) {
    return `Error: filter config has type URL ${type} but expect ${allowed.join(', ')}.`;
  }
  const factory = factoryByType(type);
  if (factory === undefined || factory.category !== categoryOf[kind]) return `${type} is not supported yet`;
  return last === undefined ? '' : misplaced(factory, name, kind, last);
}

function misplaced(factory: ExtensionFactory, name: string, kind: string, last: boolean): string {
  const terminal = factory.terminal === true;
  if (terminal === last) return '';
  const chain = kind === 'http_filter' ? 'http' : 'network';
  const label = `filter named ${name} of type ${factory.name}`;
  return terminal
    ? `Error: terminal ${label} must be the last filter in a ${chain} filter chain.`
    : `Error: non-terminal ${label} is the last filter in a ${chain} filter chain.`;
}

function sameConfig(one: TypedExtensionConfig, other: TypedExtensionConfig): boolean {
  const type = resourceType.extensionConfig;
  return Buffer.compare(encode(type, one), encode(type, other)) === 0;
}
