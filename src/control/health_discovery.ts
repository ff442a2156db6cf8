/** Health discovery (HDS): checks hosts on behalf of a management server and tells it what it found (main thread). */
import { create } from '@bufbuild/protobuf';
import type { envoy } from '../api/envoy_types.ts';
import { type AnyMessage, decode, encode, messageType } from '../api/registry.ts';
import { durationMs } from '../common/duration.ts';
import { logger } from '../common/log.ts';
import { defineLayout } from '../common/stats/layout.ts';
import { checkResource, reasonsOf } from '../config/check_resource.ts';
import type { HealthChecker } from '../health/health_checker.ts';
import { HealthFlag, HostWord, healthOfFlags, hostBase, makeWords } from '../snapshot/layout.ts';
import { LastingStream, type StreamOwner, type StreamParts } from '../xds/grpc/lasting_stream.ts';
import { type KnownHost, knownHosts, memberKey } from './known_hosts.ts';

const log = logger('upstream');

type ClusterMessage = envoy.config.cluster.v3.Cluster;
type Specifier = envoy.service.health.v3.HealthCheckSpecifier;
type ClusterCheck = envoy.service.health.v3.ClusterHealthCheck;

/** `hds_delegate.` */
export const HDS_DELEGATE = defineLayout('hds_delegate', ['errors', 'requests', 'responses', 'updates']);

const method = '/envoy.service.health.v3.HealthDiscoveryService/StreamHealthCheck';
const requestType = 'envoy.service.health.v3.HealthCheckRequestOrEndpointHealthResponse';
const defaultInterval = 1000;
/** envoy.service.health.v3.Capability.Protocol HTTP: what else is asked for is refused. */
const http = 0;

/** envoy.config.core.v3.HealthStatus. */
const status = { healthy: 1, unhealthy: 2, timeout: 4, degraded: 5 } as const;

export interface HealthDiscoveryParts extends Omit<StreamParts, 'method'> {
  readonly node: envoy.config.core.v3.Node;
  /** Slots of `hds_delegate.` */
  readonly stats: Float64Array;
  readonly makeChecker: (cluster: ClusterMessage, words: Int32Array) => HealthChecker;
}

/** The hosts of one cluster of the server's, under check. */
interface CheckedCluster {
  readonly name: string;
  readonly checker: HealthChecker;
  readonly hosts: readonly KnownHost[];
  readonly slots: readonly number[];
  readonly localities: ClusterCheck['localityEndpoints'];
}

export class HealthDiscovery implements StreamOwner {
  private readonly parts: HealthDiscoveryParts;
  /** Words of its own: the hosts are none of this process' clusters. */
  private readonly words = new Int32Array(makeWords());
  private readonly slots = new Map<string, number>();
  private clusters: CheckedCluster[] = [];
  private latest = '';
  private readonly stream: LastingStream;
  private timer: NodeJS.Timeout | undefined;

  constructor(parts: HealthDiscoveryParts) {
    this.parts = parts;
    this.stream = new LastingStream({ ...parts, method }, this);
    const { stats } = parts;
    for (let i = 0; i < stats.length; i++) stats[i] += 0;
  }

  start(): void {
    this.stream.start();
  }

  onStreamOpen(): void {
    const capability = create(messageType('envoy.service.health.v3.Capability'), {
      healthCheckProtocols: [http],
    } as never);
    const value = create(messageType('envoy.service.health.v3.HealthCheckRequest'), {
      node: this.parts.node,
      capability,
    } as never);
    this.send({ case: 'healthCheckRequest', value });
    this.parts.stats[HDS_DELEGATE.slot.requests]++;
  }

  stop(): void {
    clearInterval(this.timer);
    this.stream.stop();
    for (const { checker } of this.clusters) checker.stop();
  }

  onMessage(bytes: Uint8Array): void {
    const { stats } = this.parts;
    let specifier: Specifier;
    try {
      specifier = decode('envoy.service.health.v3.HealthCheckSpecifier', bytes) as unknown as Specifier;
    } catch (error) {
      log.warn(`a response of the health discovery service cannot be read: ${(error as Error).message}`);
      return;
    }
    stats[HDS_DELEGATE.slot.requests]++;
    const text = Buffer.from(bytes).toString('latin1');
    if (text !== this.latest) {
      this.latest = text;
      stats[HDS_DELEGATE.slot.updates]++;
      this.check(specifier.clusterHealthChecks);
    }
    clearInterval(this.timer);
    this.timer = setInterval(() => this.report(), Math.max(1, durationMs(specifier.interval) ?? defaultInterval));
    this.timer.unref();
  }

