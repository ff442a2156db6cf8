/** Control path, step 3: VHDS: virtual hosts of a discovered route configuration, pushed, or asked for when a request needs one. */
import type { envoy } from '../../api/envoy_types.ts';
import { durationMs } from '../../common/duration.ts';
import { defineLayout } from '../../common/stats/layout.ts';
import type { StatsStore } from '../../spi/stats.ts';
import type {
  DecodedResource,
  Rejection,
  Subscription,
  SubscriptionCallbacks,
  SubscriptionFactory,
} from '../subscription.ts';
import { validateResources } from './validate.ts';

type RouteConfiguration = envoy.config.route.v3.RouteConfiguration;
type VirtualHost = envoy.config.route.v3.VirtualHost;
type ConfigSource = envoy.config.core.v3.ConfigSource;

const hostType = 'envoy.config.route.v3.VirtualHost';
const tableType = 'envoy.config.route.v3.RouteConfiguration';

/** `http.<stat_prefix>.vhds.<route config>.`, beside what every subscription counts. */
const VHDS = defineLayout('vhds', ['config_reload', 'update_empty']);

/** Hosts that may be waited for at a time: whoever makes names up shall not fill the memory. */
const mostAwaited = 1024;
/** Milliseconds, where the source has no initial_fetch_timeout. */
const defaultTimeout = 15_000;

export interface VirtualHostParts {
  readonly stats: StatsStore;
  readonly subscriptions: () => SubscriptionFactory;
  readonly clusters: () => ReadonlySet<string>;
  /** Its virtual hosts are others than before. */
  readonly onChange: () => void;
}

interface Awaited {
  readonly answer: (found: boolean) => void;
  readonly timer: NodeJS.Timeout;
}

/** The virtual hosts of one route configuration. */
export class VirtualHostDiscovery implements SubscriptionCallbacks {
  /** Resolves when the first answer is there, or will not come in time. */
  readonly ready: Promise<void>;
  readonly source: ConfigSource;
  private readonly base: () => RouteConfiguration;
  private readonly parts: VirtualHostParts;
  private readonly prefix: string;
  private readonly slots: Float64Array;
  /** By resource name, `<route config>/<host>`. */
  private hosts = new Map<string, VirtualHost>();
  private readonly awaited = new Map<string, Awaited[]>();
  /** Names that were asked for one by one, each with the resource that answers to it; empty: none as yet. */
  private readonly asked = new Map<string, string>();
  private readonly settled = Promise.withResolvers<void>();
  private readonly everything: Subscription;
  private readonly single: Subscription;
  private singleStarted = false;

  /** `base` is the route configuration these hosts join. */
  constructor(base: () => RouteConfiguration, statPrefix: string, parts: VirtualHostParts) {
    const { name, vhds } = base();
    this.base = base;
    this.parts = parts;
    this.prefix = `${name}/`;
    this.source = vhds!.configSource!;
    this.ready = this.settled.promise;
    const prefix = `http.${statPrefix}.vhds.${name}.`;
    this.slots = parts.stats.block(VHDS, prefix);
    this.everything = parts.subscriptions().subscribe(this.source, hostType, prefix, this);
    // What is asked for by name comes to the other one, too: it takes everything.
    const silent = { ...this.source, initialFetchTimeout: { seconds: 0n, nanos: 0 } } as ConfigSource;
    const nothing = { onConfigUpdate: () => [], onDeltaUpdate: () => [], onConfigUpdateFailed: () => {} };
    this.single = parts.subscriptions().subscribe(silent, hostType, prefix, nothing);
    this.everything.start(undefined);
  }

  stop(): void {
    this.everything.stop();
    if (this.singleStarted) this.single.stop();
    for (const name of this.awaited.keys()) this.answer(name, false);
    this.settled.resolve();
  }

  /** Those there are beside the ones the route configuration has itself, which win where both have a domain. */
  all(): readonly VirtualHost[] {
    const taken = new Set(this.base().virtualHosts.flatMap(({ domains }) => domains.map((each) => each.toLowerCase())));
    return [...this.hosts.values()].filter(({ domains }) => !domains.some((each) => taken.has(each.toLowerCase())));
  }

