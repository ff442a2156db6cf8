/** The listeners of the process on the main thread: added, warmed, replaced and removed; their names and ports. */
import { clone } from '@bufbuild/protobuf';
import { xxhash64 } from '../../native-free/hash/xxhash64.ts';
import { messagesIn } from '../api/any_types.ts';
import type { envoy } from '../api/envoy_types.ts';
import { encode, messageType } from '../api/registry.ts';
import { addressOfMessage, ipAddress, isIpv6Only } from '../common/address.ts';
import { discoveredExtensions } from '../common/discovered_extensions.ts';
import { chainsGone, sameButChains } from '../common/listener_changes.ts';
import { LISTENER_MANAGER } from '../common/stats/layouts.ts';
import type { Address } from '../common/stream_info.ts';
import { resourceType } from '../snapshot/layout.ts';
import type { SnapshotPublisher } from '../snapshot/publisher.ts';
import type { StatsStore } from '../spi/stats.ts';
import type { ExtensionConfigSet } from '../xds/resource_types/extension_configs.ts';
import type { RouteSet } from '../xds/resource_types/routes.ts';
import type { ScopeSet } from '../xds/resource_types/scoped_routes.ts';
import { probeAddress } from './bind_probe.ts';
import type { ResourceSource } from './cluster_entry.ts';
import { DrainingListeners } from './draining_listeners.ts';
import type { HeldSecrets } from './secrets/secret_set.ts';
import { staticListeners } from './static_listeners.ts';

type ListenerMessage = envoy.config.listener.v3.Listener;
type HttpConnectionManager = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager;

/** envoy.config.core.v3.TrafficDirection. */
const inbound = 1;
const managerType = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

export interface KnownListener {
  readonly name: string;
  readonly address: Address;
  readonly additionalAddresses: readonly Address[];
  /** As configured: with the port 0 that was asked for. */
  readonly message: ListenerMessage;
  readonly source: ResourceSource;
  readonly updatedAt: number;
  stopped: boolean;
}

/** A listener with what it waits for. */
interface Entry extends KnownListener {
  /** What workers are told: with the ports that were found. */
  readonly published: ListenerMessage;
  /** Undefined when it was never begun to be fetched. */
  secrets: HeldSecrets | undefined;
  /** Names of Envoy's init targets of what else has not come yet. */
  readonly awaited: Set<string>;
}

interface Place {
  active: Entry | undefined;
  warming: Entry | undefined;
}

/** An address that cannot be listened on. */
export interface BindError {
  /** Index in static_resources.listeners. */
  readonly index: number;
  readonly reason: string;
}

export interface ListenerSetParts {
  readonly publisher: SnapshotPublisher;
  readonly stats: StatsStore;
  readonly routes: RouteSet;
  readonly scopes: ScopeSet;
  readonly extensionConfigs: ExtensionConfigSet;
  readonly secrets: (message: ListenerMessage) => HeldSecrets;
  readonly concurrency: number;
  /** Milliseconds that connections of a listener have to end. */
  readonly drainTime: number;
  /** Above 0 ports are shared with the process that serves now: trying them would take connections meant for it. */
  readonly restartEpoch: number;
  readonly onChange: () => void;
}

export class ListenerSet {
  private readonly parts: ListenerSetParts;
  private readonly stats: Float64Array;
  private readonly places = new Map<string, Place>();
  /** What listeners of ours have or had: trying such an address would only find ourselves. */
  private readonly own = new Set<string>();
  private readonly warmingUp = new Set<Promise<void>>();
  private readonly drained: DrainingListeners<Entry>;
  private workersStarted = false;

  constructor(parts: ListenerSetParts) {
    this.parts = parts;
    this.stats = parts.stats.block(LISTENER_MANAGER, 'listener_manager.');
    this.drained = new DrainingListeners(this.stats, parts.drainTime);
  }

