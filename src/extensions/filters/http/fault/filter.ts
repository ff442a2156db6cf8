/** envoy.filters.http.fault: delays requests, aborts them and slows their answers down, to see what clients make of it. */
import type { HeaderMap, RequestHead } from '../../../../../native-free/headers/header_map.ts';
import {
  X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER,
  X_ENVOY_DOWNSTREAM_SERVICE_NODE,
} from '../../../../../native-free/headers/well_known.ts';
import type { envoy } from '../../../../api/envoy_types.ts';
import type { SharedCount } from '../../../../common/named_words.ts';
import { ResponseFlag } from '../../../../common/response_flags.ts';
import type { Runtime } from '../../../../common/runtime.ts';
import { Timer, type TimerOwner } from '../../../../common/timers.ts';
import {
  type BodyPiece,
  DataStatus,
  type DecoderFilterCallbacks,
  type EncoderFilterCallbacks,
  HeadersStatus,
  type StreamFilter,
  TrailersStatus,
} from '../../../../spi/http_filter.ts';
import type { WorkerContext } from '../../../../spi/worker_context.ts';
import { FaultSettings } from './fault_settings.ts';
import { RateLimiter } from './rate_limiter.ts';
import { FaultStats } from './stats.ts';

type Message = envoy.extensions.filters.http.fault.v3.HTTPFault;

const metadataNamespace = 'envoy.filters.http.fault';

interface Config {
  readonly settings: FaultSettings;
  readonly runtime: Runtime;
  readonly stats: FaultStats;
  /** Streams with a fault, in all workers. */
  readonly active: SharedCount;
}

export default function create(message: Message, context: WorkerContext, statPrefix: string): () => StreamFilter {
  const config: Config = {
    settings: new FaultSettings(message),
    runtime: context.runtime,
    stats: new FaultStats(context.stats, statPrefix),
    active: context.named.count(`http.${statPrefix}.fault.active_faults`),
  };
  return () => new FaultFilter(config);
}

/** Compiled settings of routes, by their message. */
const ofRoutes = new WeakMap<object, FaultSettings>();

function routeSettings(message: object): FaultSettings {
  let settings = ofRoutes.get(message);
  if (settings === undefined) {
    settings = new FaultSettings(message as Message);
    ofRoutes.set(message, settings);
  }
  return settings;
}

class FaultFilter implements StreamFilter, TimerOwner {
  private readonly config: Config;
  private settings: FaultSettings;
  private decoder!: DecoderFilterCallbacks;
  private encoder!: EncoderFilterCallbacks;
  private delay: Timer | undefined;
  private limiter: RateLimiter | undefined;
  /** Counted among the active faults, once whatever is injected. */
  private active = false;
  /** Who calls, by its own word; empty when it says nothing. */
  private downstreamCluster = '';

  constructor(config: Config) {
    this.config = config;
    this.settings = config.settings;
  }

  setDecoderCallbacks(callbacks: DecoderFilterCallbacks): void {
    this.decoder = callbacks;
  }

  setEncoderCallbacks(callbacks: EncoderFilterCallbacks): void {
    this.encoder = callbacks;
  }

  decodeHeaders(head: RequestHead): HeadersStatus {
    const perRoute = this.decoder.perRouteConfig;
    if (perRoute !== undefined) this.settings = routeSettings(perRoute as object);
    if (!this.concerns(head)) return HeadersStatus.Continue;
    this.downstreamCluster = head.headers.get(X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER) ?? '';
    this.limitRate(head);
    if (this.startDelay(head)) return HeadersStatus.StopIteration;
    return this.abort(head) ? HeadersStatus.StopIteration : HeadersStatus.Continue;
  }

  /** Kept while the request waits; at the limit its client is paused. */
  decodeData(): DataStatus {
    return this.delay === undefined ? DataStatus.Continue : DataStatus.StopIterationAndWatermark;
  }

  decodeTrailers(): TrailersStatus {
    return this.delay === undefined ? TrailersStatus.Continue : TrailersStatus.StopIteration;
  }

  encodeData(piece: BodyPiece, endStream: boolean): DataStatus {
    if (this.limiter === undefined) return DataStatus.Continue;
    this.limiter.write(piece.bytes, piece.start, piece.end, endStream);
    return DataStatus.StopIterationNoBuffer;
  }

  encodeTrailers(_trailers: HeaderMap): TrailersStatus {
    return this.limiter?.holdTrailers() === true ? TrailersStatus.StopIteration : TrailersStatus.Continue;
  }

  onTimer(): void {
    this.delay = undefined;
    if (!this.abort(this.decoder.request)) this.decoder.continueDecoding();
  }

