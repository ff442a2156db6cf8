/** Load reports (LRS): tells a management server every so often what each cluster, locality and endpoint had to do (main thread). */
import { create } from '@bufbuild/protobuf';
import type { envoy } from '../api/envoy_types.ts';
import { decode, encode, messageType } from '../api/registry.ts';
import { durationMs } from '../common/duration.ts';
import { logger } from '../common/log.ts';
import { defineLayout } from '../common/stats/layout.ts';
import { LastingStream, type StreamOwner, type StreamParts } from './grpc/lasting_stream.ts';

const log = logger('upstream');

type ClusterStats = envoy.config.endpoint.v3.ClusterStats;
type LocalityStats = envoy.config.endpoint.v3.UpstreamLocalityStats;
type Response = envoy.service.load_stats.v3.LoadStatsResponse;

/** `load_reporter.` */
export const LOAD_REPORTER = defineLayout('load_reporter', ['errors', 'requests', 'responses', 'retries']);

const method = '/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats';
/** Milliseconds; a server that asks for less would keep the main thread busy. */
const leastInterval = 10;
const defaultInterval = 5000;

/** Requests of one host, as counted since the process began. */
export interface HostLoad {
  /** Names it among all hosts of its cluster. */
  readonly key: string;
  readonly address: envoy.config.core.v3.Address;
  readonly locality: { readonly region: string; readonly zone: string; readonly subZone: string } | undefined;
  readonly priority: number;
  readonly success: number;
  readonly error: number;
  readonly issued: number;
  readonly active: number;
}

export interface ClusterLoad {
  readonly name: string;
  /** Of EDS; empty: it has none. */
  readonly serviceName: string;
  readonly hosts: readonly HostLoad[];
}

export interface LoadReporterParts extends Omit<StreamParts, 'method'> {
  readonly node: envoy.config.core.v3.Node;
  /** Slots of `load_reporter.` */
  readonly stats: Float64Array;
  readonly clusters: () => readonly ClusterLoad[];
}

/** What was reported last of a host. */
interface Reported {
  readonly success: number;
  readonly error: number;
  readonly issued: number;
}

export class LoadReporter implements StreamOwner {
  private readonly parts: LoadReporterParts;
  private readonly stream: LastingStream;
  private timer: NodeJS.Timeout | undefined;
  private asked: Response | undefined;
  /** When the clusters in question were first asked for, or reported last; `performance.now()`. */
  private since = new Map<string, number>();
  private reported = new Map<string, Reported>();

  constructor(parts: LoadReporterParts) {
    this.parts = parts;
    this.stream = new LastingStream({ ...parts, method }, this);
    const { stats } = parts;
    for (let i = 0; i < stats.length; i++) stats[i] += 0;
  }

  start(): void {
    this.stream.start();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.stream.stop();
  }

  onStreamOpen(): void {
    this.send([]);
  }

  onMessage(bytes: Uint8Array): void {
    const { stats } = this.parts;
    try {
      this.asked = decode('envoy.service.load_stats.v3.LoadStatsResponse', bytes) as unknown as Response;
    } catch (error) {
      log.warn(`a response of the load reporting service cannot be read: ${(error as Error).message}`);
      return;
    }
    stats[LOAD_REPORTER.slot.responses]++;
    log.debug(`load reports: ${this.asked.sendAllClusters ? 'all clusters' : this.asked.clusters.join(', ')}`);
    // What was counted before it was asked for is of no interest; clusters that were asked for already go on.
    const now = performance.now();
    const since = new Map<string, number>();
    for (const cluster of this.wanted()) {
      const before = this.since.get(cluster.name);
      since.set(cluster.name, before ?? now);
      if (before === undefined) for (const host of cluster.hosts) this.note(cluster.name, host);
    }
    this.since = since;
    this.schedule();
  }

  private schedule(): void {
    clearTimeout(this.timer);
    const interval = Math.max(leastInterval, durationMs(this.asked?.loadReportingInterval) ?? defaultInterval);
    this.timer = setTimeout(() => {
      this.report();
      this.schedule();
    }, interval);
    this.timer.unref();
  }