  /** Those of the bootstrap; every address that is taken is reported. They warm from then on. */
  async start(messages: readonly ListenerMessage[]): Promise<BindError[]> {
    const errors: BindError[] = [];
    const source = { dynamic: false, version: '' };
    for (const { index, message } of staticListeners(messages).values()) {
      const reasons = await this.add(message, source);
      for (const reason of reasons) errors.push({ index, reason });
    }
    return errors;
  }

  /** Which of these could not listen; nothing changes. Addresses of listeners that are there already are good. */
  async tryBinding(messages: readonly ListenerMessage[]): Promise<BindError[]> {
    const errors: BindError[] = [];
    for (const { index, message } of staticListeners(messages).values()) {
      if (message.bindToPort === false) continue;
      for (const slot of [message, ...message.additionalAddresses]) {
        const asked = addressOfMessage(slot.address);
        if (asked.port === 0 && asked.ip !== '') continue;
        const { error } = this.own.has(asked.text)
          ? { error: '' }
          : await probeAddress(asked, isIpv6Only(slot.address));
        if (error !== '') errors.push({ index, reason: `cannot bind '${asked.text}': ${error}` });
      }
    }
    return errors;
  }

  /** Adds a listener or puts it in the place of the one of its name. Resolves with why it cannot listen, or empty. */
  async apply(message: ListenerMessage, source: ResourceSource): Promise<string> {
    const reasons = await this.add(message, source);
    if (reasons.length > 0) this.stats[LISTENER_MANAGER.slot.listener_create_failure]++;
    return reasons.join('; ');
  }

  /** Stops accepting and lets the connections of a listener end. */
  remove(name: string): void {
    const place = this.places.get(name);
    if (place === undefined) return;
    this.places.delete(name);
    if (place.warming !== undefined) this.release(place.warming);
    if (place.active !== undefined) this.letGo(place.active);
    this.stats[LISTENER_MANAGER.slot.listener_removed]++;
    if (place.active !== undefined) this.parts.publisher.remove(resourceType.listener, name);
    this.countPlaces();
    this.parts.onChange();
  }

  /** Resolves when every listener that was given so far serves or has gone again. */
  async warm(): Promise<void> {
    await Promise.all(this.warmingUp);
  }

  /** Those that serve. */
  all(): readonly KnownListener[] {
    return [...this.places.values()].flatMap(({ active }) => active ?? []);
  }

  warming(): readonly KnownListener[] {
    return [...this.places.values()].flatMap(({ warming }) => warming ?? []);
  }

  /** Those that accept no more, their connections still ending. */
  draining(): readonly KnownListener[] {
    return this.drained.all();
  }

  /** What warms, and what it waits for, as Envoy calls it. */
  unready(): { name: string; targets: string[] }[] {
    return [...this.places.values()].flatMap(({ warming }) => {
      if (warming === undefined) return [];
      const hash = xxhash64(Buffer.from(encode(resourceType.listener, warming.message)).toString('latin1'));
      const secrets = warming.secrets?.unsettled().map((name) => `shared target SdsApi ${name}`) ?? [];
      const targets = [...secrets, ...warming.awaited];
      return [{ name: `init manager Listener-local-init-manager ${warming.name} ${hash}`, targets }];
    });
  }

  stop(): void {
    this.drained.stop();
  }

  known(): ReadonlyMap<string, { readonly dynamic: boolean }> {
    return new Map([...this.places].map(([name, place]) => [name, (place.warming ?? place.active)!.source]));
  }

  /** Counts the listeners that stop accepting. */
  onStopped(inboundOnly: boolean): void {
    for (const listener of this.all()) {
      if (listener.stopped || (inboundOnly && listener.message.trafficDirection !== inbound)) continue;
      listener.stopped = true;
      this.stats[LISTENER_MANAGER.slot.listener_stopped]++;
    }
  }

