/** Step 7 of the data path, the terminal HTTP filter: route → cluster; answers itself or forwards the request. */
import type { HeaderMap, RequestHead } from '../../native-free/headers/header_map.ts';
import { ResponseFlag } from '../common/response_flags.ts';
import { HTTP } from '../common/stats/layouts.ts';
import {
  type BodyPiece,
  DataStatus,
  type DecoderFilterCallbacks,
  HeadersStatus,
  type StreamFilter,
  TrailersStatus,
} from '../spi/http_filter.ts';
import { replyDirectly } from './direct_reply.ts';
import { ForwardedRequest } from './forwarded_request.ts';
import type { Route } from './route_table.ts';
import type { RouterConfig } from './router_config.ts';
import { strictHeaderFault } from './strict_headers.ts';

export class RouterFilter implements StreamFilter {
  private readonly config: RouterConfig;
  private callbacks!: DecoderFilterCallbacks;
  private forwarded: ForwardedRequest | undefined;

  constructor(config: RouterConfig) {
    this.config = config;
  }

  setDecoderCallbacks(callbacks: DecoderFilterCallbacks): void {
    this.callbacks = callbacks;
  }

  decodeHeaders(head: RequestHead, endStream: boolean): HeadersStatus {
    const { callbacks, config } = this;
    const { route } = callbacks;
    config.stats[HTTP.slot.rq_total]++;
    if (route === undefined) {
      config.stats[HTTP.slot.no_route]++;
      callbacks.sendLocalReply(404, '', 'route_not_found', ResponseFlag.NoRouteFound);
    } else if (route.kind !== 'forward') {
      config.stats[HTTP.slot.rq_direct_response]++;
      replyDirectly(route, head, callbacks, !config.suppressEnvoyHeaders);
    } else this.forward(route, head, endStream);
    return HeadersStatus.StopIteration;
  }

  decodeData(piece: BodyPiece, endStream: boolean): DataStatus {
    this.forwarded?.sendData(piece, endStream);
    return DataStatus.StopIterationNoBuffer;
  }

  decodeTrailers(trailers: HeaderMap): TrailersStatus {
    this.forwarded?.sendTrailers(trailers);
    return TrailersStatus.StopIteration;
  }

  onDownstreamBlocked(): void {
    this.forwarded?.onDownstreamBlocked();
  }

  onDownstreamWritable(): void {
    this.forwarded?.onDownstreamWritable();
  }

  onDestroy(): void {
    this.forwarded?.onDestroy();
  }

  private forward(route: Route, head: RequestHead, endStream: boolean): void {
    const { callbacks, config } = this;
    const { info } = callbacks;
    const fault = config.strictHeaders.length === 0 ? undefined : strictHeaderFault(config.strictHeaders, head);
    if (fault !== undefined) {
      callbacks.sendLocalReply(400, fault.body, fault.details, ResponseFlag.InvalidEnvoyRequestHeaders);
      return;
    }
    const name = route.selectCluster(head);
    const cluster = name === undefined ? undefined : config.clusters.get(name);
    if (cluster === undefined) {
      config.stats[HTTP.slot.no_cluster]++;
      callbacks.sendLocalReply(route.clusterNotFoundStatus, '', 'cluster_not_found', ResponseFlag.NoClusterFound);
      return;
    }
    info.upstreamCluster = cluster.name;
    info.upstreamClusterMetadata = cluster.metadata;
    this.forwarded = new ForwardedRequest(config, callbacks, route, cluster);
    this.forwarded.start(endStream);
  }
}
