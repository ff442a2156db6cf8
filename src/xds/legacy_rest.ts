/**
 * Control path, step 3: the REST services of Envoy's first API: GET /v1/registration, clusters, routes and listeners. Their
 * replies become v3 resources.
 */
import type { envoy } from '../api/envoy_types.ts';
import { logger } from '../common/log.ts';
import type { ControlPlanes } from './control_plane.ts';
import { type HttpReply, httpRequest } from './http_request.ts';
import type { DecodedResource } from './subscription.ts';
import type { Watch, WatchOwner } from './watch.ts';

const log = logger('config');

export interface LegacyRestOptions {
  readonly cluster: string;
  readonly planes: ControlPlanes;
  readonly node: envoy.config.core.v3.Node;
  /** Milliseconds. */
  readonly refreshDelay: number;
  readonly requestTimeout: number;
  readonly random: () => number;
  /** Turns a reply into resources of a type; throws with the reason when it is none. */
  readonly read: (typeName: string, name: string, body: string) => readonly DecodedResource[];
}

/** One watch; a request for each of its names, or one for everything. */
export class LegacyRestSubscription implements WatchOwner {
  private readonly options: LegacyRestOptions;
  private readonly timers = new Map<string, NodeJS.Timeout>();
  private readonly under = new Map<string, () => void>();
  private stopped = false;

  constructor(options: LegacyRestOptions) {
    this.options = options;
  }

  onWatchStarted(watch: Watch): void {
    for (const name of watch.names ?? ['']) this.fetch(watch, name);
  }

  onNamesChanged(watch: Watch, before: ReadonlySet<string>): void {
    for (const name of watch.names ?? []) if (!before.has(name)) this.fetch(watch, name);
    for (const name of before) if (!watch.wants(name)) this.forget(name);
  }

  onWatchStopped(): void {
    this.stopped = true;
    for (const name of [...this.timers.keys(), ...this.under.keys()]) this.forget(name);
  }

  private forget(name: string): void {
    clearTimeout(this.timers.get(name));
    this.timers.delete(name);
    this.under.get(name)?.();
    this.under.delete(name);
  }

  private fetch(watch: Watch, name: string): void {
    const { cluster, planes, requestTimeout, node } = this.options;
    const host = planes.nextHost(cluster);
    const path = legacyPath(watch.typeName, name, node);
    if (host === undefined || path === undefined) {
      this.failed(
        watch,
        name,
        host === undefined ? `cluster '${cluster}' has no host` : `${watch.typeName} has no v1 service`,
      );
      return;
    }
    const request = { method: 'GET', path, host: cluster, body: '', timeout: requestTimeout };
    const abort = httpRequest(host, request, (reply) => {
      this.under.delete(name);
      void this.onReply(watch, name, reply);
    });
    this.under.set(name, abort);
  }

  private async onReply(watch: Watch, name: string, reply: HttpReply): Promise<void> {
    if (this.stopped) return;
    if (reply.error !== '' || reply.status !== 200) {
      this.failed(watch, name, reply.error || `HTTP status ${reply.status}`);
      return;
    }
    let resources: readonly DecodedResource[];
    try {
      resources = this.options.read(watch.typeName, name, reply.body);
    } catch (error) {
      log.warn(`v1 update of ${watch.typeName} ${name} rejected: ${(error as Error).message}`);
      watch.refuse((error as Error).message);
      this.again(watch, name);
      return;
    }
    const refused = await watch.deliver(resources, '');
    for (const { reason } of refused) log.warn(`v1 update of ${name} rejected: ${reason}`);
    this.again(watch, name);
  }

  /** What there was stays. */
  private failed(watch: Watch, name: string, reason: string): void {
    log.debug(`v1 update of ${watch.typeName} ${name} failed: ${reason}`);
    watch.fail(reason);
    this.again(watch, name);
  }

  private again(watch: Watch, name: string): void {
    if (this.stopped || (name !== '' && !watch.wants(name))) return;
    const { refreshDelay, random } = this.options;
    const wait = refreshDelay + Math.floor(random() * refreshDelay);
    this.timers.set(
      name,
      setTimeout(() => this.fetch(watch, name), wait),
    );
  }
}

function legacyPath(typeName: string, name: string, node: envoy.config.core.v3.Node): string | undefined {
  const where = `${encodeURIComponent(node.cluster)}/${encodeURIComponent(node.id)}`;
  switch (typeName) {
    case 'envoy.config.endpoint.v3.ClusterLoadAssignment':
      return `/v1/registration/${encodeURIComponent(name)}`;
    case 'envoy.config.cluster.v3.Cluster':
      return `/v1/clusters/${where}`;
    case 'envoy.config.route.v3.RouteConfiguration':
      return `/v1/routes/${encodeURIComponent(name)}/${where}`;
    case 'envoy.config.listener.v3.Listener':
      return `/v1/listeners/${where}`;
    default:
      return undefined;
  }
}