  /** `answer` is told whether the control plane knows a virtual host for this host; false too when it does not say in time. */
  request(host: string, answer: (found: boolean) => void): void {
    const name = this.prefix + host.toLowerCase();
    const waiting = this.awaited.get(name);
    if (waiting === undefined && (this.asked.has(name) || this.awaited.size >= mostAwaited)) {
      answer(this.asked.has(name));
      return;
    }
    const timeout = durationMs(this.source.initialFetchTimeout) || defaultTimeout;
    const timer = setTimeout(() => this.answer(name, false), timeout);
    if (waiting !== undefined) {
      waiting.push({ answer, timer });
      return;
    }
    this.awaited.set(name, [{ answer, timer }]);
    this.asked.set(name, '');
    this.tellNames();
  }

  onConfigUpdate(resources: readonly DecodedResource[], version: string): Rejection[] {
    const named = new Set(resources.map(({ name }) => name));
    const gone = [...this.hosts.keys()].filter((name) => !named.has(name));
    return this.onDeltaUpdate(resources, gone, version);
  }

  onDeltaUpdate(added: readonly DecodedResource[], removed: readonly string[], _version: string): Rejection[] {
    const mine = added.filter(({ name }) => name.startsWith(this.prefix));
    const rejections = this.take(mine, removed);
    for (const { name, aliases = [] } of rejections.length > 0 ? [] : mine) {
      for (const each of [name, ...aliases].map((one) => one.toLowerCase())) {
        if (this.asked.has(each)) this.asked.set(each, name);
        this.answer(each, true);
      }
    }
    for (const name of removed) this.answer(name.toLowerCase(), false);
    this.forget(new Set(removed));
    this.settled.resolve();
    return rejections;
  }

  onConfigUpdateFailed(why: string): void {
    if (why !== 'connection failure') this.settled.resolve();
  }

  /** All or nothing: why they cannot join the others. */
  private take(added: readonly DecodedResource[], removed: readonly string[]): Rejection[] {
    const next = new Map(this.hosts);
    for (const name of removed) next.delete(name);
    for (const { name, message } of added) next.set(name, message as unknown as VirtualHost);
    const same = added.length === 0 && next.size === this.hosts.size;
    if (same) {
      this.slots[VHDS.slot.update_empty]++;
      return [];
    }
    const fresh = added.map(({ name, message }) => ({ name, host: message as unknown as VirtualHost }));
    const rejections = fresh.flatMap(({ name, host }) => this.faultsOf(name, host));
    if (rejections.length === 0) rejections.push(...this.conflicts(next));
    if (rejections.length > 0) return rejections;
    this.hosts = next;
    this.slots[VHDS.slot.config_reload]++;
    this.parts.onChange();
    return [];
  }

  /** A virtual host is looked at as the only one of its route configuration. */
  private faultsOf(name: string, host: VirtualHost): Rejection[] {
    const message = {
      ...this.base(),
      $typeName: tableType,
      virtualHosts: [host],
    } as unknown as DecodedResource['message'];
    const resource = { name, version: '', message, ttl: 0 };
    return validateResources([resource], this.parts.clusters(), 'virtual host').rejections;
  }

  private conflicts(hosts: ReadonlyMap<string, VirtualHost>): Rejection[] {
    const owners = new Map<string, string>();
    const found: Rejection[] = [];
    const look = (resource: string, { domains }: VirtualHost): void => {
      for (const domain of domains) {
        const key = domain.toLowerCase();
        const other = owners.get(key);
        if (other === undefined) owners.set(key, resource);
        else found.push({ resource, reason: `domain '${domain}' is that of virtual host '${other}' already` });
      }
    };
    for (const host of this.base().virtualHosts) look(host.name, host);
    for (const [name, host] of hosts) look(name, host);
    return found;
  }

  /** Names of hosts that were taken away may be asked for again. */
  private forget(removed: ReadonlySet<string>): void {
    const before = this.asked.size;
    for (const [name, resource] of this.asked) if (removed.has(resource)) this.asked.delete(name);
    if (this.asked.size < before) this.tellNames();
  }

  private answer(name: string, found: boolean): void {
    const waiting = this.awaited.get(name);
    if (waiting === undefined) return;
    this.awaited.delete(name);
    // A host that is not known may come to be: the next request asks again.
    if (!found && this.asked.delete(name)) this.tellNames();
    for (const { answer, timer } of waiting) {
      clearTimeout(timer);
      answer(found);
    }
  }

  private tellNames(): void {
    if (this.singleStarted) this.single.updateNames(new Set(this.asked.keys()));
    else this.single.start(new Set(this.asked.keys()));
    this.singleStarted = true;
  }
}
