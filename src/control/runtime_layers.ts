/** The runtime of the process (control path): layers of values, a later one over an earlier; those on disk, from a control plane and of the admin interface change. */
import type { envoy } from '../api/envoy_types.ts';
import { logger } from '../common/log.ts';
import { Runtime, type RuntimeValue, type RuntimeValues } from '../common/runtime.ts';
import { RUNTIME } from '../common/stats/layouts.ts';
import type { StatsStore } from '../spi/stats.ts';
import { RuntimeLayerDiscovery } from '../xds/resource_types/runtime_layers.ts';
import type { Subscription, SubscriptionFactory } from '../xds/subscription.ts';
import { readRuntimeFolder, runtimeFolder, watchRuntimeLink } from './runtime_folder.ts';
import { flatten, valueOfText } from './runtime_values.ts';

const log = logger('runtime');

type LayeredRuntime = envoy.config.bootstrap.v3.LayeredRuntime;
type Values = Map<string, RuntimeValue>;

interface Layer {
  readonly name: string;
  readonly specifier: envoy.config.bootstrap.v3.RuntimeLayer['layerSpecifier'];
  /** Undefined: a layer on disk whose folder is not there, or cannot be read. */
  values: Values | undefined;
}

/** One key as `/runtime` shows it: its text in each layer, empty where it has none. */
export interface RuntimeEntry {
  readonly key: string;
  readonly layerValues: readonly string[];
  readonly finalValue: string;
}

export class RuntimeLayers {
  private layers: readonly Layer[];
  private readonly stats: Float64Array;
  private readonly serviceCluster: string;
  private watchers: { close(): void }[] = [];
  private running: Subscription[] = [];
  private following: { subscriptions: SubscriptionFactory; onChange: () => void } | undefined;
  /** The values that hold, kept as they change. */
  readonly current: Runtime = new Runtime();

  /** `serviceCluster` is what layers on disk may be told apart by. */
  constructor(message: LayeredRuntime | undefined, store: StatsStore, serviceCluster = '') {
    this.stats = store.block(RUNTIME, 'runtime.');
    this.serviceCluster = serviceCluster;
    this.layers = layersOf(message);
    // Envoy loads once when it starts and again when its layers are complete.
    this.load();
    this.load();
  }

  /** Names of the layers that there are. */
  get layerNames(): readonly string[] {
    return this.present.map((layer) => layer.name);
  }

  /** What holds now, for workers. */
  values(): RuntimeValues {
    return new Map(this.present.flatMap(({ values }) => [...values]));
  }

  entries(): readonly RuntimeEntry[] {
    const { present } = this;
    return [...this.values()].map(([key, { text }]) => ({
      key,
      layerValues: present.map(({ values }) => values.get(key)?.text ?? ''),
      finalValue: text,
    }));
  }

  /** Sets keys in the admin layer; an empty text takes a key out of it. False when there is no admin layer. */
  modify(changes: Iterable<readonly [key: string, text: string]>): boolean {
    const admin = this.layers.find(({ specifier }) => specifier.case === 'adminLayer');
    if (admin === undefined) return false;
    for (const [key, text] of changes) {
      if (text === '') admin.values!.delete(key);
      else admin.values!.set(key, valueOfText(text));
    }
    this.load();
    return true;
  }

  /**
   * Follows the layers on disk and those of control planes from now on, and tells of every change. Resolves when every control
   * plane has answered, or did not in time.
   */
  async follow(subscriptions: SubscriptionFactory, onChange: () => void): Promise<void> {
    this.following = { subscriptions, onChange };
    await this.followLayers(subscriptions);
  }

  /** Takes the layers of a bootstrap that was loaded again; what the admin interface and control planes have set stays. */
  replace(message: LayeredRuntime | undefined): void {
    const former = new Map(this.layers.map((layer) => [layerKey(layer), layer.values]));
    this.stop();
    this.layers = layersOf(message);
    for (const layer of this.layers) {
      if (layer.specifier.case !== 'staticLayer') layer.values = former.get(layerKey(layer)) ?? layer.values;
    }
    this.load();
    if (this.following !== undefined) void this.followLayers(this.following.subscriptions);
  }

