/** One secret that somebody uses: where it comes from, what it holds now, and when that is read again (main thread). */
import type { envoy } from '../../api/envoy_types.ts';
import { logger } from '../../common/log.ts';
import { checkValidation } from '../../common/tls/check_validation.ts';
import type { DataSource } from '../../common/tls/data_source.ts';
import { readSecret } from '../../common/tls/read_secret.ts';
import { type SecretRef, secretFile } from '../../common/tls/secret_refs.ts';
import type { StatsStore } from '../../spi/stats.ts';
import { SecretDiscovery } from '../../xds/resource_types/secrets.ts';
import type { SubscriptionFactory } from '../../xds/subscription.ts';
import { watchPaths } from './watch_paths.ts';

type Content = envoy.extensions.transport_sockets.tls.v3.Secret['type'];

const log = logger('secret');

/** Milliseconds between tries to read a pair of files that do not fit: a swap may be half done. */
const rereadAfter = 250;
const mostRereads = 8;

export interface SecretEntryParts {
  readonly stats: StatsStore;
  readonly subscriptions: () => SubscriptionFactory;
  /** The static secret of this key, as it is now. */
  readonly staticSecret: (key: string) => Content | undefined;
  /** There is new content. */
  readonly onContent: (content: Content) => void;
  /** It changed after it was first read: a new generation is due. */
  readonly onChange: () => void;
}

export class SecretEntry {
  readonly ref: SecretRef;
  readonly users = new Set<string>();
  /** As configuration or a control plane has it. */
  configured: Content | undefined;
  /** With all bytes; undefined until it could be read. */
  content: Content | undefined;
  /** Of the update that brought it, when it is discovered. */
  version = 'uninitialized';
  updatedAt = Date.now();
  /** It is there, or will not come in time. */
  isSettled = false;
  private readonly parts: SecretEntryParts;
  private readonly arrival = Promise.withResolvers<void>();
  private discovery: SecretDiscovery | undefined;
  private stopWatching: (() => void) | undefined;
  private rereads = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(ref: SecretRef, parts: SecretEntryParts) {
    this.ref = ref;
    this.parts = parts;
  }

  /** Resolves with `isSettled`. */
  get settled(): Promise<void> {
    return this.arrival.promise;
  }

  start(): void {
    const { sds } = this.ref;
    if (sds?.sdsConfig === undefined) {
      this.load();
      this.settle();
      this.watch();
      return;
    }
    this.discovery = new SecretDiscovery(sds, {
      stats: this.parts.stats,
      subscriptions: this.parts.subscriptions,
      onSecret: (type, version) => this.onDiscovered(type, version),
      onSettled: () => this.settle(),
    });
    this.discovery.start();
  }

  stop(): void {
    this.discovery?.stop();
    this.stopWatching?.();
    clearTimeout(this.timer);
    this.settle();
  }

  /** Reads it and the files it names again; one that does not fit is tried some more times. */
  reload(): void {
    clearTimeout(this.timer);
    if (this.discovery !== undefined && this.configured === undefined) return;
    const before = JSON.stringify(watchedPaths(this));
    if (!this.load()) {
      if (this.rereads++ < mostRereads) {
        this.timer = setTimeout(() => this.reload(), rereadAfter);
        this.timer.unref();
      } else this.discovery?.countFailedRotation();
      return;
    }
    if (JSON.stringify(watchedPaths(this)) !== before) this.watch();
    this.parts.onChange();
  }

  private settle(): void {
    this.isSettled = true;
    this.arrival.resolve();
  }

  /** Answers why it cannot be used. */
  private onDiscovered(type: Content, version: string): readonly string[] {
    const problems = this.use(type);
    if (problems.length > 0) return problems;
    this.version = version;
    this.updatedAt = Date.now();
    clearTimeout(this.timer);
    this.watch();
    this.parts.onChange();
    return problems;
  }

  /** What is wrong is logged, and the former content stays in use. */
  private load(): boolean {
    const { ref } = this;
    const configured =
      ref.inline ?? (this.discovery === undefined ? this.parts.staticSecret(ref.key) : this.configured);
    const problems = configured === undefined ? ['there is no static secret of this name'] : this.use(configured);
    if (problems.length === 0) return true;
    const stays = this.content === undefined ? '' : '; the former one stays in use';
    log.error(`${this.describe()}: ${problems.join('; ')}${stays}`);
    return false;
  }

  /** Takes it if it can be read; else answers why not. */
  private use(configured: Content): string[] {
    const { kind } = this.ref;
    if (configured.case !== kind) return [`it is a ${configured.case ?? 'secret of no kind'}, expected a ${kind}`];
    const problems: string[] = [];
    const at = (path: string, reason: string) => (path === '' ? reason : `${path}: ${reason}`);
    const content = readSecret(configured, {
      error: (path, reason) => problems.push(at(path, reason)),
      warn: (path, reason) => log.warn(`${this.describe()}: ${at(path, reason)}`),
    });
    if (configured.case === 'validationContext' && this.discovery !== undefined)
      checkValidation(configured.value, false, (path, reason) => problems.push(at(path, reason)));
    if (content === undefined || problems.length > 0) return problems;
    this.configured = configured;
    this.content = content;
    this.parts.onContent(content);
    return problems;
  }

  private watch(): void {
    this.stopWatching?.();
    this.stopWatching = undefined;
    const watched = watchedPaths(this);
    if (watched.folders.length + watched.files.length === 0) return;
    this.stopWatching = watchPaths(watched, () => {
      this.rereads = 0;
      this.reload();
    });
  }

  private describe(): string {
    const { sds, path } = this.ref;
    return sds === undefined ? path : `secret '${sds.name}'`;
  }
}

/** The folders it names; of one that is discovered also the files: they are swapped by whoever swaps the secret. */
function watchedPaths({ ref, configured }: SecretEntry): { folders: string[]; files: string[] } {
  const folders: string[] = [];
  const files: string[] = [];
  const discovered = ref.sds?.sdsConfig !== undefined;
  const value = configured?.value as { watchedDirectory?: { path: string } } | undefined;
  const own = value?.watchedDirectory?.path;
  if (own !== undefined) folders.push(own);
  // A folder of links that is swapped as a whole holds the secret's files as well.
  if (discovered && secretFile(ref.sds!) !== undefined) {
    const { configSourceSpecifier: source } = ref.sds!.sdsConfig!;
    const folder = source.case === 'pathConfigSource' ? source.value.watchedDirectory?.path : undefined;
    if (folder !== undefined) folders.push(folder);
  }
  for (const source of sourcesOf(configured)) {
    if (source.watchedDirectory !== undefined) folders.push(source.watchedDirectory.path);
    else if (own === undefined && discovered && source.specifier.case === 'filename') {
      files.push(source.specifier.value);
    }
  }
  return { folders, files };
}

function sourcesOf(content: Content | undefined): DataSource[] {
  const all =
    content?.case === 'tlsCertificate'
      ? [
          content.value.certificateChain,
          content.value.privateKey,
          content.value.pkcs12,
          content.value.password,
          content.value.ocspStaple,
        ]
      : content?.case === 'validationContext'
        ? [content.value.trustedCa, content.value.crl]
        : content?.case === 'sessionTicketKeys'
          ? content.value.keys
          : content?.case === 'genericSecret'
            ? [content.value.secret, ...Object.values(content.value.secrets)]
            : [];
  return all.filter((source) => source !== undefined);
}
