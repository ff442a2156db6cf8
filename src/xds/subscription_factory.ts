/** Control path, step 3: from a ConfigSource to the transport that feeds a subscription; streams are shared where Envoy shares them. */
import { create } from '@bufbuild/protobuf';
import { ApiConfigSource_ApiType } from '../api/enums.ts';
import type { envoy } from '../api/envoy_types.ts';
import { encode, messageType } from '../api/registry.ts';
import { durationMs } from '../common/duration.ts';
import type { StatsStore } from '../spi/stats.ts';
import { BackOff } from './back_off.ts';
import type { ControlPlanes } from './control_plane.ts';
import { FileSubscription } from './file_subscription.ts';
import { GooglePlane, googleAuthority, googleMetadata } from './google_grpc.ts';
import { GrpcChannel } from './grpc/channel.ts';
import { ControlStream } from './grpc/control_stream.ts';
import { DeltaMux } from './grpc/delta_mux.ts';
import { SotwMux } from './grpc/sotw_mux.ts';
import { TokenBucket } from './grpc/token_bucket.ts';
import { LegacyRestSubscription } from './legacy_rest.ts';
import { RestSubscription } from './rest.ts';
import { CONTROL_PLANE, SUBSCRIPTION } from './stats.ts';
import type { DecodedResource, Subscription, SubscriptionCallbacks, SubscriptionFactory } from './subscription.ts';
import { adsDelta, adsDeltaV2, adsStream, adsStreamV2, methodFor } from './type_urls.ts';
import { Watch, type WatchOwner } from './watch.ts';

type ConfigSource = envoy.config.core.v3.ConfigSource;
type ApiConfigSource = envoy.config.core.v3.ApiConfigSource;

export interface XdsParts {
  readonly planes: ControlPlanes;
  readonly stats: StatsStore;
  /** As `nodeForXds` makes it. */
  readonly node: envoy.config.core.v3.Node;
  /** dynamic_resources.ads_config. */
  readonly ads: ApiConfigSource | undefined;
  readonly random: () => number;
  /** Told the version a subscription accepted, first the empty one, by the prefix of its statistics: `version_text`. */
  readonly onVersion: (statPrefix: string, version: string) => void;
  /** Told what a control plane calls itself, by the prefix of its stream's statistics. */
  readonly onIdentifier: (statPrefix: string, identifier: string) => void;
  /** Reads replies of the first API's REST services. */
  readonly readLegacy: (typeName: string, name: string, body: string) => readonly DecodedResource[];
}

/** Envoy's defaults, milliseconds. */
const defaultInitialFetchTimeout = 15_000;
const defaultRequestTimeout = 1000;
const defaultRefreshDelay = 30_000;

interface Mux {
  readonly owner: WatchOwner;
  stop(): void;
}

export class XdsSubscriptions implements SubscriptionFactory {
  private readonly parts: XdsParts;
  /** Streams by what they ask and whom. */
  private readonly muxes = new Map<string, Mux>();

  constructor(parts: XdsParts) {
    this.parts = parts;
  }

  subscribe(
    source: ConfigSource,
    typeName: string,
    statPrefix: string,
    callbacks: SubscriptionCallbacks,
  ): Subscription {
    const { stats, onVersion } = this.parts;
    onVersion(statPrefix, '');
    return new Watch(this.ownerFor(source, typeName, statPrefix), {
      typeName,
      callbacks,
      stats: stats.block(SUBSCRIPTION, statPrefix),
      duration: stats.histogram(`${statPrefix}update_duration`),
      initialFetchTimeout: durationMs(source.initialFetchTimeout) ?? defaultInitialFetchTimeout,
      onVersion: (version) => onVersion(statPrefix, version),
    });
  }

  stop(): void {
    for (const mux of this.muxes.values()) mux.stop();
    this.muxes.clear();
  }

  private ownerFor(source: ConfigSource, typeName: string, statPrefix: string): WatchOwner {
    const { configSourceSpecifier: chosen } = source;
    switch (chosen.case) {
      case 'path':
        return new FileSubscription(chosen.value, undefined);
      case 'pathConfigSource':
        return new FileSubscription(chosen.value.path, chosen.value.watchedDirectory?.path);
      case 'apiConfigSource':
        return this.apiOwner(chosen.value, source, typeName, statPrefix);
      default:
        // `ads`, and `self`, which stands for the stream that brought the resource: only ADS brings such.
        return this.adsOwner();
    }
  }

  private adsOwner(): WatchOwner {
    const { ads } = this.parts;
    if (ads === undefined) return nobody;
    const delta = ads.apiType === ApiConfigSource_ApiType.DELTA_GRPC;
    const version = versionOf(ads);
    let method = delta ? adsDelta : adsStream;
    if (version === 'V2') method = delta ? adsDeltaV2 : adsStreamV2;
    return this.mux('ads', ads, method, delta, 'control_plane.');
  }