  private report(): void {
    const now = performance.now();
    const reports = this.wanted().map((cluster) => {
      const report = this.reportOf(cluster, now - (this.since.get(cluster.name) ?? now));
      this.since.set(cluster.name, now);
      return report;
    });
    this.send(reports);
  }

  private wanted(): readonly ClusterLoad[] {
    const { asked } = this;
    if (asked === undefined) return [];
    const all = this.parts.clusters();
    if (asked.sendAllClusters) return all;
    const names = new Set(asked.clusters);
    return all.filter(({ name }) => names.has(name));
  }

  private reportOf({ name, serviceName, hosts }: ClusterLoad, interval: number): ClusterStats {
    const localities = new Map<string, LocalityStats>();
    for (const host of hosts) this.addHost(localities, name, host);
    return create(messageType('envoy.config.endpoint.v3.ClusterStats'), {
      clusterName: name,
      clusterServiceName: serviceName,
      upstreamLocalityStats: [...localities.values()],
      loadReportInterval: duration(interval),
    } as never) as unknown as ClusterStats;
  }

  /** Hosts, and localities, that had nothing to do are left out, as in Envoy. */
  private addHost(localities: Map<string, LocalityStats>, cluster: string, host: HostLoad): void {
    const before = this.reported.get(`${cluster}/${host.key}`) ?? nothing;
    this.note(cluster, host);
    const counts = {
      totalSuccessfulRequests: BigInt(host.success - before.success),
      totalErrorRequests: BigInt(host.error - before.error),
      totalRequestsInProgress: BigInt(host.active),
      totalIssuedRequests: BigInt(host.issued - before.issued),
    };
    if (Object.values(counts).every((count) => count === 0n)) return;
    const { locality: place, priority, address } = host;
    const key = `${priority}/${place?.region}/${place?.zone}/${place?.subZone}`;
    let stats = localities.get(key);
    if (stats === undefined) {
      const locality = create(messageType('envoy.config.core.v3.Locality'), (place ?? {}) as never);
      const fields = { locality, priority };
      stats = create(
        messageType('envoy.config.endpoint.v3.UpstreamLocalityStats'),
        fields as never,
      ) as never as LocalityStats;
      localities.set(key, stats);
    }
    for (const [field, count] of Object.entries(counts)) stats[field as keyof typeof counts] += count;
    if (this.asked?.reportEndpointGranularity !== true) return;
    const endpoint = create(messageType('envoy.config.endpoint.v3.UpstreamEndpointStats'), {
      address,
      ...counts,
    } as never);
    stats.upstreamEndpointStats.push(endpoint as never);
  }

  private note(cluster: string, { key, success, error, issued }: HostLoad): void {
    this.reported.set(`${cluster}/${key}`, { success, error, issued });
  }

  private send(clusterStats: readonly ClusterStats[]): void {
    if (!this.stream.isOpen) return;
    const fields = { node: this.parts.node, clusterStats };
    const message = create(messageType('envoy.service.load_stats.v3.LoadStatsRequest'), fields as never);
    this.stream.send(encode('envoy.service.load_stats.v3.LoadStatsRequest', message as never));
    this.parts.stats[LOAD_REPORTER.slot.requests]++;
  }

  onStreamClosed(status: number, message: string, wait: number): void {
    const { stats } = this.parts;
    clearTimeout(this.timer);
    this.asked = undefined;
    this.since = new Map();
    this.reported = new Map();
    stats[LOAD_REPORTER.slot.errors]++;
    stats[LOAD_REPORTER.slot.retries]++;
    log.warn(`load reporting stream closed: ${status}, ${message}, again in ${wait} ms`);
  }
}

const nothing: Reported = { success: 0, error: 0, issued: 0 };

function duration(milliseconds: number): unknown {
  const seconds = Math.floor(milliseconds / 1000);
  const nanos = Math.round((milliseconds - seconds * 1000) * 1e6);
  return create(messageType('google.protobuf.Duration'), { seconds: BigInt(seconds), nanos } as never);
}
