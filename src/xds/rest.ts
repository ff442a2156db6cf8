/** Control path, step 3: a subscription over REST: POST /v3/discovery:<type>, again after refresh_delay and as much jitter at most. */
import { create, fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import type { envoy } from '../api/envoy_types.ts';
import { messageType, registry } from '../api/registry.ts';
import { logger } from '../common/log.ts';
import type { ControlPlanes } from './control_plane.ts';
import { decodeAll, rejectionText } from './decode.ts';
import { type HttpReply, httpRequest } from './http_request.ts';
import { restPathFor, typeUrlFor } from './type_urls.ts';
import type { Watch, WatchOwner } from './watch.ts';

const log = logger('config');

export interface RestOptions {
  readonly clusters: readonly string[];
  readonly planes: ControlPlanes;
  readonly node: envoy.config.core.v3.Node;
  readonly apiVersion: 'V2' | 'V3';
  /** Milliseconds. */
  readonly refreshDelay: number;
  readonly requestTimeout: number;
  readonly random: () => number;
}

type Response = envoy.service.discovery.v3.DiscoveryResponse;

/** One watch, polled. */
export class RestSubscription implements WatchOwner {
  private readonly options: RestOptions;
  private timer: NodeJS.Timeout | undefined;
  private version = '';
  private stopped = false;
  private abort: (() => void) | undefined;
  private nextCluster = 0;

  constructor(options: RestOptions) {
    this.options = options;
  }

  onWatchStarted(watch: Watch): void {
    this.fetch(watch);
  }

  onNamesChanged(watch: Watch): void {
    // Other names are asked for at once; what is under way asked for the old ones.
    this.abort?.();
    clearTimeout(this.timer);
    this.version = '';
    this.fetch(watch);
  }

  onWatchStopped(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.abort?.();
  }

  private fetch(watch: Watch): void {
    if (this.stopped) return;
    const { clusters, planes, apiVersion, requestTimeout } = this.options;
    const cluster = clusters[this.nextCluster++ % clusters.length];
    const host = planes.nextHost(cluster);
    const path = restPathFor(watch.typeName, apiVersion);
    if (host === undefined || path === undefined) {
      this.failed(
        watch,
        host === undefined ? `cluster '${cluster}' has no host` : `${watch.typeName} is not served by REST`,
      );
      return;
    }
    const request = { method: 'POST', path, host: cluster, body: this.requestBody(watch), timeout: requestTimeout };
    this.abort = httpRequest(host, request, (reply) => {
      this.abort = undefined;
      void this.onReply(watch, reply);
    });
  }

  private requestBody(watch: Watch): string {
    const { node, apiVersion } = this.options;
    const type = messageType('envoy.service.discovery.v3.DiscoveryRequest');
    const message = create(type, {
      versionInfo: this.version,
      node,
      resourceNames: [...(watch.names ?? [])],
      typeUrl: typeUrlFor(watch.typeName, apiVersion),
    } as never);
    return JSON.stringify(toJson(type, message, { registry, useProtoFieldName: true }));
  }

  private async onReply(watch: Watch, reply: HttpReply): Promise<void> {
    if (this.stopped) return;
    if (reply.error !== '' || (reply.status !== 200 && reply.status !== 304)) {
      this.failed(watch, reply.error || `HTTP status ${reply.status}`);
      return;
    }
    if (reply.status === 200) await this.take(watch, reply.body);
    this.again(watch);
  }

  private async take(watch: Watch, body: string): Promise<void> {
    let response: Response;
    try {
      const type = messageType('envoy.service.discovery.v3.DiscoveryResponse');
      const json = JSON.parse(body) as JsonValue;
      response = fromJson(type, json, { registry, ignoreUnknownFields: true }) as unknown as Response;
    } catch (error) {
      log.warn(`REST update of ${watch.typeName} rejected: ${(error as Error).message}`);
      watch.refuse(`the reply is no DiscoveryResponse: ${(error as Error).message}`);
      return;
    }
    const { versionInfo } = response;
    const { resources, rejections } = decodeAll(response.resources, watch.typeName, versionInfo);
    if (rejections.length > 0) {
      log.warn(`REST update of ${watch.typeName} rejected: ${rejectionText(rejections)}`);
      watch.refuse(rejectionText(rejections));
      return;
    }
    const wanted = resources.filter(({ name }) => watch.wants(name));
    const refused = await watch.deliver(wanted, versionInfo);
    if (refused.length === 0) this.version = versionInfo;
    else log.warn(`REST update of ${watch.typeName} rejected: ${rejectionText(refused)}`);
  }

  private failed(watch: Watch, reason: string): void {
    log.debug(`REST update of ${watch.typeName} failed: ${reason}`);
    watch.fail(reason);
    this.again(watch);
  }

  private again(watch: Watch): void {
    if (this.stopped) return;
    const { refreshDelay, random } = this.options;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.fetch(watch), refreshDelay + Math.floor(random() * refreshDelay));
  }
}
