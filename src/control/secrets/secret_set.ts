/** The secrets of the process on the main thread: read, checked, published to the workers, and read again when their files are swapped. */
import { randomBytes } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { messagesIn } from '../../api/any_types.ts';
import type { envoy } from '../../api/envoy_types.ts';
import { messageType } from '../../api/registry.ts';
import { addressOfMessage } from '../../common/address.ts';
import { logger } from '../../common/log.ts';
import { statNamePart } from '../../common/stats/layouts.ts';
import type { DataSource } from '../../common/tls/data_source.ts';
import { readSecret } from '../../common/tls/read_secret.ts';
import {
  certificateRefs,
  downstreamType,
  processTicketKeys,
  type SecretRef,
  secretFile,
  secretType,
  staticKey,
  ticketKeysRef,
  upstreamType,
  validationRefs,
} from '../../common/tls/secret_refs.ts';
import type { PublishObserver, SnapshotPublisher } from '../../snapshot/publisher.ts';
import type { StatsStore } from '../../spi/stats.ts';
import { CertificateGauges } from './certificate_gauges.ts';
import { findSecret } from './secret_file.ts';
import { watchPaths } from './watch_paths.ts';

type Secret = envoy.extensions.transport_sockets.tls.v3.Secret;
type CommonTlsContext = envoy.extensions.transport_sockets.tls.v3.CommonTlsContext;
type DownstreamTlsContext = envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext;
type Content = Secret['type'];

const log = logger('secret');

const ticketKeySize = 80;
/** Milliseconds after which sessions are sealed with a new key: one that is found out opens a day of them. */
const ticketKeyLife = 24 * 3_600_000;
/** Milliseconds between tries to read a pair of files that do not fit: a swap may be half done. */
const rereadAfter = 250;
const mostRereads = 8;

/** One secret that somebody uses. */
interface Entry {
  readonly ref: SecretRef;
  /** As configuration or the file of a discovered one has it. */
  configured: Content | undefined;
  /** With all bytes; undefined until it could be read. */
  content: Content | undefined;
  readonly users: Set<string>;
  stopWatching: (() => void) | undefined;
  rereads: number;
  timer: NodeJS.Timeout | undefined;
}

/** One TLS context in use. */
export interface TlsContextInUse {
  /** `listener.<address>.` or `cluster.<name>.` */
  readonly scope: string;
  readonly certificates: readonly SecretInUse[];
  readonly validations: readonly SecretInUse[];
}

export interface SecretInUse {
  /** Of a static or a discovered one; empty when it is written in place. */
  readonly name: string;
  readonly configured: Content | undefined;
  readonly content: Content | undefined;
}

export interface SecretSetParts {
  readonly publisher: SnapshotPublisher;
  readonly stats: StatsStore;
  /** `static_resources.secrets`. */
  readonly staticSecrets: readonly Secret[];
  /** A secret changed after the start: a new generation is due. */
  readonly onChange: () => void;
}

interface Context {
  readonly scope: string;
  readonly refs: readonly SecretRef[];
}

export class SecretSet implements PublishObserver {
  private readonly parts: SecretSetParts;
  private readonly entries = new Map<string, Entry>();
  private readonly owners = new Map<string, readonly Context[]>();
  private readonly gauges: CertificateGauges;
  private readonly staticSecrets: ReadonlyMap<string, Secret>;
  private readonly ticketTimer: NodeJS.Timeout;
  private hasTicketKeys = false;

  constructor(parts: SecretSetParts) {
    this.parts = parts;
    this.gauges = new CertificateGauges(parts.stats);
    this.staticSecrets = new Map(parts.staticSecrets.map((secret) => [staticKey(secret.name), secret]));
    this.ticketTimer = setInterval(() => {
      if (!this.hasTicketKeys) return;
      this.newTicketKeys();
      parts.onChange();
    }, ticketKeyLife);
    this.ticketTimer.unref();
  }

  onListener(message: envoy.config.listener.v3.Listener, name: string): void {
    const scope = `listener.${statNamePart(message.statPrefix || addressOfMessage(message.address).text)}.`;
    const contexts = (messagesIn(message, downstreamType) as DownstreamTlsContext[]).map((context) => {
      const tickets = ticketKeysRef(context);
      const refs = refsOf(context.commonTlsContext);
      return { scope, refs: tickets === undefined ? refs : [...refs, tickets] };
    });
    this.setOwner(`listener/${name}`, contexts);
  }

