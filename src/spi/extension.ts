/** The contract of an extension: name → parse → validate → create; one folder and one line in extensions/registry.ts each. */
/** Collects what is wrong with a configuration; every error at once. `path` is relative to the extension's message. */
export interface ConfigErrors {
  error(path: string, reason: string): void;
  warn(path: string, reason: string): void;
}

/** The category an extension belongs to, as Envoy names it. */
export type ExtensionCategory =
  | 'envoy.filters.network'
  | 'envoy.filters.http'
  | 'envoy.filters.listener'
  | 'envoy.access_loggers'
  | 'envoy.access_loggers.extension_filters'
  | 'envoy.transport_sockets';

/**
 * The control side of an extension: read on the main thread for validation, and on workers to find the data side.
 * `config.ts` holds this and imports nothing of the data path; `load` brings in `filter.ts` when a worker needs it.
 */
export interface ExtensionFactory {
  /** The well-known name, e.g. `envoy.filters.http.router`. */
  readonly name: string;
  readonly category: ExtensionCategory;
  /** Older names that resolve to it, e.g. `envoy.router`. */
  readonly aliases?: readonly string[];
  /** Full name of its configuration message, e.g. `envoy.extensions.filters.http.router.v3.Router`. */
  readonly typeName: string;
  /** Full name of the message a route may have for it in typed_per_filter_config; absent: none. */
  readonly routeTypeName?: string;
  /** Must be last in its chain. */
  readonly terminal?: boolean;
  /** Checks what the schema cannot: the message is valid by descriptor and PGV already. */
  validate?(message: unknown, errors: ConfigErrors): void;
  /** The data side; the module's default export creates what the category wants (see the engine that calls it). */
  load(): Promise<{ default: unknown }>;
}
