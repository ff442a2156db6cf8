/** typed_per_filter_config of the levels of a route, merged once: the most specific level that has an entry wins. */
import type { Any } from '@bufbuild/protobuf/wkt';
import { typeNameOf, unpackAny } from '../api/registry.ts';

const none: readonly unknown[] = [];

type Entries = { readonly [filterName: string]: Any };

export class PerFilterConfigs {
  /** Of every level that has one, the most specific last. */
  private readonly configs: ReadonlyMap<string, readonly unknown[]>;
  private readonly disabled: ReadonlyMap<string, boolean>;

  constructor(entries: Entries, parent?: PerFilterConfigs) {
    const configs = new Map(parent?.configs);
    const disabled = new Map(parent?.disabled);
    const add = (name: string, message: unknown) => configs.set(name, [...(configs.get(name) ?? []), message]);
    for (const [name, any] of Object.entries(entries)) {
      if (typeNameOf(any.typeUrl) !== 'envoy.config.route.v3.FilterConfig') {
        add(name, unpackAny(any));
        // A configuration of its own switches a filter on that is off by default.
        disabled.set(name, false);
        continue;
      }
      const wrapper = unpackAny(any) as unknown as { readonly config?: Any; readonly disabled: boolean };
      disabled.set(name, wrapper.disabled);
      // An empty configuration only switches the filter on.
      if (wrapper.disabled || wrapper.config === undefined || wrapper.config.typeUrl === '') continue;
      add(name, unpackAny(wrapper.config));
    }
    this.configs = configs;
    this.disabled = disabled;
  }

  /** A child shares its parent's maps when it has no entry of its own. */
  static over(parent: PerFilterConfigs, entries: Entries): PerFilterConfigs {
    return Object.keys(entries).length === 0 ? parent : new PerFilterConfigs(entries, parent);
  }

  /** The message; the same object for every request, so what is compiled from it can be kept by it. */
  get(filterName: string): unknown {
    return this.configs.get(filterName)?.at(-1);
  }

  /** The messages of all levels, the most specific last; the same list for every request. */
  all(filterName: string): readonly unknown[] {
    return this.configs.get(filterName) ?? none;
  }

  /** Undefined: no level says, so the filter's own setting holds. */
  isDisabled(filterName: string): boolean | undefined {
    return this.disabled.get(filterName);
  }

  /** Some filter is switched on or off. */
  get switches(): boolean {
    return this.disabled.size > 0;
  }
}