  onCluster(message: envoy.config.cluster.v3.Cluster): void {
    const scope = `cluster.${message.altStatName || message.name}.`;
    const contexts = messagesIn(message, upstreamType).map((context) => ({
      scope,
      refs: refsOf((context as { commonTlsContext?: CommonTlsContext }).commonTlsContext),
    }));
    this.setOwner(`cluster/${message.name}`, contexts);
  }

  onRemoved(type: string, name: string): void {
    if (type.endsWith('.Listener')) this.setOwner(`listener/${name}`, []);
    else if (type.endsWith('.Cluster')) this.setOwner(`cluster/${name}`, []);
  }

  /** The TLS contexts in use, in the order in which their owners came. */
  inUse(): TlsContextInUse[] {
    return [...this.owners.values()].flat().map((context) => this.contextInUse(context));
  }

  private contextInUse({ scope, refs }: Context): TlsContextInUse {
    const of = (kind: SecretRef['kind']) => refs.filter((ref) => ref.kind === kind).map((ref) => this.describe(ref));
    return { scope, certificates: of('tlsCertificate'), validations: of('validationContext') };
  }

  /** The static and the discovered ones by name, as configuration has them: for /config_dump. */
  resources(): { name: string; message: Secret; version?: string }[] {
    const secrets = this.parts.staticSecrets.map((message) => ({ name: message.name, message }));
    const discovered = [...this.entries.values()].flatMap(({ ref, configured }) => {
      if (ref.sds?.sdsConfig === undefined || configured === undefined) return [];
      const message = create(messageType(secretType)) as unknown as Secret;
      message.name = ref.sds.name;
      message.type = configured;
      return [{ name: ref.sds.name, message, version: '' }];
    });
    return [...secrets, ...discovered];
  }

  /** Days until the first certificate in use expires; undefined when there is none. Sets the gauges of all. */
  refreshGauges(now: number): number | undefined {
    return this.gauges.refresh(this.inUse(), now);
  }

  stop(): void {
    clearInterval(this.ticketTimer);
    for (const entry of this.entries.values()) this.forget(entry);
  }

  private describe({ key, sds }: SecretRef): SecretInUse {
    const entry = this.entries.get(key);
    return { name: sds?.name ?? '', configured: entry?.configured, content: entry?.content };
  }

  private setOwner(owner: string, contexts: readonly Context[]): void {
    const before = this.owners.get(owner) ?? [];
    if (contexts.length > 0) this.owners.set(owner, contexts);
    else this.owners.delete(owner);
    const wanted = new Set(contexts.flatMap(({ refs }) => refs.map(({ key }) => key)));
    for (const ref of contexts.flatMap(({ refs }) => refs)) this.use(ref, owner);
    for (const { key } of before.flatMap(({ refs }) => refs)) if (!wanted.has(key)) this.release(key, owner);
    // So that they are there before anybody looks.
    this.gauges.refresh(
      contexts.map((context) => this.contextInUse(context)),
      Date.now(),
    );
  }

  private use(ref: SecretRef, owner: string): void {
    if (ref.key === processTicketKeys) {
      if (!this.hasTicketKeys) this.newTicketKeys();
      return;
    }
    let entry = this.entries.get(ref.key);
    if (entry === undefined) {
      entry = {
        ref,
        configured: undefined,
        content: undefined,
        users: new Set(),
        stopWatching: undefined,
        rereads: 0,
        timer: undefined,
      };
      this.entries.set(ref.key, entry);
      this.load(entry);
      this.watch(entry);
    }
    entry.users.add(owner);
  }