  /** Gauges when the workers serve. */
  onWorkersStarted(): void {
    this.stats[LISTENER_MANAGER.slot.workers_started] = 1;
    this.workersStarted = true;
    this.countPlaces();
  }

  private async add(message: ListenerMessage, source: ResourceSource): Promise<string[]> {
    const asked = addressOfMessage(message.address);
    const name = message.name || asked.text;
    const latest = this.places.get(name);
    const before = latest?.warming ?? latest?.active;
    if (before !== undefined && sameListener(before.message, message)) return [];
    const reasons: string[] = [];
    const published = clone(messageType(resourceType.listener) as never, message as never) as ListenerMessage;
    const addresses: Address[] = [];
    const held = before === undefined ? [] : [before.address, ...before.additionalAddresses];
    for (const [i, slot] of [published, ...published.additionalAddresses].entries()) {
      const bound = await this.bind(slot.address, message, name, held[i]);
      if (typeof bound === 'string') reasons.push(bound);
      else addresses.push(bound);
    }
    if (reasons.length > 0) return reasons;
    const [address, ...additionalAddresses] = addresses;
    // Statistics keep the address that was asked for, as in Envoy, also where it had port 0.
    published.statPrefix ||= asked.text;
    const updatedAt = Date.now();
    this.place({
      name,
      address,
      additionalAddresses,
      message,
      published,
      source,
      updatedAt,
      stopped: false,
      secrets: undefined,
      awaited: new Set(),
    });
    return [];
  }

  private place(entry: Entry): void {
    const place = this.places.get(entry.name) ?? { active: undefined, warming: undefined };
    const { slot } = LISTENER_MANAGER;
    const isNew = place.active === undefined && place.warming === undefined;
    this.stats[isNew ? slot.listener_added : slot.listener_modified]++;
    if (place.active !== undefined && sameButChains(place.active.published, entry.published))
      this.stats[slot.listener_in_place_updated]++;
    if (place.warming !== undefined) this.release(place.warming);
    place.warming = entry;
    this.places.set(entry.name, place);
    this.stats[slot.listener_create_success] += this.parts.concurrency;
    this.countPlaces();
    const warming = this.acquire(entry).then(() => this.activate(place, entry));
    this.warmingUp.add(warming);
    void warming.finally(() => this.warmingUp.delete(warming));
  }

  private activate(place: Place, entry: Entry): void {
    if (place.warming !== entry) return;
    place.warming = undefined;
    const former = place.active;
    place.active = entry;
    this.parts.publisher.setListener(entry.published, entry.name);
    entry.secrets?.release();
    if (former !== undefined) this.letGo(former, entry);
    this.countPlaces();
    this.parts.onChange();
  }

  /** What it names stays until its connections have ended; those of chains that `successor` keeps stay with that. */
  private letGo(former: Entry, successor?: Entry): void {
    const release = (): void => {
      this.release(former);
      this.parts.onChange();
    };
    if (!this.workersStarted) release();
    else if (successor === undefined || !sameButChains(former.published, successor.published))
      this.drained.add(former, release);
    else {
      const gone = chainsGone(former.published, successor.published);
      if (gone === 0) release();
      else this.drained.addChains(gone, release);
    }
  }

  /** Resolves when all it names is there, or will not come in time. */
  private async acquire(entry: Entry): Promise<void> {
    const { routes, extensionConfigs, secrets } = this.parts;
    const wanted = routesOf(entry.message).map(async ({ rds, statPrefix }) => {
      const target = `shared target RdsRouteConfigSubscription RDS init ${rds.routeConfigName}`;
      entry.awaited.add(target);
      await routes.acquire(rds, statPrefix);
      entry.awaited.delete(target);
    });
    const extensions = discoveredExtensions(entry.message).map((extension) => extensionConfigs.acquire(extension));
    const scopes = scopesOf(entry.message).map(({ config, statPrefix }) =>
      this.parts.scopes.acquire(config, statPrefix),
    );
    entry.secrets = secrets(entry.published);
    await Promise.all([...wanted, ...scopes, ...extensions, entry.secrets.settled]);
  }

