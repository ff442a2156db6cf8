/** The secrets of the process on the main thread: read, checked, published to the workers, and read again when their files are swapped. */
import { randomBytes } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { messagesIn } from '../../api/any_types.ts';
import type { envoy } from '../../api/envoy_types.ts';
import { messageType } from '../../api/registry.ts';
import { addressOfMessage } from '../../common/address.ts';
import { statNamePart } from '../../common/stats/layouts.ts';
import type { DataSource } from '../../common/tls/data_source.ts';
import {
  certificateRefs,
  downstreamType,
  processTicketKeys,
  type SecretRef,
  secretType,
  staticKey,
  ticketKeysRef,
  upstreamType,
  validationRefs,
} from '../../common/tls/secret_refs.ts';
import type { PublishObserver, SnapshotPublisher } from '../../snapshot/publisher.ts';
import type { StatsStore } from '../../spi/stats.ts';
import type { SubscriptionFactory } from '../../xds/subscription.ts';
import { CertificateGauges } from './certificate_gauges.ts';
import { SecretEntry } from './secret_entry.ts';

type Secret = envoy.extensions.transport_sockets.tls.v3.Secret;
type CommonTlsContext = envoy.extensions.transport_sockets.tls.v3.CommonTlsContext;
type DownstreamTlsContext = envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext;
type Content = Secret['type'];

const ticketKeySize = 80;
/** Milliseconds after which sessions are sealed with a new key: one that is found out opens a day of them. */
const ticketKeyLife = 24 * 3_600_000;
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
  readonly subscriptions: () => SubscriptionFactory;
  /** A secret changed after the start: a new generation is due. */
  readonly onChange: () => void;
}

/** The secrets of a listener or cluster that is not published yet. */
export interface HeldSecrets {
  /** Resolves when each is there, or will not come in time. */
  readonly settled: Promise<unknown>;
  /** Names of those that are waited for. */
  unsettled(): string[];
  /** From now on they are kept by what was published, or by nobody. */
  release(): void;
}

/** One that has a name, as /config_dump shows it. */
export interface NamedSecret {
  readonly name: string;
  readonly message: Secret;
  /** Undefined: of the bootstrap. */
  readonly version?: string;
  readonly lastUpdated?: number;
  readonly warming?: boolean;
}

interface Context {
  readonly scope: string;
  readonly refs: readonly SecretRef[];
}

export class SecretSet implements PublishObserver {
  private readonly parts: SecretSetParts;
  private readonly entries = new Map<string, SecretEntry>();
  private readonly owners = new Map<string, readonly Context[]>();
  private readonly gauges: CertificateGauges;
  private staticSecrets: ReadonlyMap<string, Secret> = new Map();
  private readonly ticketTimer: NodeJS.Timeout;
  private hasTicketKeys = false;
  private holds = 0;

  constructor(parts: SecretSetParts) {
    this.parts = parts;
    this.gauges = new CertificateGauges(parts.stats);
    this.setStatic(parts.staticSecrets);
    this.ticketTimer = setInterval(() => {
      if (!this.hasTicketKeys) return;
      this.newTicketKeys();
      parts.onChange();
    }, ticketKeyLife);
    this.ticketTimer.unref();
  }

  onListener(message: envoy.config.listener.v3.Listener, name: string): void {
    this.setOwner(`listener/${name}`, listenerContexts(message));
  }

  onCluster(message: envoy.config.cluster.v3.Cluster): void {
    this.setOwner(`cluster/${message.name}`, clusterContexts(message));
  }

  /** Begins to fetch what a listener names. */
  holdForListener(message: envoy.config.listener.v3.Listener): HeldSecrets {
    return this.hold(listenerContexts(message));
  }

  /** Begins to fetch what a cluster names. */
  holdForCluster(message: envoy.config.cluster.v3.Cluster): HeldSecrets {
    return this.hold(clusterContexts(message));
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
  resources(): NamedSecret[] {
    const secrets = [...this.staticSecrets.values()].map((message) => ({ name: message.name, message }));
    const discovered = [...this.entries.values()].flatMap(({ ref, configured, version, updatedAt }) => {
      if (ref.sds?.sdsConfig === undefined) return [];
      const message = create(messageType(secretType)) as unknown as Secret;
      message.name = ref.sds.name;
      if (configured !== undefined) message.type = configured;
      const warming = configured === undefined ? { warming: true } : {};
      return [{ name: ref.sds.name, message, version, lastUpdated: updatedAt, ...warming }];
    });
    return [...secrets, ...discovered];
  }

  /** Those of a bootstrap that was loaded again; every file that a secret in use names is read again, too. */
  reloadStatic(secrets: readonly Secret[]): void {
    this.setStatic(secrets);
    for (const entry of this.entries.values()) entry.reload();
  }

  private setStatic(secrets: readonly Secret[]): void {
    this.staticSecrets = new Map(secrets.map((secret) => [staticKey(secret.name), secret]));
  }

  /** Days until the first certificate in use expires; undefined when there is none. Sets the gauges of all. */
  refreshGauges(now: number): number | undefined {
    return this.gauges.refresh(this.inUse(), now);
  }

  /** What a secret in use holds, with all bytes; undefined while it is not there. */
  contentOf({ key }: SecretRef): Content | undefined {
    return this.entries.get(key)?.content;
  }

  stop(): void {
    clearInterval(this.ticketTimer);
    for (const entry of this.entries.values()) entry.stop();
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
      entry = new SecretEntry(ref, {
        stats: this.parts.stats,
        subscriptions: this.parts.subscriptions,
        staticSecret: (key) => this.staticSecrets.get(key)?.type,
        onContent: (content) => this.publish(ref.key, content),
        onChange: this.parts.onChange,
      });
      this.entries.set(ref.key, entry);
      entry.start();
    }
    entry.users.add(owner);
  }

  private release(key: string, owner: string): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    entry.users.delete(owner);
    if (entry.users.size > 0) return;
    entry.stop();
    this.entries.delete(key);
    this.parts.publisher.remove(secretType, key);
  }

  private hold(contexts: readonly Context[]): HeldSecrets {
    const owner = `held/${++this.holds}`;
    const refs = contexts.flatMap((context) => context.refs);
    for (const ref of refs) this.use(ref, owner);
    const entries = refs.flatMap(({ key }) => this.entries.get(key) ?? []);
    return {
      settled: Promise.all(entries.map(({ settled }) => settled)),
      unsettled: () => entries.flatMap(({ isSettled, ref }) => (isSettled ? [] : (ref.sds?.name ?? []))),
      release: () => {
        for (const { key } of refs) this.release(key, owner);
      },
    };
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

function listenerContexts(message: envoy.config.listener.v3.Listener): Context[] {
  const scope = `listener.${statNamePart(message.statPrefix || addressOfMessage(message.address).text)}.`;
  return (messagesIn(message, downstreamType) as DownstreamTlsContext[]).map((context) => {
    const tickets = ticketKeysRef(context);
    const refs = refsOf(context.commonTlsContext);
    return { scope, refs: tickets === undefined ? refs : [...refs, tickets] };
  });
}

function clusterContexts(message: envoy.config.cluster.v3.Cluster): Context[] {
  const scope = `cluster.${message.altStatName || message.name}.`;
  return messagesIn(message, upstreamType).map((context) => ({
    scope,
    refs: refsOf((context as { commonTlsContext?: CommonTlsContext }).commonTlsContext),
  }));
}
