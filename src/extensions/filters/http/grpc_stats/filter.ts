/** envoy.filters.http.grpc_stats: counts gRPC calls and their messages by service and method. */
import { isGrpcType } from '../../../../../native-free/grpc/content_type.ts';
import { MessageCounter } from '../../../../../native-free/grpc/message_counter.ts';
import { type MethodPath, parseMethodPath } from '../../../../../native-free/grpc/method_path.ts';
import type { HeaderMap, RequestHead, ResponseHead } from '../../../../../native-free/headers/header_map.ts';
import { CONTENT_TYPE, GRPC_STATUS } from '../../../../../native-free/headers/well_known.ts';
import type { envoy } from '../../../../api/envoy_types.ts';
import { type CallScope, CallStats } from '../../../../common/grpc/call_stats.ts';
import {
  type BodyPiece,
  DataStatus,
  type DecoderFilterCallbacks,
  HeadersStatus,
  type StreamFilter,
  TrailersStatus,
} from '../../../../spi/http_filter.ts';
import type { WorkerContext } from '../../../../spi/worker_context.ts';
import { StatsState, stateKey } from './stats_state.ts';

type Message = envoy.extensions.filters.http.grpc_stats.v3.FilterConfig;

interface Config {
  readonly clusters: WorkerContext['clusters'];
  readonly stats: CallStats;
  /** The method a call is counted by; undefined: it is not told apart. */
  readonly countedAs: (call: MethodPath) => MethodPath | undefined;
  readonly emitFilterState: boolean;
  readonly upstreamTime: boolean;
}

export default function create(message: Message, context: WorkerContext): () => StreamFilter {
  const config: Config = {
    clusters: context.clusters,
    stats: new CallStats(context.stats, 'grpc'),
    countedAs: compileNames(message),
    emitFilterState: message.emitFilterState,
    upstreamTime: message.enableUpstreamStats,
  };
  return () => new GrpcStatsFilter(config);
}

function compileNames(message: Message): Config['countedAs'] {
  const { perMethodStatSpecifier: chosen, replaceDotsInGrpcServiceName: replaceDots } = message;
  if (chosen.case === 'statsForAllMethods' && chosen.value.value) {
    if (!replaceDots) return (call) => call;
    return ({ service, method }) => ({ service: service.replaceAll('.', '_'), method });
  }
  if (chosen.case !== 'individualMethodStatsAllowlist') return () => undefined;
  const listed = new Map<string, MethodPath>();
  for (const { name, methodNames } of chosen.value.services) {
    const service = replaceDots ? name.replaceAll('.', '_') : name;
    for (const method of methodNames) listed.set(`${name}/${method}`, { service, method });
  }
  return ({ service, method }) => listed.get(`${service}/${method}`);
}

class GrpcStatsFilter implements StreamFilter {
  private readonly config: Config;
  private callbacks!: DecoderFilterCallbacks;
  private scope: CallScope | undefined;
  private state: StatsState | undefined;
  private readonly requests = new MessageCounter();
  private readonly responses = new MessageCounter();
  private isRequest = false;
  private isResponse = false;

  constructor(config: Config) {
    this.config = config;
  }

  setDecoderCallbacks(callbacks: DecoderFilterCallbacks): void {
    this.callbacks = callbacks;
  }

  decodeHeaders(head: RequestHead): HeadersStatus {
    this.isRequest = isGrpcType(head.headers.get(CONTENT_TYPE));
    if (this.isRequest) this.scope = this.findScope(head);
    return HeadersStatus.Continue;
  }

  decodeData({ bytes, start, end }: BodyPiece): DataStatus {
    if (!this.isRequest) return DataStatus.Continue;
    const begun = this.requests.push(bytes, start, end);
    if (begun > 0) {
      this.noteState();
      this.scope?.addRequestMessages(begun);
    }
    return DataStatus.Continue;
  }

  encodeHeaders(head: ResponseHead, endStream: boolean): HeadersStatus {
    const { headers } = head;
    this.isResponse = endStream
      ? headers.has(GRPC_STATUS)
      : head.status === 200 && isGrpcType(headers.get(CONTENT_TYPE));
    this.scope?.chargeStatus(headers.get(GRPC_STATUS));
    if (endStream) this.chargeTime();
    return HeadersStatus.Continue;
  }

  encodeData({ bytes, start, end }: BodyPiece): DataStatus {
    if (!this.isResponse) return DataStatus.Continue;
    const begun = this.responses.push(bytes, start, end);
    if (begun > 0) {
      this.noteState();
      this.scope?.addResponseMessages(begun);
    }
    return DataStatus.Continue;
  }

  encodeTrailers(trailers: HeaderMap): TrailersStatus {
    this.scope?.chargeStatus(trailers.get(GRPC_STATUS));
    this.chargeTime();
    return TrailersStatus.Continue;
  }

  private findScope(head: RequestHead): CallScope | undefined {
    const { clusters, stats, countedAs } = this.config;
    const name = this.callbacks.route?.selectCluster(head);
    const cluster = name === undefined ? undefined : clusters.get(name);
    const call = cluster === undefined ? undefined : parseMethodPath(head.path);
    return call === undefined ? undefined : stats.scope(cluster!.statsPrefix, countedAs(call));
  }

  private chargeTime(): void {
    if (!this.config.upstreamTime || this.scope === undefined) return;
    const { lastUpstreamByteSent, lastUpstreamByteReceived } = this.callbacks.info;
    if (lastUpstreamByteSent === 0 || lastUpstreamByteReceived === 0) return;
    this.scope.chargeUpstreamTime(Math.max(0, lastUpstreamByteReceived - lastUpstreamByteSent));
  }

  private noteState(): void {
    if (!this.config.emitFilterState) return;
    const { info } = this.callbacks;
    if (this.state === undefined) {
      this.state = new StatsState();
      info.filterState ??= new Map();
      info.filterState.set(stateKey, this.state);
    }
    this.state.request_message_count = this.requests.count;
    this.state.response_message_count = this.responses.count;
  }
}
