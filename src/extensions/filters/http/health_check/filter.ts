/** envoy.filters.http.health_check: answers health checks of this process itself, or, while it is failed, in place of its hosts. */
import type { RequestHead, ResponseHead } from '../../../../../native-free/headers/header_map.ts';
import {
  X_ENVOY_IMMEDIATE_HEALTH_CHECK_FAIL,
  X_ENVOY_UPSTREAM_HEALTHCHECKED_CLUSTER,
} from '../../../../../native-free/headers/well_known.ts';
import type { envoy } from '../../../../api/envoy_types.ts';
import { compileHeaderMatcher, type HeaderMatcher } from '../../../../common/matchers/header_matcher.ts';
import { ResponseFlag } from '../../../../common/response_flags.ts';
import { defineLayout } from '../../../../common/stats/layout.ts';
import {
  DataStatus,
  type DecoderFilterCallbacks,
  HeadersStatus,
  type StreamFilter,
  TrailersStatus,
} from '../../../../spi/http_filter.ts';
import type { WorkerContext } from '../../../../spi/worker_context.ts';

type Message = envoy.extensions.filters.http.health_check.v3.HealthCheck;

/** Below `http.<stat_prefix>.health_check.` */
const HEALTH_CHECK = defineLayout('http_health_check', [
  'request_total',
  'ok',
  'failed',
  'degraded',
  'cached_response',
  'failed_cluster_empty',
  'failed_cluster_not_found',
  'failed_cluster_unhealthy',
]);

interface Config {
  readonly passThrough: boolean;
  readonly matchers: readonly HeaderMatcher[];
  readonly process: WorkerContext['drain'];
  readonly serviceCluster: string;
  readonly stats: Float64Array;
}

export default function create(message: Message, context: WorkerContext, statPrefix: string): () => StreamFilter {
  const config: Config = {
    passThrough: message.passThroughMode === true,
    matchers: message.headers.map(compileHeaderMatcher),
    process: context.drain,
    serviceCluster: context.serviceCluster,
    stats: context.stats.block(HEALTH_CHECK, `http.${statPrefix}.health_check.`),
  };
  return () => new HealthCheckFilter(config);
}

class HealthCheckFilter implements StreamFilter {
  private readonly config: Config;
  private callbacks!: DecoderFilterCallbacks;
  private isCheck = false;
  /** The answer is ours, when the request has ended. */
  private handling = false;

  constructor(config: Config) {
    this.config = config;
  }

  setDecoderCallbacks(callbacks: DecoderFilterCallbacks): void {
    this.callbacks = callbacks;
  }

  decodeHeaders(head: RequestHead, endStream: boolean): HeadersStatus {
    const { matchers, passThrough, process } = this.config;
    if (!matchers.every((matcher) => matcher.matchesRequest(head))) return HeadersStatus.Continue;
    this.isCheck = true;
    this.callbacks.info.healthCheck = true;
    this.handling = !passThrough || process.healthFailed;
    if (!this.handling) return HeadersStatus.Continue;
    if (endStream) this.answer();
    return HeadersStatus.StopIteration;
  }

  decodeData(_piece: unknown, endStream: boolean): DataStatus {
    if (!this.handling) return DataStatus.Continue;
    if (endStream) this.answer();
    return DataStatus.StopIterationNoBuffer;
  }

  decodeTrailers(): TrailersStatus {
    if (!this.handling) return TrailersStatus.Continue;
    this.answer();
    return TrailersStatus.StopIteration;
  }

  encodeHeaders({ headers }: ResponseHead): HeadersStatus {
    const { process, serviceCluster } = this.config;
    if (this.isCheck) headers.set(X_ENVOY_UPSTREAM_HEALTHCHECKED_CLUSTER, serviceCluster);
    if (process.healthFailed) headers.set(X_ENVOY_IMMEDIATE_HEALTH_CHECK_FAIL, 'true');
    return HeadersStatus.Continue;
  }

  private answer(): void {
    const { process, stats } = this.config;
    const { slot } = HEALTH_CHECK;
    stats[slot.request_total]++;
    if (process.healthFailed) {
      stats[slot.failed]++;
      this.callbacks.sendLocalReply(503, '', 'health_check_failed', ResponseFlag.FailedLocalHealthCheck);
      return;
    }
    stats[slot.ok]++;
    this.callbacks.sendLocalReply(200, '', 'health_check_ok');
  }
}