  private release({ message, secrets }: Entry): void {
    for (const { rds } of routesOf(message)) this.parts.routes.release(rds);
    for (const { config } of scopesOf(message)) this.parts.scopes.release(config);
    for (const extension of discoveredExtensions(message)) this.parts.extensionConfigs.release(extension);
    secrets?.release();
  }

  private countPlaces(): void {
    const { slot } = LISTENER_MANAGER;
    const [active, warming] = [this.all().length, this.warming().length];
    // Envoy counts what warms as active until its workers start.
    this.stats[slot.total_listeners_active] = this.workersStarted ? active : active + warming;
    this.stats[slot.total_listeners_warming] = this.workersStarted ? warming : 0;
  }

  /** Where an address listens in the end, written into its message too; or why it cannot. */
  private async bind(
    message: envoy.config.core.v3.Address | undefined,
    listener: ListenerMessage,
    name: string,
    held: Address | undefined,
  ): Promise<Address | string> {
    let asked = addressOfMessage(message);
    // The port that was found for 0 stays.
    if (asked.port === 0 && asked.ip !== '' && held?.ip === asked.ip) {
      message!.address = { case: 'socketAddress', value: socketAddressOf(message!, held.port) };
      asked = held;
    }
    const other = asked.port === 0 ? undefined : this.holderOf(asked, name);
    if (other !== undefined) {
      return `error adding listener: '${name}' has duplicate address '${asked.text}' as existing listener '${other}'`;
    }
    const shared = this.parts.restartEpoch > 0 && asked.port !== 0;
    if (listener.bindToPort === false || shared || this.own.has(asked.text)) return asked;
    const bound = await probeAddress(asked, isIpv6Only(message));
    if (bound.error !== '') return `cannot bind '${asked.text}': ${bound.error}`;
    if (message?.address.case !== 'socketAddress') return asked;
    message.address.value.portSpecifier = { case: 'portValue', value: bound.port };
    const address = ipAddress(asked.ip, bound.port);
    this.own.add(address.text);
    return address;
  }

  /** Another listener that has this address. */
  private holderOf(address: Address, name: string): string | undefined {
    for (const [other, { active, warming }] of this.places) {
      const holder = warming ?? active;
      if (other === name || holder === undefined || holder.message.bindToPort === false) continue;
      if ([holder.address, ...holder.additionalAddresses].some(({ text }) => text === address.text)) return other;
    }
    return undefined;
  }
}

function socketAddressOf({ address }: envoy.config.core.v3.Address, port: number): envoy.config.core.v3.SocketAddress {
  const socket = address.value as envoy.config.core.v3.SocketAddress;
  return { ...socket, portSpecifier: { case: 'portValue', value: port } };
}

function routesOf(message: ListenerMessage): {
  rds: envoy.extensions.filters.network.http_connection_manager.v3.Rds;
  statPrefix: string;
}[] {
  return (messagesIn(message, managerType) as HttpConnectionManager[]).flatMap(({ routeSpecifier, statPrefix }) =>
    routeSpecifier.case === 'rds' ? [{ rds: routeSpecifier.value, statPrefix }] : [],
  );
}

function scopesOf(message: ListenerMessage): {
  config: envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes;
  statPrefix: string;
}[] {
  return (messagesIn(message, managerType) as HttpConnectionManager[]).flatMap(({ routeSpecifier, statPrefix }) =>
    routeSpecifier.case === 'scopedRoutes' ? [{ config: routeSpecifier.value, statPrefix }] : [],
  );
}

function sameListener(one: ListenerMessage, other: ListenerMessage): boolean {
  if (one === other) return true;
  return Buffer.compare(encode(resourceType.listener, one), encode(resourceType.listener, other)) === 0;
}
