/** Control path, step 3: SDS: one secret, from whatever source its TLS context names. */
import type { envoy } from '../../api/envoy_types.ts';
import { defineLayout } from '../../common/stats/layout.ts';
import { statNamePart } from '../../common/stats/stat_name.ts';
import { secretFile } from '../../common/tls/secret_refs.ts';
import { checkResource, reasonsOf } from '../../config/check_resource.ts';
import type { StatsStore } from '../../spi/stats.ts';
import type { DecodedResource, Rejection, Subscription, SubscriptionFactory } from '../subscription.ts';

type Secret = envoy.extensions.transport_sockets.tls.v3.Secret;
type SdsSecretConfig = envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig;

/** `sds.<name>.`, beside what every subscription counts. */
const SDS = defineLayout('sds', ['key_rotation_failed']);

const secretType = 'envoy.extensions.transport_sockets.tls.v3.Secret';

export interface SecretDiscoveryParts {
  readonly stats: StatsStore;
  readonly subscriptions: () => SubscriptionFactory;
  /** Answers why the secret cannot be used; empty when it can. */
  readonly onSecret: (type: Secret['type'], version: string) => readonly string[];
  /** It is there, or will not come in time, or cannot be used. May be called again. */
  readonly onSettled: () => void;
}

export class SecretDiscovery {
  private readonly config: SdsSecretConfig;
  private readonly parts: SecretDiscoveryParts;
  private readonly stats: Float64Array;
  private readonly subscription: Subscription;

  constructor(config: SdsSecretConfig, parts: SecretDiscoveryParts) {
    this.config = config;
    this.parts = parts;
    const prefix = `sds.${statNamePart(config.name)}.`;
    this.stats = parts.stats.block(SDS, prefix);
    this.stats[SDS.slot.key_rotation_failed] += 0;
    this.subscription = parts.subscriptions().subscribe(config.sdsConfig!, secretType, prefix, {
      onConfigUpdate: (resources, version) => this.take(resources, version),
      // One that is taken away stays in use, as in Envoy: it goes with the last listener or cluster that names it.
      onDeltaUpdate: (added, removed, version) => {
        if (added.length > 0) return this.take(added, version);
        if (removed.length > 0) parts.onSettled();
        return [];
      },
      onConfigUpdateFailed: (why) => {
        // A file that cannot be read is not waited for: nobody is about to answer.
        if (why !== 'connection failure' || secretFile(config) !== undefined) parts.onSettled();
      },
    });
  }

  start(): void {
    this.subscription.start(new Set([this.config.name]));
  }

  stop(): void {
    this.subscription.stop();
  }

  /** Files the secret names changed, and what is in them now is of no use. */
  countFailedRotation(): void {
    this.stats[SDS.slot.key_rotation_failed]++;
  }

  private take(resources: readonly DecodedResource[], version: string): Rejection[] {
    const { name } = this.config;
    const found = resources.find((resource) => resource.name === name);
    const reasons = found === undefined ? [missing(name)] : this.use(found, version);
    this.parts.onSettled();
    return reasons.map((reason) => ({ resource: name, reason }));
  }

  private use({ message, version: own }: DecodedResource, version: string): readonly string[] {
    const diagnostics = checkResource(message, new Set());
    if (diagnostics.errors.length > 0) return [reasonsOf(diagnostics)];
    return this.parts.onSecret((message as unknown as Secret).type, own || version);
  }
}

function missing(name: string): string {
  return `Missing SDS resources for ${name} in onConfigUpdate()`;
}
