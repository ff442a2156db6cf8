/** The settings of an HTTP connection manager, compiled once from its message; defaults are Envoy's. */
import { networkInterfaces } from 'node:os';
import type { RequestDecoderOptions } from '../../native-free/http1/codec.ts';
import type { envoy } from '../api/envoy_types.ts';
import { durationMs } from '../common/duration.ts';
import { HTTP, LISTENER_HTTP } from '../common/stats/layouts.ts';
import type { RouteTable } from '../router/route_table.ts';
import type { AccessLogger } from '../spi/format.ts';
import type { StreamFilter } from '../spi/http_filter.ts';
import type { Histogram } from '../spi/stats.ts';
import type { ListenerInfo, WorkerContext } from '../spi/worker_context.ts';

type Message = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager;

export interface HttpConnectionManagerConfig {
  readonly statPrefix: string;
  readonly stats: Float64Array;
  readonly listenerStats: Float64Array;
  readonly requestTime: Histogram;
  readonly connectionLength: Histogram;
  readonly routes: RouteTable | undefined;
  readonly filters: readonly (() => StreamFilter)[];
  readonly accessLoggers: readonly AccessLogger[];
  readonly decoder: RequestDecoderOptions;
  readonly serverName: string;
  readonly serverTransformation: 'overwrite' | 'append_if_absent' | 'pass_through';
  readonly via: string;
  readonly useRemoteAddress: boolean;
  readonly xffNumTrustedHops: number;
  readonly skipXffAppend: boolean;
  /** The machine's first address that is not loopback. */
  readonly localAddress: string;
  readonly generateRequestId: boolean;
  readonly preserveExternalRequestId: boolean;
  readonly alwaysSetRequestId: boolean;
  /** Milliseconds; 0: off. */
  readonly streamIdleTimeout: number;
  readonly requestTimeout: number;
  readonly requestHeadersTimeout: number;
  readonly idleTimeout: number;
  readonly maxConnectionDuration: number;
  readonly maxStreamDuration: number;
  readonly delayedCloseTimeout: number;
  readonly drainTimeout: number;
  /** 0: no limit. */
  readonly maxRequestsPerConnection: number;
  readonly normalizePath: boolean;
  readonly mergeSlashes: boolean;
  readonly escapedSlashes: number;
  readonly proxy100Continue: boolean;
  /** Bytes kept for one stream in one direction. */
  readonly bufferLimit: number;
}

const transformations = ['overwrite', 'append_if_absent', 'pass_through'] as const;
const underscores = ['ALLOW', 'REJECT_REQUEST', 'DROP_HEADER'] as const;

export function compileConfig(
  message: Message,
  context: WorkerContext,
  listener: ListenerInfo,
  filters: readonly (() => StreamFilter)[],
): HttpConnectionManagerConfig {
  const prefix = `http.${message.statPrefix}.`;
  const common = message.commonHttpProtocolOptions;
  const http1 = message.httpProtocolOptions;
  const { routeSpecifier } = message;
  return {
    statPrefix: message.statPrefix,
    stats: context.stats.block(HTTP, prefix),
    listenerStats: context.stats.block(LISTENER_HTTP, `${listener.statPrefix}http.${message.statPrefix}.`),
    requestTime: context.stats.histogram(`${prefix}downstream_rq_time`),
    connectionLength: context.stats.histogram(`${prefix}downstream_cx_length_ms`),
    routes: routeSpecifier.case === 'routeConfig' ? context.compileRoutes(routeSpecifier.value) : undefined,
    filters,
    accessLoggers: context.accessLoggers(message.accessLog),
    decoder: {
      maxHeadBytes: (message.maxRequestHeadersKb ?? 60) * 1024,
      maxHeaders: common?.maxHeadersCount ?? 100,
      acceptHttp10: http1?.acceptHttp10 ?? false,
      defaultHostForHttp10: http1?.defaultHostForHttp10 ?? '',
      enableTrailers: http1?.enableTrailers ?? false,
      allowAbsoluteUrl: http1?.allowAbsoluteUrl ?? true,
      headersWithUnderscores: underscores[common?.headersWithUnderscoresAction ?? 0],
    },
    serverName: message.serverName || 'envoy',
    serverTransformation: transformations[message.serverHeaderTransformation],
    via: message.via,
    useRemoteAddress: message.useRemoteAddress ?? false,
    xffNumTrustedHops: message.xffNumTrustedHops,
    skipXffAppend: message.skipXffAppend,
    localAddress: firstAddress(),
    generateRequestId: message.generateRequestId ?? true,
    preserveExternalRequestId: message.preserveExternalRequestId,
    alwaysSetRequestId: message.alwaysSetRequestIdInResponse,
    streamIdleTimeout: durationMs(message.streamIdleTimeout) ?? 300_000,
    requestTimeout: durationMs(message.requestTimeout) ?? 0,
    requestHeadersTimeout: durationMs(message.requestHeadersTimeout) ?? 0,
    idleTimeout: durationMs(common?.idleTimeout) ?? 3_600_000,
    maxConnectionDuration: durationMs(common?.maxConnectionDuration) ?? 0,
    maxStreamDuration: durationMs(common?.maxStreamDuration) ?? 0,
    delayedCloseTimeout: durationMs(message.delayedCloseTimeout) ?? 1000,
    drainTimeout: durationMs(message.drainTimeout) ?? 5000,
    maxRequestsPerConnection: common?.maxRequestsPerConnection ?? 0,
    normalizePath: message.normalizePath ?? false,
    mergeSlashes: message.mergeSlashes,
    escapedSlashes: message.pathWithEscapedSlashesAction,
    proxy100Continue: message.proxy100Continue,
    bufferLimit: listener.bufferLimit,
  };
}

function firstAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.find((address) => !address.internal && address.family === 'IPv4')?.address ?? '127.0.0.1';
}
