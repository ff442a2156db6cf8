/** Step 4 of the control path, worker: what one filter has of a discovered configuration: the shared one, or its default. */
import type { envoy } from '../api/envoy_types.ts';
import { typeNameOf } from '../api/registry.ts';
import type { ExtensionConfig, ExtensionHolder, LoadedExtension } from '../spi/worker_context.ts';

export class DiscoveredHolder implements ExtensionHolder {
  private readonly shared: { readonly loaded: LoadedExtension | undefined };
  private readonly fallback: LoadedExtension | undefined;
  private readonly allowed: ReadonlySet<string>;

  constructor(
    shared: { readonly loaded: LoadedExtension | undefined },
    { defaultConfig, typeUrls }: envoy.config.core.v3.ExtensionConfigSource,
    loader: { extension(config: ExtensionConfig): LoadedExtension },
  ) {
    this.shared = shared;
    this.allowed = new Set(typeUrls.map(typeNameOf));
    this.fallback = defaultConfig && loader.extension({ name: '', typedConfig: defaultConfig });
  }

  get loaded(): LoadedExtension | undefined {
    const { loaded } = this.shared;
    // Another filter of the same name may take more types than this one.
    return loaded !== undefined && this.allowed.has(loaded.factory.typeName) ? loaded : this.fallback;
  }
}