  private release(key: string, owner: string): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    entry.users.delete(owner);
    if (entry.users.size > 0) return;
    this.forget(entry);
    this.entries.delete(key);
    this.parts.publisher.remove(secretType, key);
  }

  private forget(entry: Entry): void {
    entry.stopWatching?.();
    clearTimeout(entry.timer);
  }

  /** Reads it and publishes it; what is wrong is logged, and the former one stays in use. */
  private load(entry: Entry): boolean {
    const { ref } = entry;
    const problems: string[] = [];
    const errors = {
      error: (path: string, reason: string) => problems.push(path === '' ? reason : `${path}: ${reason}`),
      warn: (path: string, reason: string) =>
        log.warn(`${describeRef(ref)}: ${path === '' ? '' : `${path}: `}${reason}`),
    };
    const configured = this.configured(ref, errors);
    const content = configured === undefined ? undefined : readSecret(configured, errors);
    if (configured !== undefined && configured.case !== ref.kind) problems.push(`it is not of the kind ${ref.kind}`);
    if (content === undefined || problems.length > 0) {
      log.error(
        `${describeRef(ref)}: ${problems.join('; ')}${entry.content === undefined ? '' : '; the former one stays in use'}`,
      );
      return false;
    }
    entry.configured = configured;
    entry.content = content;
    this.publish(ref.key, content);
    return true;
  }

  private configured(ref: SecretRef, errors: { error(path: string, reason: string): void }): Content | undefined {
    if (ref.inline !== undefined) return ref.inline;
    const file = secretFile(ref.sds!);
    if (file !== undefined) return findSecret(file, ref.sds!.name, (reason) => errors.error('', reason));
    const found = this.staticSecrets.get(ref.key);
    if (found === undefined) errors.error('', 'there is no static secret of this name');
    return found?.type;
  }

  private watch(entry: Entry): void {
    const watched = watchedPaths(entry);
    if (watched.folders.length + watched.files.length === 0) return;
    entry.stopWatching = watchPaths(watched, () => {
      entry.rereads = 0;
      this.reload(entry);
    });
  }

  private reload(entry: Entry): void {
    clearTimeout(entry.timer);
    const before = JSON.stringify(watchedPaths(entry));
    const loaded = this.load(entry);
    if (!loaded && entry.rereads++ < mostRereads) {
      entry.timer = setTimeout(() => this.reload(entry), rereadAfter);
      entry.timer.unref();
    }
    if (!loaded) return;
    if (JSON.stringify(watchedPaths(entry)) !== before) {
      entry.stopWatching?.();
      this.watch(entry);
    }
    this.parts.onChange();
  }

  private newTicketKeys(): void {
    this.hasTicketKeys = true;
    const source = create(messageType('envoy.config.core.v3.DataSource')) as unknown as DataSource;
    source.specifier = { case: 'inlineBytes', value: new Uint8Array(randomBytes(ticketKeySize)) };
    const keys = create(messageType('envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys')) as unknown as {
      keys: DataSource[];
    };
    keys.keys = [source];
    this.publish(processTicketKeys, { case: 'sessionTicketKeys', value: keys as never });
  }

  private publish(key: string, content: Content): void {
    const secret = create(messageType(secretType)) as unknown as Secret;
    secret.name = key;
    secret.type = content;
    this.parts.publisher.setResource(secretType, key, secret);
  }
}

function refsOf(common: CommonTlsContext | undefined): SecretRef[] {
  return [...certificateRefs(common), ...validationRefs(common)];
}

function describeRef({ sds, path }: SecretRef): string {
  return sds === undefined ? path : `secret '${sds.name}'`;
}

/** The folders it names; for one discovered in a file also that file, and the files it names itself. */
function watchedPaths({ ref, configured }: Entry): { folders: string[]; files: string[] } {
  const folders: string[] = [];
  const files: string[] = [];
  const specifier = ref.sds?.sdsConfig?.configSourceSpecifier;
  const discovered = ref.sds === undefined ? undefined : secretFile(ref.sds);
  if (specifier?.case === 'pathConfigSource' && specifier.value.watchedDirectory !== undefined) {
    folders.push(specifier.value.watchedDirectory.path);
  } else if (discovered !== undefined) files.push(discovered);
  const value = configured?.value as { watchedDirectory?: { path: string } } | undefined;
  const own = value?.watchedDirectory?.path;
  if (own !== undefined) folders.push(own);
  for (const source of sourcesOf(configured)) {
    if (source.watchedDirectory !== undefined) folders.push(source.watchedDirectory.path);
    else if (own === undefined && discovered !== undefined && source.specifier.case === 'filename') {
      files.push(source.specifier.value);
    }
  }
  return { folders, files };
}

function sourcesOf(content: Content | undefined): DataSource[] {
  const all =
    content?.case === 'tlsCertificate'
      ? [content.value.certificateChain, content.value.privateKey, content.value.password, content.value.ocspStaple]
      : content?.case === 'validationContext'
        ? [content.value.trustedCa, content.value.crl]
        : content?.case === 'sessionTicketKeys'
          ? content.value.keys
          : [];
  return all.filter((source) => source !== undefined);
}