  /** Hosts that are still there keep what was found out about them. */
  private check(wanted: readonly ClusterCheck[]): void {
    for (const { checker } of this.clusters) checker.stop();
    const former = new Map(this.slots);
    this.slots.clear();
    const taken = new Set<number>();
    this.clusters = wanted.flatMap((each) => this.checkCluster(each, former, taken) ?? []);
  }

  private checkCluster(
    wanted: ClusterCheck,
    former: ReadonlyMap<string, number>,
    taken: Set<number>,
  ): CheckedCluster | undefined {
    const { clusterName: name, healthChecks, localityEndpoints, transportSocketMatches } = wanted;
    const cluster = create(messageType('envoy.config.cluster.v3.Cluster'), { name, healthChecks } as never);
    const { errors } = checkResource(cluster as unknown as AnyMessage, new Set());
    if (errors.length > 0 || healthChecks.length === 0 || transportSocketMatches.length > 0) {
      const secured = transportSocketMatches.length > 0 ? 'transport_socket_matches is not supported yet' : '';
      const reason = errors.length > 0 ? reasonsOf({ errors, warnings: [], breaksRules: false }) : secured;
      log.warn(`hds: cluster '${name}' is not checked: ${reason || 'it has no health_checks'}`);
      return undefined;
    }
    const hosts = hostsOf(wanted);
    const slots = hosts.map((host) => this.slotFor(`${name}/${memberKey(host)}`, former, taken));
    const checker = this.parts.makeChecker(cluster as unknown as ClusterMessage, this.words);
    checker.setHosts(hosts.map((host, i) => ({ key: `${i}/${memberKey(host)}`, slot: slots[i], ...host.healthCheck })));
    return { name, checker, hosts, slots, localities: localityEndpoints };
  }

  private slotFor(key: string, former: ReadonlyMap<string, number>, taken: Set<number>): number {
    const before = former.get(key);
    let slot = before ?? 0;
    if (before === undefined || taken.has(before)) {
      const held = new Set(former.values());
      while (taken.has(slot) || held.has(slot)) slot++;
      Atomics.store(this.words, hostBase(slot) + HostWord.Health, 0);
    }
    taken.add(slot);
    this.slots.set(key, slot);
    return slot;
  }

  private report(): void {
    const clusters = this.clusters.map((cluster) => this.healthOf(cluster));
    const value = create(messageType('envoy.service.health.v3.EndpointHealthResponse'), {
      endpointsHealth: clusters.flatMap(({ flat }) => flat),
      clusterEndpointsHealth: clusters.map(({ message }) => message),
    } as never);
    this.send({ case: 'endpointHealthResponse', value });
    this.parts.stats[HDS_DELEGATE.slot.responses]++;
  }

  private healthOf({ name, slots, localities }: CheckedCluster): { message: unknown; flat: unknown[] } {
    let index = 0;
    const flat: unknown[] = [];
    const localityEndpointsHealth = localities.map(({ locality, endpoints }) => {
      const endpointsHealth = endpoints.map((endpoint) => {
        const flags = Atomics.load(this.words, hostBase(slots[index++]) + HostWord.Health);
        const fields = { endpoint, healthStatus: statusOf(flags) };
        return create(messageType('envoy.service.health.v3.EndpointHealth'), fields as never);
      });
      flat.push(...endpointsHealth);
      return create(messageType('envoy.service.health.v3.LocalityEndpointsHealth'), {
        locality,
        endpointsHealth,
      } as never);
    });
    const fields = { clusterName: name, localityEndpointsHealth };
    return { message: create(messageType('envoy.service.health.v3.ClusterEndpointsHealth'), fields as never), flat };
  }

  private send(request: unknown): void {
    const message = create(messageType(requestType), { requestType: request } as never);
    this.stream.send(encode(requestType, message as never));
  }

  /** Checks go on meanwhile. */
  onStreamClosed(code: number, message: string, wait: number): void {
    clearInterval(this.timer);
    this.parts.stats[HDS_DELEGATE.slot.errors]++;
    log.warn(`health discovery stream closed: ${code}, ${message}, again in ${wait} ms`);
  }
}

function hostsOf({ clusterName, localityEndpoints }: ClusterCheck): KnownHost[] {
  const endpoints = localityEndpoints.map(({ locality, endpoints: list }) => ({
    locality,
    priority: 0,
    lbEndpoints: list.map((value) => ({ hostIdentifier: { case: 'endpoint', value }, healthStatus: 0 })),
  }));
  return knownHosts({ clusterName, endpoints } as never, false);
}

function statusOf(flags: number): number {
  const health = healthOfFlags(flags);
  if (health !== 'unhealthy') return status[health];
  return (flags & HealthFlag.ActiveHcTimeout) === 0 ? status.unhealthy : status.timeout;
}