  private apiOwner(api: ApiConfigSource, source: ConfigSource, typeName: string, statPrefix: string): WatchOwner {
    const { planes, node, random, readLegacy } = this.parts;
    const refreshDelay = durationMs(api.refreshDelay) ?? defaultRefreshDelay;
    const requestTimeout = durationMs(api.requestTimeout) ?? defaultRequestTimeout;
    switch (api.apiType) {
      case ApiConfigSource_ApiType.DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE:
        return new LegacyRestSubscription({
          cluster: api.clusterNames[0],
          planes,
          node,
          refreshDelay,
          requestTimeout,
          random,
          read: readLegacy,
        });
      case ApiConfigSource_ApiType.REST:
        return new RestSubscription({
          clusters: api.clusterNames,
          planes,
          node,
          apiVersion: versionOf(api, source),
          refreshDelay,
          requestTimeout,
          random,
        });
      case ApiConfigSource_ApiType.AGGREGATED_GRPC:
      case ApiConfigSource_ApiType.AGGREGATED_DELTA_GRPC:
        return this.adsOwner();
      default: {
        const delta = api.apiType === ApiConfigSource_ApiType.DELTA_GRPC;
        const bytes = encode('envoy.config.core.v3.ApiConfigSource', api);
        const key = `${typeName} ${Buffer.from(bytes).toString('base64')}`;
        return this.mux(
          key,
          api,
          methodFor(typeName, delta, versionOf(api, source)),
          delta,
          `${statPrefix}control_plane.`,
        );
      }
    }
  }

  private mux(key: string, api: ApiConfigSource, method: string, delta: boolean, statPrefix: string): WatchOwner {
    const present = this.muxes.get(key);
    if (present !== undefined) return present.owner;
    const { planes, node, stats, random, onIdentifier } = this.parts;
    onIdentifier(statPrefix, '');
    const service = api.grpcServices[0] as envoy.config.core.v3.GrpcService | undefined;
    const channel = channelOf(api, planes, stats);
    let stream: ControlStream | undefined;
    const options = {
      node,
      nodeOnFirstMessageOnly: api.setNodeOnFirstMessageOnly,
      apiVersion: versionOf(api),
      kick: () => stream?.kick(),
      onIdentifier: (identifier: string) => onIdentifier(statPrefix, identifier),
    };
    const protocol = delta ? new DeltaMux(options) : new SotwMux(options);
    const policy =
      service?.targetSpecifier.case === 'envoyGrpc' ? service.targetSpecifier.value.retryPolicy : undefined;
    const control = new ControlStream({
      channel,
      method,
      protocol,
      backOff: new BackOff(
        durationMs(policy?.retryBackOff?.baseInterval) ?? 500,
        durationMs(policy?.retryBackOff?.maxInterval) ?? 30_000,
        random,
      ),
      bucket: api.rateLimitSettings === undefined ? undefined : new TokenBucket(api.rateLimitSettings),
      stats: stats.block(CONTROL_PLANE, statPrefix),
    });
    stream = control;
    const owner = startOnFirst(protocol, () => control.start());
    this.muxes.set(key, {
      owner,
      stop: () => {
        control.stop();
        protocol.stop();
      },
    });
    return owner;
  }
}

/** A stream is opened for its first subscription, not before. */
function startOnFirst(protocol: WatchOwner, start: () => void): WatchOwner {
  let started = false;
  return {
    onWatchStarted(watch) {
      protocol.onWatchStarted(watch);
      if (started) return;
      started = true;
      start();
    },
    onNamesChanged: (watch, before) => protocol.onNamesChanged(watch, before),
    onWatchStopped: (watch) => protocol.onWatchStopped(watch),
  };
}

/** Without an ads_config nothing answers; validation refuses such a source. */
const nobody: WatchOwner = { onWatchStarted() {}, onNamesChanged() {}, onWatchStopped() {} };

/** The connection an ApiConfigSource of gRPC speaks of. */
export function channelOf(api: ApiConfigSource, planes: ControlPlanes, stats: StatsStore): GrpcChannel {
  const service = api.grpcServices[0] as envoy.config.core.v3.GrpcService | undefined;
  const metadata = (service?.initialMetadata ?? []).map(({ key, value }) => [key, value] as const);
  const target = service?.targetSpecifier;
  if (target?.case === 'googleGrpc') {
    const { value: google } = target;
    const plane = new GooglePlane(google, stats);
    metadata.push(...googleMetadata(google));
    const authority = googleAuthority(google);
    return new GrpcChannel({ cluster: google.targetUri, authority, metadata, envoyHeaders: false }, plane, plane);
  }
  // v2 named the cluster beside the services.
  const own = target?.case === 'envoyGrpc' ? target.value : undefined;
  const cluster = own?.clusterName ?? api.clusterNames[0] ?? '';
  const options = {
    cluster,
    authority: own?.authority || cluster,
    metadata,
    envoyHeaders: own?.skipEnvoyHeaders !== true,
  };
  return new GrpcChannel(options, planes);
}

/** V3 unless it says otherwise; files of today that say nothing mean V3. */
function versionOf(api: ApiConfigSource, source?: ConfigSource): 'V2' | 'V3' {
  const v2 = 1;
  return api.transportApiVersion === v2 || source?.resourceApiVersion === v2 ? 'V2' : 'V3';
}

/** An ApiConfigSource of the first API's REST services: what the conversion of v1 files writes. */
export function legacyRestSource(cluster: string, refreshDelay: number): ConfigSource {
  const seconds = Math.floor(refreshDelay / 1000);
  const nanos = Math.round((refreshDelay % 1000) * 1e6);
  const api = create(messageType('envoy.config.core.v3.ApiConfigSource'), {
    apiType: ApiConfigSource_ApiType.DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE,
    clusterNames: [cluster],
    refreshDelay: { seconds: BigInt(seconds), nanos },
  } as never);
  return create(messageType('envoy.config.core.v3.ConfigSource'), {
    configSourceSpecifier: { case: 'apiConfigSource', value: api },
  } as never) as unknown as ConfigSource;
}