  stop(): void {
    for (const watcher of this.watchers) watcher.close();
    for (const subscription of this.running) subscription.stop();
    this.watchers = [];
    this.running = [];
  }

  private async followLayers(subscriptions: SubscriptionFactory): Promise<void> {
    const answers: Promise<void>[] = [];
    for (const layer of this.layers) {
      const { specifier } = layer;
      if (specifier.case === 'diskLayer') {
        this.watchers.push(watchRuntimeLink(specifier.value.symlinkRoot, () => this.reload()));
      } else if (specifier.case === 'rtdsLayer') {
        answers.push(this.subscribe(layer, specifier.value, subscriptions));
      }
    }
    await Promise.all(answers);
  }

  private get present(): { readonly name: string; readonly values: Values }[] {
    return this.layers.flatMap(({ name, values }) => (values === undefined ? [] : [{ name, values }]));
  }

  private subscribe(
    layer: Layer,
    { name, rtdsConfig }: envoy.config.bootstrap.v3.RuntimeLayer_RtdsLayer,
    subscriptions: SubscriptionFactory,
  ): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const callbacks = new RuntimeLayerDiscovery(
      name,
      (struct) => {
        const values: Values = new Map();
        flatten('', struct, values);
        layer.values = values;
        this.reload();
      },
      resolve,
    );
    const subscription = subscriptions.subscribe(
      rtdsConfig!,
      'envoy.service.runtime.v3.Runtime',
      'runtime.',
      callbacks,
    );
    this.running.push(subscription);
    subscription.start(new Set([name]));
    return promise;
  }

  private reload(): void {
    this.load();
    this.following?.onChange();
  }

  private load(): void {
    const { stats, layers } = this;
    const { slot } = RUNTIME;
    let onDisk = 0;
    let failed = 0;
    for (const layer of layers) {
      if (layer.specifier.case !== 'diskLayer') continue;
      layer.values = undefined;
      try {
        layer.values = readRuntimeFolder(runtimeFolder(layer.specifier.value, this.serviceCluster));
        if (layer.values !== undefined) onDisk++;
      } catch (error) {
        failed++;
        log.warn(`error loading runtime values for layer ${layer.name} from disk: ${(error as Error).message}`);
      }
    }
    const values = this.values();
    this.current.load(values);
    stats[failed === 0 ? slot.load_success : slot.load_error]++;
    stats[onDisk > 1 ? slot.override_dir_exists : slot.override_dir_not_exists]++;
    stats[slot.num_layers] = this.present.length;
    stats[slot.num_keys] = values.size;
    const overridden = layers.some(({ specifier, values: own }) => specifier.case === 'adminLayer' && own!.size > 0);
    if (stats[slot.admin_overrides_active] !== Number(overridden))
      stats[slot.admin_overrides_active] = Number(overridden);
  }
}

/** A runtime without layers has one for the admin interface; no runtime at all has none. */
function layersOf(message: LayeredRuntime | undefined): Layer[] {
  if (message === undefined) return [];
  if (message.layers.length > 0) return message.layers.map(makeLayer);
  return [{ name: '', specifier: { case: 'adminLayer', value: {} as never }, values: new Map() }];
}

/** What is not in the bootstrap itself goes over to the layer of the same key; a static layer is its own. */
function layerKey({ name, specifier }: Layer): string {
  if (specifier.case === 'adminLayer') return 'admin';
  return specifier.case === 'rtdsLayer' ? `rtds ${specifier.value.name}` : `${specifier.case} ${name}`;
}

function makeLayer({ name, layerSpecifier: specifier }: envoy.config.bootstrap.v3.RuntimeLayer): Layer {
  const values: Values = new Map();
  if (specifier.case === 'staticLayer') flatten('', specifier.value, values);
  return { name, specifier, values };
}
