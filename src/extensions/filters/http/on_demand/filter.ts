/** envoy.filters.http.on_demand: holds a request whose virtual host (VHDS) or cluster (ODCDS) is not there while it is asked for. */
import { durationMs } from '../../../../common/duration.ts';
import { writeSource } from '../../../../common/on_demand_source.ts';
import {
  type DecoderFilterCallbacks,
  HeadersStatus,
  type HttpFilterFactory,
  type StreamFilter,
} from '../../../../spi/http_filter.ts';
import type { WorkerContext } from '../../../../spi/worker_context.ts';
import type { OnDemand } from './config.ts';

/** Envoy's, milliseconds. */
const defaultTimeout = 5000;

/** Where clusters are asked for; undefined: nowhere. */
interface ClusterSource {
  readonly from: string;
  readonly timeout: number;
}

class OnDemandFilter implements StreamFilter {
  private readonly context: WorkerContext;
  private readonly sourceOf: (config: OnDemand) => ClusterSource | undefined;
  private readonly config: OnDemand;
  private decoder!: DecoderFilterCallbacks;
  private gone = false;

  constructor(context: WorkerContext, config: OnDemand, sourceOf: (config: OnDemand) => ClusterSource | undefined) {
    this.context = context;
    this.config = config;
    this.sourceOf = sourceOf;
  }

  setDecoderCallbacks(callbacks: DecoderFilterCallbacks): void {
    this.decoder = callbacks;
  }

  decodeHeaders(): HeadersStatus {
    const { decoder } = this;
    const waits =
      decoder.route === undefined ? decoder.requestRouteConfigUpdate(() => this.onHost()) : this.waitsForCluster();
    return waits ? HeadersStatus.StopAllIterationAndWatermark : HeadersStatus.Continue;
  }

  onDestroy(): void {
    this.gone = true;
  }

  private onHost(): void {
    this.decoder.clearRouteCache();
    if (!this.waitsForCluster()) this.decoder.continueDecoding();
  }

  private waitsForCluster(): boolean {
    const { decoder, context } = this;
    const { route } = decoder;
    const source = route && this.sourceOf((decoder.perRouteConfig as OnDemand | undefined) ?? this.config);
    if (source === undefined) return false;
    const name = route?.selectCluster(decoder.request) ?? '';
    if (name === '' || context.clusters.get(name) !== undefined) return false;
    return context.requestCluster(name, source.from, source.timeout, () => {
      if (!this.gone) decoder.continueDecoding();
    });
  }
}

const create: HttpFilterFactory = (config, context) => {
  // One of a route is the same object for each of its requests.
  const sources = new WeakMap<OnDemand, ClusterSource>();
  const sourceOf = (each: OnDemand): ClusterSource | undefined => {
    const { odcds } = each;
    if (odcds?.source === undefined) return undefined;
    let source = sources.get(each);
    if (source === undefined) {
      const timeout = durationMs(odcds.timeout as never) ?? defaultTimeout;
      source = { from: writeSource(odcds.source), timeout };
      sources.set(each, source);
    }
    return source;
  };
  return () => new OnDemandFilter(context, config as OnDemand, sourceOf);
};
export default create;