  onDestroy(): void {
    this.delay?.stop();
    this.limiter?.stop();
    if (!this.active) return;
    this.active = false;
    this.config.active.add(-1);
    this.config.stats.addActive(-1);
  }

  private concerns(head: RequestHead): boolean {
    const { upstreamCluster, downstreamNodes, headers } = this.settings;
    if (upstreamCluster !== '' && this.decoder.route?.selectCluster(head) !== upstreamCluster) return false;
    const node = downstreamNodes && head.headers.get(X_ENVOY_DOWNSTREAM_SERVICE_NODE);
    if (downstreamNodes !== undefined && (node === undefined || !downstreamNodes.has(node))) return false;
    return headers.every((matcher) => matcher.matchesRequest(head));
  }

  private startDelay(head: RequestHead): boolean {
    const { delay, keys } = this.settings;
    const { runtime } = this.config;
    const percentKey = this.clusterKey('delay.fixed_delay_percent') ?? keys.delayPercent;
    if (delay === undefined || !delay.share.includes(head, runtime, percentKey)) return false;
    const configured = delay.duration(head);
    if (configured === undefined) return false;
    let duration = runtime.integer(keys.delayDuration, configured);
    const durationKey = this.clusterKey('delay.fixed_duration_ms');
    if (durationKey !== undefined) duration = runtime.integer(durationKey, duration);
    if (duration === 0 || !this.mayInject()) return false;
    this.delay = new Timer(this, 0);
    this.delay.start(duration);
    this.note('delays_injected', ResponseFlag.DelayInjected);
    return true;
  }

  /** Tells whether the request has its answer. */
  private abort(head: RequestHead): boolean {
    const { abort, keys } = this.settings;
    const { runtime } = this.config;
    const percentKey = this.clusterKey('abort.abort_percent') ?? keys.abortPercent;
    if (abort === undefined || !abort.share.includes(head, runtime, percentKey)) return false;
    const http = this.status(abort.httpStatus(head), keys.abortHttpStatus, 'abort.http_status');
    const grpc =
      http === undefined ? this.status(abort.grpcStatus(head), keys.abortGrpcStatus, 'abort.grpc_status') : undefined;
    if ((http === undefined && grpc === undefined) || !this.mayInject()) return false;
    this.note('aborts_injected', ResponseFlag.FaultInjected);
    this.decoder.sendLocalReply(http ?? 200, abort.body, 'fault_filter_abort', -1, undefined, grpc);
    return true;
  }

  /** The runtime may change a status that there is, not make one; what would be no final answer is not taken from it. */
  private status(configured: number | undefined, key: string, name: string): number | undefined {
    if (configured === undefined) return undefined;
    const { runtime } = this.config;
    const clusterKey = this.clusterKey(name);
    const status = runtime.integer(clusterKey ?? key, configured);
    return name === 'abort.http_status' && (status < 200 || status > 999) ? configured : status;
  }

  private limitRate(head: RequestHead): void {
    const { rateLimit, keys } = this.settings;
    if (rateLimit === undefined || !rateLimit.share.includes(head, this.config.runtime, keys.rateLimitPercent)) return;
    const rate = rateLimit.rate(head);
    if (rate === undefined || !this.mayInject()) return;
    this.config.stats.count('response_rl_injected');
    this.limiter = new RateLimiter(this.encoder, rate);
  }

  /** The key that is for requests of this caller alone; undefined for one that does not say who it is. */
  private clusterKey(name: string): string | undefined {
    return this.downstreamCluster === '' ? undefined : `fault.http.${this.downstreamCluster}.${name}`;
  }

  private mayInject(): boolean {
    if (this.active) return true;
    const { runtime, active, stats } = this.config;
    const { keys, maxActiveFaults } = this.settings;
    if (active.add(1) >= runtime.integer(keys.maxActiveFaults, maxActiveFaults)) {
      active.add(-1);
      stats.count('faults_overflow');
      return false;
    }
    this.active = true;
    stats.addActive(1);
    return true;
  }

  private note(what: 'aborts_injected' | 'delays_injected', flag: number): void {
    const { settings, downstreamCluster, decoder } = this;
    const { info } = decoder;
    const { stats } = this.config;
    stats.count(what);
    if (downstreamCluster !== '' && settings.countsDownstreamClusters) stats.countOfCluster(downstreamCluster, what);
    info.setFlag(flag);
    info.dynamicMetadata ??= new Map();
    info.dynamicMetadata.set(metadataNamespace, {
      ...info.dynamicMetadata.get(metadataNamespace),
      ...settings.metadata,
    });
  }
}
