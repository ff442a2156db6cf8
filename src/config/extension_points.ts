/** The messages that name an extension beside its configuration, and the category each takes. */
import { allMessageNames } from '../api/registry.ts';
import type { ExtensionCategory, ExtensionFactory } from '../spi/extension.ts';

export const extensionPoints: { readonly [typeName: string]: ExtensionCategory } = {
  'envoy.config.listener.v3.Filter': 'envoy.filters.network',
  'envoy.config.listener.v3.ListenerFilter': 'envoy.filters.listener',
  'envoy.config.accesslog.v3.AccessLog': 'envoy.access_loggers',
  'envoy.config.accesslog.v3.ExtensionFilter': 'envoy.access_loggers.extension_filters',
  'envoy.config.core.v3.TransportSocket': 'envoy.transport_sockets',
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter': 'envoy.filters.http',
};

/** Extensions by the names a user may write and by the type of their configuration. */
export class ExtensionLookup {
  readonly factories: readonly ExtensionFactory[];

  constructor(factories: readonly ExtensionFactory[]) {
    this.factories = factories;
  }

  byName(category: ExtensionCategory, name: string): ExtensionFactory | undefined {
    return this.factories.find((f) => f.category === category && (f.name === name || f.aliases?.includes(name)));
  }

  byType(typeName: string): ExtensionFactory | undefined {
    return this.factories.find((f) => f.typeName === typeName);
  }

  /** Some filter takes messages of this type in a route's typed_per_filter_config. */
  takesRouteConfig(typeName: string): boolean {
    return this.factories.some((f) => f.routeTypeName === typeName);
  }

  names(category: ExtensionCategory): string[] {
    return this.factories.filter((f) => f.category === category).map((f) => f.name);
  }
}

/** `envoy.extensions.filters.http.lua.v3.Lua` → `envoy.filters.http.lua`: how people call an extension. */
export function extensionName(typeName: string): string {
  const parts = /^envoy\.extensions\.(.+)\.v\d\w*\.\w+$/.exec(typeName);
  return parts === null ? typeName : `envoy.${parts[1]}`;
}

/** One of Envoy's own, be it supported or not. */
export function isEnvoysExtension(name: string): boolean {
  return allMessageNames().some((typeName) => extensionName(typeName) === name);
}
